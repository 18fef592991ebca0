"""A host whose disk fills up under a step: its exit code is kept by the reserve that the ground laid aside."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from console.hosts import scripts
from console.hosts.base import Guard, HostError
from console.hosts.command import Command
from console.hosts.local import LocalHost
from console.runs import locks
from console.runs.effects import Executor
from console.runs.spool import Spool
from console.text.redact import Redactor
from tests.console.hosts.contract import FENCE, RUN, TIMING, Ground, sh
from tests.console.hosts.sshd import poll


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=2m", "quarterdeck-test", str(folder)]
    if os.getuid() != 0 or subprocess.run(words, capture_output=True, check=False).returncode:
        pytest.skip("a small file system can be mounted by root only, and not in every container")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture
def ground(disk: Path) -> Ground:
    made = Ground(disk / "app")
    (made.own / "reserve").write_bytes(os.urandom(256 * 1024))
    return made


@pytest.fixture
def host() -> Iterator[LocalHost]:
    host = LocalHost("here", TIMING)
    yield host
    host.close()


def fill(ground: Ground) -> None:
    """Leave no room at all."""
    filler = ground.directory / "filler"
    words = f"cat /dev/zero >>{filler}; cat /dev/zero >>{filler}"
    assert b"No space left" in subprocess.run(["sh", "-c", words], check=False, capture_output=True).stderr


def filling(then: str, **settings: object) -> Command:
    """A detached command that fills the disk, then does `then`."""
    script = 'cat /dev/zero >"$1" 2>/dev/null; cat /dev/zero >>"$1" 2>/dev/null; ' + then
    return sh(script, "filler", writes=True, detach=True, **settings)


def inside(ground: Ground, command: Command) -> Command:
    return command.model_copy(update={"cwd": str(ground.directory)})


def test_a_step_that_filled_the_disk_keeps_its_exit_code(host: LocalHost, ground: Ground) -> None:
    result = host.guarded(inside(ground, filling("exit 3")), ground.guard(record='{"n":1}'))
    assert (result.ended, result.rc) == ("exited", 3)
    assert host.step_on_host(ground.guard()).rc == 3
    assert not (ground.own / "reserve").exists()  # control: it really was for want of space


def test_without_a_reserve_the_exit_code_is_lost_and_a_person_is_asked(
    host: LocalHost, ground: Ground, tmp_path: Path
) -> None:
    (ground.own / "reserve").unlink()
    result = host.guarded(inside(ground, filling("exit 3")), ground.guard())
    assert (result.ended, result.rc) == ("lost", None)
    assert host.step_on_host(ground.guard()).rc is None
    spool = Spool(tmp_path / "spool", Redactor())
    executor = Executor(cast(Any, None), RUN, {}, spool, Redactor(), str)
    outcome = executor._outcome(filling("exit 3"), result)
    spool.close()
    assert outcome.verdict == "unknown" and "its disk is full" in outcome.evidence  # unknown goes to a person


def test_the_deadline_of_a_step_that_filled_the_disk_is_told(host: LocalHost, ground: Ground) -> None:
    command = inside(ground, filling("sleep 30", deadline_s=1.0))
    words = scripts.guard_words("n" * 16, command, ground.guard(), TIMING, None, follower="f" * 16)
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as caller:
        assert caller.stdout is not None and b"started" in caller.stdout.readline()
        caller.kill()  # it goes away
    assert poll(lambda: host.step_on_host(ground.guard()).rc is not None, 30)
    assert host.attach(command, ground.guard()).ended == "deadline"
    assert not (ground.own / "reserve").exists()


@pytest.mark.parametrize("reserve", [True, False])
def test_an_undo_begins_on_a_full_disk_while_there_is_a_reserve(host: LocalHost, ground: Ground, reserve: bool) -> None:
    if not reserve:
        (ground.own / "reserve").unlink()
    fill(ground)
    record = '{"long":"' + "x" * 20_000 + '"}'
    command = sh("exit 4", writes=True, detach=True)
    with pytest.raises(HostError, match="full"):  # something new is not begun
        host.guarded(command, ground.guard("s1", record=record))
    assert not ground.step("s1").exists()
    if not reserve:
        with pytest.raises(HostError, match="full"):
            host.guarded(command, ground.guard("s0.UNDO", record=record))
        return
    assert (ground.own / "reserve").exists()
    assert host.guarded(command, ground.guard("s0.UNDO", record=record)).rc == 4
    assert (ground.own / "runs" / RUN / "records.jsonl").read_text().splitlines()[-1] == record
    assert (ground.own / "reserve").stat().st_size == 128 * 1024  # for the next one
    assert host.guarded(command, ground.guard("s00.UNDO", record=record)).rc == 4


def test_records_of_what_was_done_are_added_on_a_full_disk(host: LocalHost, ground: Ground) -> None:
    (ground.own / "mutex").touch()
    (ground.own / "runs").mkdir()
    fill(ground)
    line = '{"long":"' + "x" * 20_000 + '"}'
    locks.append_records(host, str(ground.directory), RUN, FENCE, [line, line])
    assert (ground.own / "runs" / RUN / "records.jsonl").read_text().splitlines()[-2:] == [line, line]
    assert not (ground.own / "reserve").exists()
    fill(ground)
    with pytest.raises(HostError, match="the disk is full"):  # control: without one it cannot
        locks.append_records(host, str(ground.directory), RUN, FENCE, [line])


def test_the_next_run_lays_the_reserve_again(host: LocalHost, ground: Ground) -> None:
    (ground.own / "mutex").touch()
    (ground.own / "runs").mkdir()
    reserve = ground.own / "reserve"

    def take() -> None:
        owner = locks.Owner("first", "x@y", 1, "r", 1.0)
        got = locks.take(host, str(ground.directory), owner, TIMING, environment="here")
        assert locks.release(host, str(ground.directory), "first", got.fence)

    for before in (b"", b"x" * 128 * 1024):
        reserve.write_bytes(before)
        take()
        assert reserve.stat().st_size == 256 * 1024
    reserve.unlink()
    fill(ground)
    os.truncate(ground.directory / "filler", (ground.directory / "filler").stat().st_size - 64 * 1024)
    take()  # room for a lock, no more: the run is not refused for that
    assert sorted(ground.own.glob("reserve*")) == []


def test_a_command_that_is_about_to_begin_does_not_spend_the_reserve(
    host: LocalHost, ground: Ground, tmp_path: Path
) -> None:
    """Room for its guard's own record and no more: what is new is not begun, and an undo finds the reserve."""
    fill(ground)
    filler, reserve = ground.directory / "filler", ground.own / "reserve"
    os.truncate(filler, filler.stat().st_size - 4096)
    done = tmp_path / "done"
    command = sh('echo "$1" >>"$2"', "x", str(done), writes=True, detach=True)
    with pytest.raises(HostError, match="full"):
        host.guarded(command, ground.guard("s1"))
    assert not done.exists() and not ground.step("s1").exists()
    assert reserve.stat().st_size == 256 * 1024
    assert host.guarded(command, ground.guard("s0.UNDO")).rc == 0  # control: what may use it can be begun
    assert done.read_text() == "x\n"


def test_the_last_records_of_a_run_are_added_when_its_lock_goes_on_a_full_disk(host: LocalHost, ground: Ground) -> None:
    (ground.own / "mutex").touch()
    (ground.own / "runs" / RUN).mkdir(parents=True)
    directory, records = str(ground.directory), ground.own / "runs" / RUN / "records.jsonl"
    line = '{"long":"' + "x" * 20_000 + '"}'
    for reserve in (True, False):
        fence = locks.take(host, directory, locks.Owner(RUN, "x@y", 1, "r", 1.0), TIMING, environment="here").fence
        if not reserve:
            (ground.own / "reserve").unlink()
        fill(ground)
        assert locks.release(host, directory, RUN, fence, [line])
        assert (records.exists() and line in records.read_text().splitlines()) is reserve  # control: none, no record
        records.unlink(missing_ok=True)
        (ground.directory / "filler").unlink()


def test_who_comes_back_to_a_run_takes_its_lock_on_a_full_disk(host: LocalHost, ground: Ground) -> None:
    (ground.own / "mutex").touch()
    (ground.own / "runs" / RUN).mkdir(parents=True)
    directory, reserve = str(ground.directory), ground.own / "reserve"
    new, own = RUN.replace("3fa9c1", "aaaaaa"), locks.Owner(RUN, "x@y", 1, "r", 1.0)
    fill(ground)
    with pytest.raises(HostError, match="full"):  # control: a new run is not begun on a full disk
        locks.take(host, directory, locks.Owner(new, "x@y", 1, "r", 1.0), TIMING, environment="here")
    assert reserve.stat().st_size == 256 * 1024
    assert sorted(path.name for path in ground.own.iterdir()) == ["fence", "gate", "mutex", "reserve", "runs"]
    fence = locks.take(host, directory, own, TIMING, environment="here").fence
    assert (ground.own / "fence").read_text() == f"{fence}\n"
    assert 128 * 1024 < reserve.stat().st_size < 256 * 1024  # what is left of it is kept for the undo
    with pytest.raises(HostError, match="full"):
        host.guarded(sh("true", writes=True, detach=True), Guard(directory, fence, RUN, "s2", 1))
    assert host.guarded(sh("true", writes=True, detach=True), Guard(directory, fence, RUN, "s1.UNDO", 1)).rc == 0
