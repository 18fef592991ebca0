"""This machine as a host keeps the contract."""

from __future__ import annotations

import dataclasses
import fcntl
import os
import shutil
import subprocess
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from console.hosts import scripts
from console.hosts.base import AttemptExists, EngineError, FenceRefused, HostUnreachable
from console.hosts.local import LocalHost
from tests.console.hosts.contract import RUN, TIMING, Ground, HostContract, sh
from tests.console.hosts.sshd import poll


class TestLocalHost(HostContract):
    @pytest.fixture
    def host(self) -> Iterator[LocalHost]:
        host = LocalHost("here", TIMING)
        yield host
        host.close()


def test_the_engine_that_is_not_there_gets_a_sentence(tmp_path: Path) -> None:
    host = LocalHost("here", TIMING, docker_socket=str(tmp_path / "docker.sock"))
    with pytest.raises(EngineError, match="there is no Docker socket at"):
        host.docker()


def test_a_detached_command_is_begun_and_followed_in_one_round_trip_and_its_end_wakes_who_follows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ground, begun = Ground(tmp_path / "app"), list[str]()
    seldom = LocalHost("here", dataclasses.replace(TIMING, follow_s=3600.0))
    start = LocalHost._start

    def counted(host: LocalHost, words: tuple[str, ...], *more: Any, **how: Any) -> Any:
        begun.append(words[3])
        return start(host, words, *more, **how)

    monkeypatch.setattr(LocalHost, "_start", counted)
    command = sh("echo one; sleep 0.5; echo two; exit 6", writes=True, detach=True, deadline_s=30)
    result = seldom.guarded(command, ground.guard())
    assert (result.ended, result.rc, result.out) == ("exited", 6, b"one\ntwo\n")
    assert begun == ["qd-start"]
    again = seldom.attach(command, ground.guard(), offset=4)
    assert (again.rc, again.out) == (6, b"two\n")
    assert begun == ["qd-start", "qd-follow"]
    with pytest.raises(AttemptExists):  # what was there before is not followed: its caller looks first
        seldom.guarded(command, ground.guard())


@pytest.mark.parametrize("shell", ["dash", "bash", "busybox"])
def test_the_guard_under_other_shells(shell: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """dash is Debian's sh, bash many others', busybox Alpine's. One that is not installed here is not tried."""
    program = shutil.which(shell)
    if program is None:
        return
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "sh").symlink_to(program)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    ground = Ground(tmp_path / "app")
    host = LocalHost("here", TIMING)
    assert host.run(sh("echo $0; exit 3"), stdin=b"x").rc == 3
    for number, detach in enumerate((False, True)):
        beat = ground.lock() if not number else ground.own / "lock" / "beat"
        command = sh("cat; echo err >&2; exit 5", writes=True, detach=detach)
        result = host.guarded(command, ground.guard(f"ok{number}", record="{}"), stdin=bytes(range(1, 256)) * 500)
        assert result.rc == 5
        assert (ground.step(f"ok{number}") / "out").stat().st_size == 255 * 500 + 4
        assert beat.stat().st_mtime > 1_000_000_001
        slow = sh('trap "" TERM; sleep 30', writes=True, detach=detach, deadline_s=0.3)
        assert host.guarded(slow, ground.guard(f"slow{number}")).ended == "deadline"
        assert not host.step_on_host(ground.guard(f"slow{number}")).alive
        with pytest.raises(FenceRefused):
            host.guarded(command, ground.guard(f"no{number}", fence="other"))
        with pytest.raises(AttemptExists):
            host.guarded(command, ground.guard(f"ok{number}"))


@pytest.mark.parametrize("shell", ["dash", "bash", "busybox"])
def test_a_caller_that_is_gone_before_the_first_word(shell: str, tmp_path: Path) -> None:
    """Nobody hears that it was let through: nothing is executed and no trace stays. With a listener it is executed."""
    program = shutil.which(shell)
    if program is None:
        return
    ground = Ground(tmp_path / "app")
    command = sh('echo done >"$1"', str(tmp_path / "effect"), writes=True)
    applet = ["sh"] if shell == "busybox" else []
    words = scripts.guard_words("n", command, ground.guard(), TIMING, None)

    def guard() -> subprocess.Popen[bytes]:
        pipe = subprocess.PIPE
        return subprocess.Popen([program, *applet, *words[1:]], stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe)

    with (ground.own / "gate").open() as gate:
        fcntl.flock(gate, fcntl.LOCK_EX)  # it waits here, with its name written down
        process = guard()
        assert poll(lambda: (ground.step() / "pid").exists())
        assert process.stdout and process.stderr
        process.stdout.close()
        process.stderr.close()
    process.wait(10)
    assert not ground.step().exists()
    assert not (tmp_path / "effect").exists()
    assert guard().communicate(timeout=10)[0].endswith(b"\036\n")
    assert (tmp_path / "effect").read_text() == "done\n"
    host = LocalHost("here", TIMING)
    assert host.step_on_host(ground.guard()).begun


def test_a_guard_adds_its_record_while_nobody_else_writes_there(tmp_path: Path) -> None:
    ground = Ground(tmp_path / "app")
    records = ground.own / "runs" / RUN / "records.jsonl"
    words = scripts.guard_words("n", sh("true", writes=True), ground.guard(record='{"n":1}'), TIMING, None)
    with (ground.own / "mutex").open("w") as mutex:
        fcntl.flock(mutex, fcntl.LOCK_EX)
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        assert poll(lambda: (ground.step() / "pid").exists())
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.5)
        assert not records.exists() and not (ground.step() / "group").exists()
    process.communicate(timeout=10)
    assert records.read_text() == '{"n":1}\n' and (ground.step() / "rc").read_text() == "0\n"


def test_a_guard_that_was_killed_before_the_command_has_executed_nothing(tmp_path: Path) -> None:
    ground = Ground(tmp_path / "app")
    host = LocalHost("here", TIMING)
    words = scripts.guard_words("n", sh("true", writes=True), ground.guard(), TIMING, None)
    with (ground.own / "gate").open() as gate:
        fcntl.flock(gate, fcntl.LOCK_EX)
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        assert poll(lambda: (ground.step() / "pid").exists())
        process.kill()
        process.wait(10)
    found = host.step_on_host(ground.guard())
    assert (found.exists, found.alive, found.rc, found.begun) == (True, False, None, False)
    assert found.nothing_happened
    with (ground.own / "gate").open() as gate:
        fcntl.flock(gate, fcntl.LOCK_SH)  # as its command does until it has written down its group
        assert not host.step_on_host(ground.guard()).nothing_happened, "it may be about to begin"
    pid, start, _ = (ground.step() / "pid").read_text().split()
    (ground.step() / "pid").write_text(f"{pid} {start} another-boot\n")
    assert not host.step_on_host(ground.guard()).nothing_happened, "what a reboot may have lost proves nothing"


def test_the_scripts_are_clean() -> None:
    """shellcheck's word, where it is installed; SC2317 is about functions of the shared part that a script leaves."""
    program = shutil.which("shellcheck")
    for name in ("run", "guard", "start", "follow", "step", "end", "end_group", "facts", "read"):
        text = scripts.text(name)
        assert "\n#" not in text
        subprocess.run(["sh", "-n", "-c", text], check=True)
    if program is None:
        return
    folder = Path(str(resources.files("console.hosts") / "scripts"))
    shared = (folder / "lib.sh").read_text()
    for file in folder.glob("*.sh"):
        text = (
            file.read_text()
            if file.name in ("lib.sh", "run.sh", "start.sh", "facts.sh", "read.sh")
            else (shared + file.read_text())
        )
        done = subprocess.run([program, "-s", "sh", "-e", "SC2317", "-"], input=text, text=True, capture_output=True)
        assert done.returncode == 0, done.stdout


def test_a_host_too_slow_for_a_first_script_is_told_as_that() -> None:
    host = LocalHost("here", dataclasses.replace(TIMING, auth_s=0.0))
    with pytest.raises(HostUnreachable, match="did not answer a first script within 0 s"):
        host.connect()
