"""A host that takes a connection and then says nothing, or goes away, in the middle of making it.

That is no refusal: nobody has said no. A frozen sshd cannot be timed to the message, so a server of paramiko's stands
in; where the real one can be had, it is asked.
"""

from __future__ import annotations

import contextlib
import io
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import paramiko
import pytest

from console.hosts.base import HostRefused, HostUnreachable
from console.hosts.config import HostConfig
from console.hosts.ssh import SshHost
from console.hosts.try_key import try_key
from tests.console.hosts.contract import BRISK
from tests.console.hosts.sshd import Sshd, keygen, running
from tests.console.hosts.test_ssh import config_of

SOON = replace(BRISK, banner_s=0.3, auth_s=0.3)
"""Waits so short that they are often over in the very moment in which paramiko looks."""


class _Asked(paramiko.ServerInterface):
    def __init__(self, answer: Callable[[], int]) -> None:
        self._answer = answer

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        return self._answer()

    def get_allowed_auths(self, username: str) -> str:
        return "publickey"


class Standin:
    """A server that shows a key of its own and does as it is told once a key is offered to it."""

    def __init__(self, folder: Path) -> None:
        self._key = paramiko.ECDSAKey.generate()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self.over = threading.Event()
        self.does = "refuses"
        known = folder / "known"
        known.write_text(f"[127.0.0.1]:{self.port} {self._key.get_name()} {self._key.get_base64()}\n")
        self._settings = folder / "settings"
        self._settings.write_text(f"UserKnownHostsFile {known}\nGlobalKnownHostsFile none\nIdentityAgent none\n")
        self.identity = keygen(folder / "mine")
        self._sockets: list[socket.socket] = []
        threading.Thread(target=self._serve, daemon=True).start()

    @property
    def config(self) -> HostConfig:
        return HostConfig(
            "box", "127.0.0.1", user="me", port=self.port, identity=str(self.identity), ssh_config=str(self._settings)
        )

    def _serve(self) -> None:
        while not self.over.is_set():
            try:
                sock, _ = self._listening.accept()
            except OSError:
                return
            self._sockets.append(sock)
            if self.does == "says nothing":
                continue
            transport = paramiko.Transport(sock)
            transport.daemon = True
            transport.add_server_key(self._key)
            with contextlib.suppress(paramiko.SSHException, EOFError, OSError):
                transport.start_server(threading.Event(), _Asked(lambda sock=sock: self._answer(sock)))

    def _answer(self, sock: socket.socket) -> int:
        if self.does == "freezes":
            self.over.wait(20)
        if self.does == "goes":
            sock.shutdown(socket.SHUT_RDWR)
        return int(paramiko.AUTH_FAILED)  # type: ignore[attr-defined]

    def close(self) -> None:
        self.over.set()
        self._listening.close()
        for sock in self._sockets:
            sock.close()


@pytest.fixture
def standin(tmp_path: Path) -> Iterator[Standin]:
    server = Standin(tmp_path)
    yield server
    server.close()


def test_one_that_takes_the_connection_and_says_nothing_is_not_reached(standin: Standin) -> None:
    """Whoever of us two is the first to see that the time is over: seen both ways about as often."""
    standin.does = "says nothing"
    for _ in range(8):
        host = SshHost(standin.config, SOON)
        with pytest.raises(HostUnreachable, match="SSH"):
            host.connect()
        host.close()


@pytest.mark.parametrize("does", ["freezes", "goes"])
def test_a_key_that_gets_no_answer_was_not_refused(standin: Standin, does: str) -> None:
    standin.does = does
    with pytest.raises(HostUnreachable, match="while logging in"):
        SshHost(standin.config, SOON).connect()
    tried = try_key(standin.config, standin.identity.read_text(), timing=SOON)
    assert tried.verdict == "unknown", tried


def test_a_no_is_a_no(standin: Standin) -> None:
    with pytest.raises(HostRefused, match="1 key offered, none accepted"):
        SshHost(standin.config, SOON).connect()
    assert try_key(standin.config, standin.identity.read_text(), timing=SOON).verdict == "refused"


def test_an_sshd_that_hangs_up_on_a_wrong_key_has_said_no(tmp_path: Path) -> None:
    """With one try allowed (MaxAuthTries 1) it does not answer the key but dismisses us."""
    wrong = paramiko.ECDSAKey.generate()
    text = io.StringIO()
    wrong.write_private_key(text)
    file = tmp_path / "wrong"
    file.write_text(text.getvalue())
    file.chmod(0o600)
    with running(tmp_path / "strict", "MaxAuthTries 1") as server:
        assert "Too many authentication failures" not in _log(server)
        with pytest.raises(HostRefused, match="1 key offered, none accepted"):
            SshHost(config_of(server, identity=str(file)), BRISK).connect()
        assert "Too many authentication failures" in _log(server)
        assert try_key(config_of(server), text.getvalue(), timing=BRISK).verdict == "refused"


def _log(server: Sshd) -> str:
    return (server.folder / "log").read_text()
