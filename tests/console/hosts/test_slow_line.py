"""What a command costs on a slow line: round trips and bytes, beside a control without what saves them."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from console.hosts.ahead import Spare
from console.hosts.base import HostRefused, HostUnreachable
from console.hosts.command import Command
from console.hosts.ssh import SshHost
from console.hosts.transport import PACKED, PackingTransport
from tests.console.hosts.contract import Ground, sh
from tests.console.hosts.sshd import Sshd, running
from tests.console.hosts.test_ssh import config_of
from tests.lab.slow_link import SlowLink, slow_line

ROUND_TRIP_S = 0.4
QUICK = 1e9
"""Bits a second, where only round trips count."""


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Sshd]:
    with running(tmp_path / "own-sshd") as sshd:
        yield sshd


def behind(server: Sshd, link: SlowLink) -> SshHost:
    """The server, reached over the line."""
    server.config.write_text(f"HostKeyAlias {server.lookup}\n{server.config.read_text()}")
    return SshHost(replace(config_of(server), port=link.port))


def round_trips(host: SshHost, command: Command, stdin: bytes | None, below: float) -> float:
    """How many a warm command takes, with what the host needs to begin it.

    The least of a few, until one is `below`: a machine with much to do only adds to what a line takes.
    """
    host.run(command, stdin=stdin)
    least = float("inf")
    for _ in range(8):
        time.sleep(2 * ROUND_TRIP_S)  # a channel is opened ahead meanwhile
        began = time.monotonic()
        assert host.run(command, stdin=stdin).rc == 0
        least = min(least, (time.monotonic() - began) / ROUND_TRIP_S)
        if least < below:
            break
    return least


@pytest.mark.parametrize(("stdin", "expected"), [(None, 1), (b"some input", 2)])
def test_a_warm_command_takes_one_round_trip(
    own: Sshd, monkeypatch: pytest.MonkeyPatch, stdin: bytes | None, expected: int
) -> None:
    """And one more for its input: sshd takes none before the command was begun."""
    command = Command(argv=("cat",))
    with slow_line(("127.0.0.1", own.port), ROUND_TRIP_S, QUICK) as link:
        host = behind(own, link)
        assert expected <= round_trips(host, command, stdin, expected + 1) < expected + 1
        monkeypatch.setattr(Spare, "take", lambda _: None)
        assert expected + 1 <= round_trips(host, command, stdin, expected + 2) < expected + 2
        host.close()


def test_what_is_the_same_in_every_command_is_sent_once(own: Sshd, tmp_path: Path) -> None:
    """The guard is 9 KB of script."""
    ground, command = Ground(tmp_path / "app"), Command(argv=("true",), writes=True)

    def sent_by_the_second(link: SlowLink, host: SshHost) -> int:
        assert host.guarded(command, ground.guard(f"a{link.port}")).rc == 0
        before = link.sent
        assert host.guarded(command, ground.guard(f"b{link.port}")).rc == 0
        return link.sent - before

    for packs in (True, False):
        with pytest.MonkeyPatch.context() as patch, slow_line(("127.0.0.1", own.port), 0.0, QUICK) as link:
            patch.setattr(PackingTransport, "packs", property(lambda _, packs=packs: packs, lambda *_: None))
            host = behind(own, link)
            sent = sent_by_the_second(link, host)
            host.close()
        assert sent < 1_000 if packs else sent > 8_000, (packs, sent)


def test_only_what_we_send_is_packed_unless_the_ssh_configuration_says_so(own: Sshd) -> None:
    def agreed(host: SshHost) -> tuple[str, str]:
        assert host.run(Command(argv=("seq", "5000"))).text().endswith("5000")
        transport = host._live().transport
        transport.renegotiate_keys()
        assert host.run(Command(argv=("seq", "5000"))).text().endswith("5000")
        host.close()
        return str(transport.local_compression), str(transport.remote_compression)

    assert agreed(SshHost(config_of(own))) == (PACKED, "none")
    own.config.write_text(own.config.read_text() + "Compression yes\n")
    assert agreed(SshHost(config_of(own))) == (PACKED, PACKED)
    own.stop()
    own.extra = ("Compression no",)
    own.start()
    assert agreed(SshHost(config_of(own))) == ("none", "none")


def test_a_host_that_opens_few_sessions_is_not_asked_again(own: Sshd, monkeypatch: pytest.MonkeyPatch) -> None:
    own.stop()
    own.extra = ("MaxSessions 1",)
    own.start()
    asked: list[object] = []
    opened = Spare._open

    def counted(self: Spare) -> None:
        asked.append(self)
        opened(self)

    monkeypatch.setattr(Spare, "_open", counted)
    host = SshHost(config_of(own))
    host.connect()
    for _ in range(4):
        assert host.run(sh("sleep 0.2")).rc == 0
    assert len(asked) <= 2  # beside the login, and once in vain
    host.close()


def test_a_refused_command_is_told_from_a_lost_one(own: Sshd, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a lost one it is not known whether it ran; of a refused one it is."""
    host = SshHost(config_of(own))
    host.connect()
    with monkeypatch.context() as patch:
        patch.setattr("console.hosts.ahead.KIND", "subsystem")  # which sshd refuses as it would a command
        with pytest.raises(HostRefused, match="runs no commands"):
            host.run(Command(argv=("true",)))
    assert host.run(Command(argv=("true",))).rc == 0
    own.signal_sessions(signal.SIGSTOP)
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(lambda: host.run(Command(argv=("true",))))
        time.sleep(0.3)
        own.signal_sessions(signal.SIGKILL)
        with pytest.raises(HostUnreachable):
            future.result(10)
    host.close()
