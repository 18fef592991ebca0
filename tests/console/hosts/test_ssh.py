"""A host behind a real sshd keeps the contract, and is noticed when it goes."""

from __future__ import annotations

import itertools
import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from console.hosts.base import HostBusy, HostError, HostRefused, HostUnreachable
from console.hosts.command import Command
from console.hosts.config import HostConfig
from console.hosts.connection import SLOTS, Connection
from console.hosts.ssh import SshHost
from console.hosts.trust import WrongFingerprint, see, trust
from console.hosts.try_key import try_key
from console.timing import DEFAULT
from tests.console.hosts.contract import BRISK, TIMING, Ground, HostContract, processes, sh
from tests.console.hosts.sshd import Sshd, keygen, poll, running


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    with running(tmp_path_factory.mktemp("sshd") / "a") as sshd:
        yield sshd


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Sshd]:
    """A server of one test's own, to be frozen, killed or set up in another way."""
    with running(tmp_path / "own-sshd") as sshd:
        yield sshd


def config_of(server: Sshd, **changes: object) -> HostConfig:
    config = HostConfig(
        "box",
        "127.0.0.1",
        user=server.user,
        port=server.port,
        identity=str(server.identity),
        ssh_config=str(server.config),
    )
    return replace(config, **changes)  # type: ignore[arg-type]


@pytest.fixture
def host(server: Sshd) -> Iterator[SshHost]:
    host = SshHost(config_of(server), TIMING)
    yield host
    host.close()


class TestSshHost(HostContract):
    @pytest.fixture
    def host(self, server: Sshd) -> Iterator[SshHost]:
        host = SshHost(config_of(server), TIMING)
        yield host
        host.close()


# -- one connection ------------------------------------------------------------------------------------------------


def test_connects_once_for_many_callers(own: Sshd) -> None:
    host = SshHost(config_of(own), TIMING)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: host.run(Command(argv=("true",))), range(8)))
    assert own.log().count("Accepted publickey") == 1
    host.close()


@pytest.mark.parametrize("ordered", [True, False], ids=["ordered", "control"])
def test_nothing_is_said_on_a_channel_after_its_end(own: Sshd, ordered: bool) -> None:
    host = SshHost(config_of(own), TIMING)
    host.connect()
    line: Any = host.line()
    transport = line.transport
    channel: Any = transport.open_session()
    late = channel._send_eof()  # put together before the channel is closed, sent after: as two threads may do
    channel.eof_sent = False
    channel.exec_command("true")
    assert poll(lambda: channel.closed)
    (channel.transport if ordered else transport)._send_user_message(late)
    if ordered:
        assert host.run(Command(argv=("true",))).rc == 0
        assert host.line() is line
    else:
        assert poll(lambda: not line.alive)
        assert "ieof packet referred to nonexistent channel" in own.log()
    host.close()


def test_seven_commands_run_five_at_a_time(own: Sshd, tmp_path: Path) -> None:
    host = SshHost(config_of(own), TIMING)
    host.connect()
    turns = tmp_path / "turns"
    text = 'echo 1 >>"$2"; sleep 0.3; echo -1 >>"$2"; echo "$1"'
    with ThreadPoolExecutor(7) as pool:
        results = list(pool.map(lambda n: host.run(sh(text, str(n), str(turns))), range(7)))
    assert [result.out for result in results] == [f"{n}\n".encode() for n in range(7)]
    assert 1 < max(itertools.accumulate(map(int, turns.read_text().split()))) <= SLOTS == 5
    host.close()


def test_no_free_channel_is_busy_and_not_down(own: Sshd, tmp_path: Path) -> None:
    own.stop()
    own.extra = ("MaxSessions 1",)
    own.start()
    host = SshHost(config_of(own), TIMING)
    with ThreadPoolExecutor(1) as pool:
        there = tmp_path / "there"
        future = pool.submit(lambda: host.run(sh('touch "$1"; sleep 1', str(there))))
        assert poll(there.exists)
        with pytest.raises(HostBusy):
            host.run(Command(argv=("true",), deadline_s=0.3))
        assert future.result(10).rc == 0
    assert host.run(Command(argv=("true",))).rc == 0
    host.close()


def test_a_noisy_start_up_file_is_not_taken_for_output(own: Sshd) -> None:
    """What a login shell prints before our script is dropped, on both streams."""
    shell = own.folder / "noisy"
    shell.write_text('#!/bin/sh\necho "welcome, $USER"\necho "warning" >&2\nexec sh -c "$SSH_ORIGINAL_COMMAND"\n')
    shell.chmod(0o755)
    key = (own.folder / "id.pub").read_text()
    (own.folder / "authorized_keys").write_text(f'command="{shell}" {key}')
    host = SshHost(config_of(own), TIMING)
    result = host.run(sh("echo out; echo err >&2; exit 2"))
    assert (result.rc, result.out, result.err) == (2, b"out\n", b"err\n")
    assert host.run(Command(argv=("sleep", "30"), deadline_s=0.3)).ended == "deadline"
    host.close()


def test_an_account_that_may_run_nothing_gets_a_sentence(own: Sshd) -> None:
    key = (own.folder / "id.pub").read_text()
    (own.folder / "authorized_keys").write_text(f'command="echo This account is for transfers only." {key}')
    host = SshHost(config_of(own), TIMING)
    with pytest.raises(HostError, match="This account is for transfers only"):
        host.run(Command(argv=("true",)))
    host.close()


# -- losing it -----------------------------------------------------------------------------------------------------


def test_a_frozen_sshd_is_noticed_in_time(own: Sshd) -> None:
    host = SshHost(config_of(own), BRISK)
    host.connect()
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(lambda: host.run(Command(argv=("sleep", "60"))))
        time.sleep(0.2)
        assert not future.done()
        began = time.monotonic()
        assert own.signal_sessions(signal.SIGSTOP) > 0
        with pytest.raises(HostUnreachable, match="no answer for"):
            future.result(10)
        # Of the budget of 15 s a tenth, and two seconds for a machine with much else to do.
        assert time.monotonic() - began < BRISK.probe_every_s + BRISK.probe_answer_s + 0.5 + 2.0
    host.close()


def test_whoever_waits_for_its_judge_goes_on_as_soon_as_it_is_heard_of() -> None:
    connection = Connection("box", "box", DEFAULT)
    transport: Any = SimpleNamespace(is_active=lambda: True)
    connection._transports.append(transport)
    connection._heard.at -= DEFAULT.probe_every_s + 0.5
    began = time.monotonic()
    threading.Timer(0.2, lambda: setattr(connection._heard, "at", time.monotonic())).start()
    assert connection.settles() and 0.2 <= time.monotonic() - began < 2.0


def test_a_key_is_tried_without_a_word_in_the_background(
    server: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken: list[object] = []
    monkeypatch.setattr(threading, "excepthook", broken.append)
    assert try_key(config_of(server), server.identity.read_text(), timing=TIMING).verdict == "accepted"
    keygen(tmp_path / "other")
    assert try_key(config_of(server), (tmp_path / "other").read_text(), timing=TIMING).verdict == "refused"
    assert not poll(lambda: bool(broken), 0.3)


def test_a_quiet_but_living_host_is_not_taken_for_dead(server: Sshd) -> None:
    host = SshHost(config_of(server), replace(BRISK, probe_answer_s=1.6))
    result = host.run(Command(argv=("sleep", "4")))  # twice the limit
    assert result.rc == 0
    host.close()


def test_a_killed_sshd_is_noticed_at_once_and_connected_again(own: Sshd) -> None:
    host = SshHost(config_of(own), TIMING)
    host.connect()
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(lambda: host.run(Command(argv=("sleep", "3"))))
        time.sleep(0.2)
        began = time.monotonic()
        own.signal_sessions(signal.SIGKILL)
        with pytest.raises(HostUnreachable):
            future.result(10)
        assert time.monotonic() - began < 3.0 < TIMING.probe_answer_s
    assert host.run(Command(argv=("echo", "again"))).out == b"again\n"
    host.close()


def test_a_detached_command_outlives_the_connection(own: Sshd, tmp_path: Path) -> None:
    ground = Ground(tmp_path / "app")
    host = SshHost(config_of(own), TIMING)
    command = sh('echo one; while [ ! -e "$1" ]; do sleep 0.05; done; echo two; exit 6', str(tmp_path / "go"),
                 writes=True, detach=True)  # fmt: skip
    guard = ground.guard()
    with ThreadPoolExecutor(1) as pool:
        heard = threading.Event()
        future = pool.submit(lambda: host.guarded(command, guard, on_output=lambda *_: heard.set()))
        assert heard.wait(10)
        own.signal_sessions(signal.SIGKILL)
        with pytest.raises(HostUnreachable):
            future.result(10)
    state = host.step_on_host(guard)
    assert (state.exists, state.alive, state.rc, state.out_bytes) == (True, True, None, 4)
    (tmp_path / "go").touch()
    result = host.attach(command, guard, offset=4)
    assert (result.rc, result.out) == (6, b"two\n")
    host.close()


def test_an_attached_command_that_lost_its_caller_still_writes_how_it_ended(own: Sshd, tmp_path: Path) -> None:
    ground = Ground(tmp_path / "app")
    host = SshHost(config_of(own), TIMING)
    command = sh(
        'echo one; while [ ! -e "$1" ]; do sleep 0.05; done; echo two; exit 6', str(tmp_path / "go"), writes=True
    )
    with ThreadPoolExecutor(1) as pool:
        heard = threading.Event()
        future = pool.submit(lambda: host.guarded(command, ground.guard(), on_output=lambda *_: heard.set()))
        assert heard.wait(10)
        own.signal_sessions(signal.SIGKILL)
        with pytest.raises(HostUnreachable):
            future.result(10)
    (tmp_path / "go").touch()
    result = host.attach(command, ground.guard())
    assert (result.rc, result.out) == (6, b"one\ntwo\n")
    host.close()


def test_input_cut_half_way_executes_nothing(own: Sshd, tmp_path: Path) -> None:
    ground = Ground(tmp_path / "app")
    host = SshHost(config_of(own), TIMING)
    host.connect()
    real = host._start

    def torn(words, stdin, feed, **how):  # type: ignore[no-untyped-def]
        return real(words, stdin[:-1] if stdin else stdin, feed, **how)

    host._start = torn  # type: ignore[method-assign]
    for detach in (False, True):
        command = sh('cat >"$1"', str(tmp_path / "effect"), writes=True, detach=detach)
        with pytest.raises(HostError, match="only in part"):
            host.guarded(command, ground.guard(), stdin=b"password")
    assert not (tmp_path / "effect").exists()
    assert not ground.step().exists()
    host.close()


def test_a_dead_host_is_not_hammered(own: Sshd, monkeypatch: pytest.MonkeyPatch) -> None:
    real, tried = Connection.open, list[object]()

    def counted(*words: Any) -> None:
        tried.append(words)
        real(*words)

    monkeypatch.setattr(Connection, "open", counted)
    host = SshHost(config_of(own), TIMING)
    own.stop()
    with pytest.raises(HostUnreachable, match="refused"):
        host.connect()
    for _ in range(50):
        with pytest.raises(HostUnreachable):
            host.connect()
    assert len(tried) < 10
    own.start()
    assert poll(lambda: _connects(host), 5)
    host.close()


def _connects(host: SshHost) -> bool:
    try:
        host.connect()
    except HostUnreachable:
        return False
    return True


def test_a_port_that_speaks_no_ssh_and_a_name_that_is_none(server: Sshd) -> None:
    from tests.console.hosts.contract import echo_server

    with echo_server() as port:
        began = time.monotonic()
        with pytest.raises(HostUnreachable, match="SSH"):
            SshHost(config_of(server, port=port), BRISK).connect()
        assert time.monotonic() - began < BRISK.banner_s + 3
    with pytest.raises(HostUnreachable, match=r"nowhere\.invalid"):
        SshHost(config_of(server, address="nowhere.invalid"), TIMING).connect()


# -- host keys -----------------------------------------------------------------------------------------------------


@pytest.fixture
def known(server: Sshd) -> Iterator[Sshd]:
    before = server.known_hosts.read_text()
    yield server
    server.known_hosts.write_text(before)


def other_key(folder: Path) -> str:
    return " ".join(keygen(folder / "other").with_suffix(".pub").read_text().split()[:2])


def logins(server: Sshd) -> int:
    return server.log().count("Accepted publickey")


def refused(server: Sshd, match: str) -> str:
    before = logins(server)
    host = SshHost(config_of(server), TIMING)
    with pytest.raises(HostRefused, match=match) as caught:
        host.connect()
    assert logins(server) == before
    return str(caught.value)


def test_a_wrong_host_key_is_refused_with_both_fingerprints(known: Sshd, tmp_path: Path) -> None:
    import subprocess

    other = other_key(tmp_path)
    known.know(f"{known.lookup} {other}")
    said = refused(known, "shows another key")
    for file in (known.folder / "host.pub", tmp_path / "other.pub"):
        fingerprint = subprocess.run(
            ["ssh-keygen", "-lf", str(file)], capture_output=True, text=True, check=True
        ).stdout.split()[1]
        assert fingerprint in said
    assert f"ssh-keygen -R '{known.lookup}' -f {known.known_hosts}" in said


def test_an_unknown_host_says_how_to_trust_it(known: Sshd) -> None:
    known.know()
    assert "quarterdeck hosts trust box" in refused(known, "is on record")


def test_a_revoked_key_is_refused_wherever_it_stands(known: Sshd) -> None:
    known.know(f"{known.lookup} {known.host_key}", f"@revoked * {known.host_key}")
    refused(known, "@revoked")


def test_one_bad_line_costs_nothing_else(known: Sshd, tmp_path: Path) -> None:
    known.know(
        "@cert-authority * " + other_key(tmp_path),
        "nonsense",
        "host ssh-ed25519 !!!",
        f"{known.lookup} {known.host_key}",
    )
    host = SshHost(config_of(known), TIMING)
    host.connect()
    host.close()


def test_an_authority_alone_is_not_used_and_named(known: Sshd) -> None:
    known.know(f"@cert-authority [127.0.0.1]:* {known.host_key}")
    assert "@cert-authority" in refused(known, "is on record")


def test_hashed_wildcard_and_negated_names(known: Sshd) -> None:
    import subprocess

    def connects() -> None:
        host = SshHost(config_of(known), TIMING)
        host.connect()
        host.close()

    known.know(f"{known.lookup} {known.host_key}")
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", str(known.known_hosts)], check=True, capture_output=True)
    assert "127.0.0.1" not in known.known_hosts.read_text()
    connects()
    known.know(f"[127.0.*]:* {known.host_key}")
    connects()
    known.know(f"[127.0.*]:*,!{known.lookup} {known.host_key}")
    refused(known, "is on record")


def test_trust_wants_the_typed_fingerprint(known: Sshd) -> None:
    known.known_hosts.write_text("# no newline at the end")
    seen = see(config_of(known), TIMING)
    assert seen.outcome == "unknown"
    assert seen.lookup == known.lookup
    with pytest.raises(WrongFingerprint):
        trust(seen, "SHA256:" + "A" * 43)
    assert known.known_hosts.read_text() == "# no newline at the end"
    trust(seen, f"  {seen.fingerprint}\n")
    assert known.known_hosts.read_text() == f"# no newline at the end\n{known.lookup} {known.host_key}\n"
    host = SshHost(config_of(known), TIMING)
    host.connect()
    host.close()
    assert see(config_of(known), TIMING).outcome == "known"


def test_trust_does_not_overrule_another_key(known: Sshd, tmp_path: Path) -> None:
    known.know(f"{known.lookup} {other_key(tmp_path)}")
    seen = see(config_of(known), TIMING)
    before = known.known_hosts.read_text()
    with pytest.raises(HostRefused, match="ssh-keygen -R"):
        trust(seen, seen.fingerprint)
    assert known.known_hosts.read_text() == before


# -- logging in ----------------------------------------------------------------------------------------------------


def test_a_key_with_a_passphrase_asks_the_resolver(known: Sshd, tmp_path: Path) -> None:
    key = keygen(tmp_path / "locked", passphrase="open sesame")
    authorized = known.folder / "authorized_keys"
    before = authorized.read_text()
    authorized.write_text(before + key.with_suffix(".pub").read_text())
    asked: list[str] = []

    def passphrase(name: str) -> str:
        asked.append(name)
        return "open sesame"

    try:
        config = config_of(known, identity=str(key), passphrase="deploy-key")
        host = SshHost(config, TIMING, passphrase)
        host.connect()
        host.close()
        assert asked == ["deploy-key"]
        with pytest.raises(HostRefused, match="wrong passphrase"):
            SshHost(config, TIMING, lambda _: "wrong").connect()
        with pytest.raises(HostRefused, match="it has a passphrase"):
            SshHost(replace(config, passphrase=None), TIMING).connect()
    finally:
        authorized.write_text(before)


def test_a_key_that_is_not_accepted_and_one_that_is_not_there(server: Sshd, tmp_path: Path) -> None:
    with pytest.raises(HostRefused, match="1 key offered, none accepted"):
        SshHost(config_of(server, identity=str(keygen(tmp_path / "stranger"))), TIMING).connect()
    with pytest.raises(HostRefused, match="there is no such file"):
        SshHost(config_of(server, identity=str(tmp_path / "none")), TIMING).connect()


def test_the_agent_is_used(server: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import subprocess

    path = tmp_path / "agent"
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", str(path)], stdout=subprocess.DEVNULL)
    try:
        assert poll(path.exists)
        monkeypatch.setenv("SSH_AUTH_SOCK", str(path))
        subprocess.run(["ssh-add", "-q", str(server.identity)], check=True)
        settings = tmp_path / "config"
        settings.write_text(f"UserKnownHostsFile {server.known_hosts}\nIdentityFile none\n")
        config = config_of(server, identity=None, ssh_config=str(settings))
        host = SshHost(config, TIMING)
        host.connect()
        host.close()
        monkeypatch.delenv("SSH_AUTH_SOCK")
        with pytest.raises(HostRefused, match="no key to offer"):
            SshHost(config, TIMING).connect()  # the control
    finally:
        agent.terminate()
        agent.wait(10)


# -- hops ----------------------------------------------------------------------------------------------------------


def test_two_hops_each_verified(server: Sshd, tmp_path: Path) -> None:
    with running(tmp_path / "b") as second, running(tmp_path / "c") as third:
        for far in (second, third):
            (far.folder / "authorized_keys").write_text((server.folder / "id.pub").read_text())
        lines = [f"{hop.lookup} {hop.host_key}" for hop in (server, second, third)]
        known_hosts = tmp_path / "known_hosts"
        known_hosts.write_text("\n".join(lines) + "\n")
        settings = tmp_path / "config"
        settings.write_text(f"UserKnownHostsFile {known_hosts}\nGlobalKnownHostsFile none\nIdentityAgent none\n")
        jump = tuple(f"{server.user}@127.0.0.1:{hop.port}" for hop in (server, second))
        config = config_of(server, port=third.port, jump=jump, ssh_config=str(settings))
        host = SshHost(config, TIMING)
        assert host.run(sh('printf %s "$SSH_CONNECTION"')).text().endswith(f" {third.port}")
        assert (logins(second), logins(third)) == (1, 1)
        host.close()
        # A hop whose key is wrong is not gone through.
        known_hosts.write_text("\n".join((lines[0], f"{second.lookup} {other_key(tmp_path)}", lines[2])) + "\n")
        with pytest.raises(HostRefused, match="another key"):
            SshHost(config, TIMING).connect()
        assert (logins(second), logins(third)) == (1, 1)
        # First contact goes hop by hop.
        known_hosts.write_text(lines[0] + "\n")
        seen = see(config, TIMING)
        assert (seen.lookup, seen.outcome) == (second.lookup, "unknown")
        trust(seen, seen.fingerprint)
        assert see(config, TIMING).lookup == third.lookup


def test_a_frozen_hop_takes_the_host_with_it(server: Sshd, own: Sshd, tmp_path: Path) -> None:
    settings = tmp_path / "config"
    known_hosts = tmp_path / "known_hosts"
    known_hosts.write_text(f"{server.lookup} {server.host_key}\n{own.lookup} {own.host_key}\n")
    settings.write_text(f"UserKnownHostsFile {known_hosts}\nGlobalKnownHostsFile none\nIdentityAgent none\n")
    hop = HostConfig(
        "hop", "127.0.0.1", user=own.user, port=own.port, identity=str(own.identity), ssh_config=str(settings)
    )
    host = SshHost(config_of(server, jump=(hop,), ssh_config=str(settings)), BRISK)
    host.connect()
    own.signal_sessions(signal.SIGSTOP)
    began = time.monotonic()
    with pytest.raises(HostUnreachable):
        host.run(Command(argv=("true",)))
    assert time.monotonic() - began < 5
    host.close()


def test_the_ssh_configuration_is_openssh_s_own(server: Sshd, tmp_path: Path) -> None:
    """Include, an alias, HostKeyAlias: all resolved by `ssh -G`."""
    inner = tmp_path / "inner"
    inner.write_text(
        f"Host prod\n  HostName 127.0.0.1\n  Port {server.port}\n  User {server.user}\n"
        f"  IdentityFile {server.identity}\n  IdentitiesOnly yes\n  HostKeyAlias prod-key\n"
    )
    known_hosts = tmp_path / "known_hosts"
    known_hosts.write_text(f"prod-key {server.host_key}\n")
    settings = tmp_path / "config"
    settings.write_text(f"Include {inner}\nUserKnownHostsFile {known_hosts}\nIdentityAgent none\n")
    host = SshHost(HostConfig("box", "prod", ssh_config=str(settings)), TIMING)
    assert host.run(Command(argv=("echo", "there"))).out == b"there\n"
    assert host.address == f"{server.user}@127.0.0.1:{server.port}"
    host.close()


def test_a_proxy_command_is_refused_in_a_sentence(server: Sshd, tmp_path: Path) -> None:
    settings = tmp_path / "config"
    settings.write_text(f"ProxyCommand nc %h %p\nUserKnownHostsFile {server.known_hosts}\n")
    with pytest.raises(HostRefused, match="ProxyCommand"):
        SshHost(config_of(server, ssh_config=str(settings)), TIMING).connect()


# -- the rest ------------------------------------------------------------------------------------------------------


def test_forwarding_forbidden_is_a_refusal(own: Sshd) -> None:
    own.stop()
    own.extra = ("AllowTcpForwarding no",)
    own.start()
    host = SshHost(config_of(own), TIMING)
    with pytest.raises(HostRefused, match="forwards no connections"):
        host.connect_to("127.0.0.1", own.port)
    host.close()


def test_weak_algorithms_are_not_spoken(own: Sshd) -> None:
    own.stop()
    own.extra = ("Ciphers aes128-cbc", "MACs hmac-sha1")
    own.start()
    with pytest.raises(HostRefused, match="algorithm"):
        SshHost(config_of(own), TIMING).connect()


def test_a_line_too_long_for_the_far_side_gets_a_sentence(host: SshHost) -> None:
    assert len(host.run(Command(argv=("printf", "%s", "x" * 90_000))).out) == 90_000
    with pytest.raises(HostError, match="standard input"):
        host.run(Command(argv=("printf", "%s", "'" * 99_000)))


def test_closing_ends_its_threads_and_leaves_descriptors_as_before(server: Sshd) -> None:
    def descriptors() -> int:
        return len(os.listdir("/proc/self/fd"))  # noqa: PTH208

    for _ in range(2):  # the first round opens what the libraries keep
        host = SshHost(config_of(server), TIMING)
        host.connect()
        before = descriptors()
        for _ in range(20):
            host.run(Command(argv=("true",)))
        assert poll(lambda limit=before: descriptors() <= limit + 1)  # type: ignore[misc]
        host.close()
    assert poll(lambda: not [t for t in threading.enumerate() if t.name.startswith("ssh-")])


def test_nothing_is_left_running(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Last on purpose: what the guard starts for itself ends with it. Its directory is among its words."""
    ours = str(tmp_path_factory.getbasetemp())
    assert poll(lambda: [pid for pid in processes("qd-guard") if pid in processes(ours)] == [], 5)


def test_cancelled_while_waiting_for_a_channel(own: Sshd, tmp_path: Path) -> None:
    own.stop()
    own.extra = ("MaxSessions 1",)
    own.start()
    host = SshHost(config_of(own), TIMING)
    there = tmp_path / "there"
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(lambda: host.run(sh('touch "$1"; sleep 1', str(there))))
        assert poll(there.exists)
        cancel = threading.Event()
        threading.Timer(0.2, cancel.set).start()
        assert host.run(Command(argv=("true",)), cancel=cancel).ended == "cancelled"
        assert future.result(10).rc == 0
    host.close()


def test_only_the_profiles_own_host_keys_count(known: Sshd, tmp_path: Path) -> None:
    """Known to the user is not known to the profile; first contact writes into the profile's file."""
    file = tmp_path / "keys"
    before = known.known_hosts.read_text()
    config = config_of(known, known_hosts=str(file))
    with pytest.raises(HostRefused) as refused:
        SshHost(config, TIMING).connect()
    assert "box" in str(refused.value)
    seen = see(config, TIMING)
    assert (seen.outcome, seen.file) == ("unknown", str(file))
    trust(seen, seen.fingerprint)
    host = SshHost(config, TIMING)
    try:
        assert host.connect().user == known.user
    finally:
        host.close()
    assert known.known_hosts.read_text() == before and known.host_key in file.read_text()
