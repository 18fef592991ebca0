"""A module that is put off is not loaded by whoever only imports it, and is whole for whoever uses it."""

from __future__ import annotations

import subprocess
import sys

OURS = "import sys, console.hosts.ssh, paramiko, docker\n"


def said(script: str) -> str:
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.strip()


def test_what_paramiko_imports_and_we_never_use_is_not_loaded() -> None:
    loaded = "print('invoke.config' in sys.modules)"
    assert said(OURS + loaded) == "False"
    assert said("import sys, paramiko\n" + loaded) == "True"  # else there is nothing to put off any more


def test_a_plug_in_that_uses_it_gets_it() -> None:
    assert said(OURS + "import invoke\nprint(invoke.__version__, invoke is sys.modules['invoke'])").endswith("False")
    assert said(OURS + "from invoke import run, Config\nprint(run.__module__, Config.__name__)") == "invoke Config"
    assert said(OURS + "import invoke.tasks\nprint(invoke.tasks.task.__module__)") == "invoke.tasks"
    used = "paramiko.config.invoke.run('exit 3', hide=True, warn=True).return_code"
    assert said(OURS + f"import paramiko.config\nprint({used})") == "3"


def test_httpx_comes_without_its_own_command_line() -> None:
    assert said("import console, httpx, sys\nprint(httpx.Client().timeout, 'pygments' in sys.modules)").endswith(
        "False"
    )
    assert said("import httpx, sys\nprint('pygments' in sys.modules)") == "True", "the control"
