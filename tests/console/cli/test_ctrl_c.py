"""Ctrl-C while a host is silent: the command ends at once, whatever still waits for that host."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.console.cli.program import Terminal, quarterdeck
from tests.console.hosts.sshd import keygen, running

PROGRAM = Path(sys.prefix) / "bin" / "quarterdeck"
AT_ONCE_S = 6.0
"""The wait for a host that says nothing is 20 s; this machine may be busy."""


@pytest.fixture
def silent() -> Iterator[socket.socket]:
    """Takes connections and says nothing."""
    with closing(socket.create_server(("127.0.0.1", 0), backlog=50)) as server:
        yield server


@pytest.mark.parametrize(
    "words",
    [
        ("status",),
        ("hosts",),
        ("runs",),
        ("releases", "staging"),
        ("doctor", "staging"),
        ("plan", "baseline", "staging"),
        ("run", "baseline", "staging", "--yes"),
        ("checklist", "staging"),
        # its registry says nothing either, and that wait cannot be ended from outside
        ("plan", "deploy", "staging", "--set", "candidate=1.0", "--json"),
    ],
    ids=lambda words: "-".join(words[:2]),
)
def test_a_wait_for_a_silent_host_ends_with_it(words: tuple[str, ...], silent: socket.socket, tmp_path: Path) -> None:
    (tmp_path / "list.md").write_text("# Before\n\n- [ ] it listens\n")
    images = {"web": f"127.0.0.1:{silent.getsockname()[1]}/web:{{release}}"}
    stack = {"kind": "compose", "project": "web", "files": ["compose.yml"], "services": {"web": {}}, "images": images}
    profile = {
        "system": "silent",
        "hosts": {"box": {"address": "127.0.0.1", "port": silent.getsockname()[1], "user": "nobody"}},
        "environments": {
            "staging": {
                "hosts": ["box"],
                "directory": "/opt/app",
                "stack": stack,
                "checklists": [{"file": "list.md", "probes": {"it listens": "listens"}}],
                "probes": {"listens": {"kind": "command", "host": "box", "argv": ["true"]}},
            }
        },
    }
    file = tmp_path / "quarterdeck.yaml"
    file.write_text(json.dumps(profile))
    env = {**os.environ, "QUARTERDECK_STATE_DIR": str(tmp_path / "state"), "HOME": str(tmp_path)}
    process = subprocess.Popen(
        [str(PROGRAM), "-p", str(file), *words],
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    silent.settimeout(0.1)
    waited_for = None
    while waited_for is None:
        with contextlib.suppress(TimeoutError):
            waited_for, _ = silent.accept()
        assert waited_for or process.poll() is None, process.communicate()
    with waited_for:
        time.sleep(0.5)  # until it waits for the host's first word
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        try:
            given, said = process.communicate(timeout=60)
        finally:
            process.kill()
        assert (process.returncode, said.strip()) == (130, "Interrupted.")
        assert ("Interrupted." in given) == ("--json" in words)
        assert time.monotonic() - began < AT_ONCE_S


def test_a_passphrase_that_a_host_wants_leaves_the_terminal_its_echo(tmp_path: Path, places: Path) -> None:
    """It is asked by one of the threads that reach the hosts; nobody waits for that one."""
    with running(tmp_path / "sshd") as server:
        key = keygen(tmp_path / "locked", passphrase="of the key")
        box = {"address": "127.0.0.1", "port": server.port, "user": server.user, "ssh_config": str(server.config)}
        box |= {"identity": str(key), "passphrase": {"secret": "key"}}
        stack = {"kind": "compose", "project": "web", "files": ["compose.yml"], "services": {"web": {}}}
        profile = {
            "system": "asks",
            "keyring": "sealed",
            "credentials": {"key": {"kind": "ssh"}},
            "hosts": {"box": box},
            "environments": {"staging": {"hosts": ["box"], "directory": "/opt/app", "stack": stack}},
        }
        file = tmp_path / "quarterdeck.yaml"
        file.write_text(json.dumps(profile))
        reading, writing = os.pipe()
        os.write(writing, b"of the keyring\n")
        os.close(writing)
        words = ("-p", str(file), "--passphrase-fd", str(reading), "credentials", "set", "key", "--stdin")
        stored = quarterdeck(*words, given="of the key\n", descriptors=(reading,))
        os.close(reading)
        assert stored.code == 0, stored
        with Terminal("-p", str(file), "hosts") as terminal:
            assert terminal.echoes
            terminal.expect("Passphrase of the keyring")
            assert not terminal.echoes
            terminal.type("\x03")
            assert terminal.ended() == 130
            assert terminal.echoes
