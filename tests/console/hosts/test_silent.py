"""A host that takes a connection and then says nothing, or goes away, in the middle of making it.

That is no refusal: nobody has said no. A frozen sshd cannot be timed to the message, so a server of paramiko's stands
in; where the real one can be had, it is asked.
"""

from __future__ import annotations

import contextlib
import io
import socket
import threading
import time
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
from tests.console.hosts.sshd import Sshd, keygen, poll, running
from tests.console.hosts.test_ssh import config_of

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
"""Of the stand-in's own threads, whose connections go away."""
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
        self.over, self.offered = threading.Event(), threading.Event()
        self.does = "refuses"
        known = folder / "known"
        known.write_text(f"[127.0.0.1]:{self.port} {self._key.get_name()} {self._key.get_base64()}\n")
        self._settings = folder / "settings"
        self._settings.write_text(f"UserKnownHostsFile {known}\nGlobalKnownHostsFile none\nIdentityAgent none\n")
        self.identity = keygen(folder / "mine")
        self._sockets: list[socket.socket] = []
        self._transports: list[paramiko.Transport] = []
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
            self._transports.append(transport)
            transport.daemon = True
            transport.add_server_key(self._key)
            with contextlib.suppress(paramiko.SSHException, EOFError, OSError):
                transport.start_server(threading.Event(), _Asked(lambda sock=sock: self._answer(sock)))

    def _answer(self, sock: socket.socket) -> int:
        self.offered.set()
        if self.does == "freezes":
            self.over.wait(20)
        if self.does == "goes":
            sock.shutdown(socket.SHUT_RDWR)
        if self.does == "says goodbye":
            message = paramiko.Message()
            message.add_byte(bytes([1]))  # SSH_MSG_DISCONNECT
            message.add_int(11)
            message.add_string("going down for maintenance")
            message.add_string("")
            self._transports[-1]._send_message(message)  # type: ignore[attr-defined]
            self.over.wait(20)
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


@pytest.mark.parametrize("does", ["freezes", "goes", "says goodbye"])
def test_a_key_that_gets_no_answer_was_not_refused(standin: Standin, does: str) -> None:
    standin.does = does
    with pytest.raises(HostUnreachable, match="while logging in"):
        SshHost(standin.config, SOON).connect()
    tried = try_key(standin.config, standin.identity.read_text(), timing=SOON)
    assert tried.verdict == "unknown", tried


def test_whoever_gives_up_does_not_wait_for_the_answer_to_a_key(standin: Standin) -> None:
    standin.does = "freezes"
    host = SshHost(standin.config, replace(BRISK, auth_s=30.0))
    told: list[HostUnreachable] = []

    def ask() -> None:
        with pytest.raises(HostUnreachable) as caught:
            host.connect()
        told.append(caught.value)

    asking = threading.Thread(target=ask)
    asking.start()
    assert poll(lambda: standin.offered.is_set(), 10)
    began = time.monotonic()
    host.give_up()
    asking.join(20)
    assert told and time.monotonic() - began < 5
    with pytest.raises(HostUnreachable, match="not waited for any more"):
        host.connect()


def test_one_that_speaks_and_agrees_on_nothing_is_said_to(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        config = HostConfig("box", "127.0.0.1", user="me", port=server.getsockname()[1], ssh_config="none")

        def greet() -> None:
            sock, _ = server.accept()
            with sock:
                sock.sendall(b"SSH-2.0-OpenSSH_9.6\r\n")
                over.wait(20)

        over = threading.Event()
        threading.Thread(target=greet, daemon=True).start()
        with pytest.raises(HostUnreachable, match=r"speaks SSH, and did not agree|does not speak SSH to us"):
            SshHost(config, SOON).connect()
        over.set()


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
        assert poll(lambda: "Too many authentication failures" in _log(server))  # written once it is said
        assert try_key(config_of(server), text.getvalue(), timing=BRISK).verdict == "refused"


def _log(server: Sshd) -> str:
    return (server.folder / "log").read_text()
