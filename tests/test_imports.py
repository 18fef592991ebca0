"""What a process of ours has imported, seen from inside it: floors that a linter of direct imports misses."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

REPORT = """
import sys, json, atexit
atexit.register(lambda: sys.__stderr__.write('\\nMODULES ' + json.dumps(sorted(filter(sys.modules.get, sys.modules)))))
"""
MAIN = "import sys; sys.argv[:] = {argv!r}; from console.cli import main; main()"
CLIENTS = {"paramiko", "docker", "requests", "httpx", "prometheus_api_client", "cryptography", "keyring"}


def modules(code: str) -> set[str]:
    """Top names of what a fresh interpreter has imported when it ends after `code`."""
    done = subprocess.run(
        [sys.executable, "-P", "-c", f"{REPORT}\n{code}"], capture_output=True, text=True, timeout=60, cwd="/"
    )
    _, mark, found = done.stderr.rpartition("\nMODULES ")
    assert mark, done.stderr
    names = json.loads(found)
    return {name.partition(".")[0] for name in names} | {name for name in names if name.startswith("console.")}


def of_command(*words: str) -> set[str]:
    return modules(MAIN.format(argv=["quarterdeck", *words]))


def test_the_control_sees_what_is_imported() -> None:
    assert {"textual", "console.app"} <= modules("import console.app")
    assert "pydantic" in modules("import profiles.models")


def test_version_imports_neither_click_nor_pydantic() -> None:
    found = of_command("--version")
    assert not found & {"click", "pydantic", "textual", "yaml", "sqlite3"} and not found & CLIENTS


@pytest.mark.parametrize("words", [("--help",), ("status", "--help"), ("runs", "--help")])
def test_help_knows_no_screen_and_no_client(words: tuple[str, ...]) -> None:
    found = of_command(*words)
    assert "click" in found
    assert not found & {"textual", "pydantic", "yaml"} and not found & CLIENTS


@pytest.mark.parametrize("command", ["run", "plan"])
def test_help_of_what_takes_parameters_knows_no_screen_and_no_client(command: str) -> None:
    found = of_command(command, "--help")
    assert "pydantic" in found, "it lists the parameters of every action"
    assert not found & {"textual", "yaml"} and not found & CLIENTS


@pytest.mark.parametrize(
    "words",
    [("status",), ("audit", "verify"), ("doctor",), ("profile", "check", "routing-ml"), ("-p", "routing-ml", "runs")],
)
def test_a_command_runs_without_textual(words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    found = of_command(*words)
    assert "textual" not in found and "screens" not in found and "console.app" not in found
    assert "console.cli.group" in found


def test_the_console_opens_without_a_parser() -> None:
    found = of_command("-p", "demo", "--read-only")
    assert "console.app" in found, "it got as far as saying that it needs a terminal"
    assert "click" not in found and "console.cli.group" not in found


def test_what_the_first_paint_can_do_without(tmp_path: Path) -> None:
    code = (
        f"import os; os.environ['QUARTERDECK_STATE_DIR'] = {str(tmp_path)!r}\n"
        "from console.store.database import Database; Database(__import__('pathlib').Path(os.environ["
        "'QUARTERDECK_STATE_DIR']) / 'store.sqlite3').connection()\n"
        "from console.app import QuarterdeckApp; from console.live.session import LiveSession\n"
        "QuarterdeckApp(LiveSession('demo')).get_default_screen()"
    )
    found = modules(code)
    assert {"console.store.memory", "sqlite3"} <= found, "it looked for what was known last"
    assert not found & {"pydantic", "yaml", "click"} and not found & CLIENTS
    late = {"console.text.sanitise", "console.feeds.lines", "console.store.records", "console.live.runs"}
    late |= {"console.session", "console.timing", "console.environment"}
    assert not found & late


def test_the_runner_knows_no_screen(tmp_path: Path) -> None:
    code = (
        f"import os, runpy; sys.argv[:] = ['runner', '--run', 'none', '--state', {str(tmp_path)!r}]\n"
        "runpy.run_module('console.runner', run_name='__main__')"
    )
    found = modules(code)
    assert "console.runs.engine" in found, "it got as far as a run's engine"
    assert "textual" not in found and "screens" not in found and "console.app" not in found
    assert "console.cli" not in found


def test_a_strangers_console_in_the_working_directory_is_never_imported(tmp_path: Path) -> None:
    for package in ("console", "screens", "actions", "profiles"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text("raise SystemExit('a stranger')\n")
    script = Path(sys.executable).with_name("quarterdeck")
    argv = [str(script)] if script.exists() else [sys.executable, "-P", "-c", MAIN.format(argv=["quarterdeck"])]
    done = subprocess.run([*argv, "--version"], capture_output=True, text=True, timeout=30, cwd=tmp_path)
    assert done.returncode == 0 and "stranger" not in done.stderr
    done = subprocess.run(
        [sys.executable, "-P", "-m", "console.runner", "--run", "none", "--state", str(tmp_path / "state")],
        capture_output=True,
        text=True,
        timeout=30,
        cwd=tmp_path,
    )
    assert done.returncode == 6 and "holds no run none" in done.stderr
