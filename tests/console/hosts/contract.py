"""What every host keeps, whichever way it is reached: ONE suite, run for local, SSH and scripted hosts.

A subclass gives `host` (a running host whose effects are on this machine) and may leave out, by name, what its
transport cannot have.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from console.hosts.base import (
    AttemptExists,
    FenceRefused,
    ForwardFailed,
    GateHeld,
    GroundMissing,
    Guard,
    Host,
    HostError,
    HostUnreachable,
    NoSuchAttempt,
    Result,
)
from console.hosts.command import Command
from console.timing import DEFAULT, Timing
from tests.console.hosts.sshd import poll

BRISK: Timing = DEFAULT.scaled(0.1)
"""For what is said of a deadline: a host is taken for dead after one second."""
TIMING: Timing = dataclasses.replace(
    BRISK,
    **{
        name: getattr(DEFAULT, name)
        for name in ("connect_s", "banner_s", "auth_s", "channel_s", "probe_answer_s", "read_s")
    },
)
"""For everything else: on a machine with much to do, a slow answer is not a dead host."""
RUN = "20261124T021455-deploy-production-3fa9c1"
FENCE = "7 b1946ac9"


class Ground:
    """An environment's directory with its `.quarterdeck`, as the engine lays it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.own = directory / ".quarterdeck"
        self.own.mkdir(parents=True)
        (self.own / "gate").touch()
        (self.own / "fence").write_text(f"{FENCE}\n")

    def guard(
        self, step: str = "s1", attempt: int = 1, record: str | None = None, fence: str = FENCE, before: str = ""
    ) -> Guard:
        return Guard(str(self.directory), fence, RUN, step, attempt, record, before)

    def step(self, step: str = "s1", attempt: int = 1) -> Path:
        return self.own / "runs" / RUN / "steps" / f"{step}.{attempt}"

    def tree(self) -> list[str]:
        return sorted(str(path.relative_to(self.directory)) for path in self.directory.rglob("*"))

    def lock(self, run: str = RUN) -> Path:
        """A lock as a run holds it; gives its heartbeat file, dated long ago."""
        lock = self.own / "lock"
        lock.mkdir()
        (lock / "owner.json").write_text(f'{{"run":"{run}"}}\n')
        beat = lock / "beat"
        beat.touch()
        os.utime(beat, (1_000_000_000, 1_000_000_000))
        return beat


def sh(script: str, *args: str, **settings: object) -> Command:
    return Command.model_validate({"argv": ("sh", "-c", script, "test", *args), **settings})


def processes(mark: str) -> list[int]:
    """Living processes with `mark` in their command line; this test's own process is not one."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (entry / "cmdline").read_bytes()
            state = (entry / "stat").read_text().rpartition(") ")[2][0]
            if mark.encode() in words and state not in "ZX" and int(entry.name) != os.getpid():
                found.append(int(entry.name))
    return found


def left(mark: str) -> list[int]:
    """What of `processes` stays. The guard's own watcher ends with the guard, a moment later than its caller hears."""
    poll(lambda: not processes(mark), 3)
    return processes(mark)


def _children_of(ground: Ground) -> str:
    """The command lines of the children of the attempt's guard."""
    pid = (ground.step() / "pid").read_text().split()[0]
    lines = []
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        with contextlib.suppress(OSError):
            lines.append(Path(f"/proc/{child}/cmdline").read_bytes().replace(b"\0", b" ").decode())
    return "\n".join(lines)


class Collect:
    def __init__(self) -> None:
        self.out = bytearray()
        self.err = bytearray()

    def __call__(self, stream: str, data: bytes) -> None:
        (self.out if stream == "out" else self.err).extend(data)


class HostContract:
    """Subclasses define `host` as a fixture."""

    @pytest.fixture
    def ground(self, tmp_path: Path) -> Ground:
        return Ground(tmp_path / "app")

    @pytest.fixture
    def mark(self) -> Iterator[str]:
        """A number of seconds that nobody else sleeps, to find our processes by."""
        mark = f"7{os.getpid() % 1000:03d}.{time.monotonic_ns() % 10**7:07d}"
        yield mark
        for pid in processes(mark):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    # -- reading -----------------------------------------------------------------------------------------------

    def test_connect_tells_what_it_is(self, host: Host) -> None:
        facts = host.connect()
        assert facts.kernel.startswith("Linux ")
        assert facts.boot_id == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        assert abs(facts.utc_s - time.time()) < 30
        assert "missing" not in facts.extra
        assert facts.user and 0 < facts.exec_s < 20

    def test_words_arrive_as_they_are(self, host: Host) -> None:
        words = ("a b", "c'd", '"', "$HOME", "`id`", "\\", "", "*", "é\n\t", "-n", "'\"'\"'", "a;b&c|d>e")
        result = host.run(Command(argv=("printf", "%s\\036", *words)))
        assert result.out.decode() == "".join(f"{word}\036" for word in words)
        assert (result.rc, result.ended, result.err) == (0, "exited", b"")

    def test_streams_and_code_are_kept_apart(self, host: Host) -> None:
        seen = Collect()
        result = host.run(sh("echo out; echo err >&2; exit 3"), on_output=seen)
        assert (result.rc, result.out, result.err) == (3, b"out\n", b"err\n")
        assert (bytes(seen.out), bytes(seen.err)) == (b"out\n", b"err\n")

    def test_directory_and_settings(self, host: Host, tmp_path: Path) -> None:
        command = sh('pwd; printf %s "$ONE"', cwd=str(tmp_path), env=(("ONE", "a b'c$"),))
        assert host.run(command).out.decode() == f"{tmp_path}\na b'c$"
        assert host.run(sh("echo here", cwd=str(tmp_path / "none"))).rc == 126
        with pytest.raises(ValueError):
            host.run(sh("true", env=(("A B", "x"),)))

    def test_a_program_that_is_not_there_is_127(self, host: Host) -> None:
        result = host.run(Command(argv=("quarterdeck-no-such-program",)))
        assert result.rc == 127
        assert b"quarterdeck-no-such-program" in result.err

    def test_standard_input_binary_and_back(self, host: Host) -> None:
        data = bytes(range(256)) * 12_000  # 3 MB, more than any window
        result = host.run(Command(argv=("cat",)), stdin=data)
        assert result.out == data

    def test_input_that_nobody_reads_harms_nobody(self, host: Host) -> None:
        assert host.run(sh("exit 4"), stdin=b"x" * 3_000_000).rc == 4

    def test_without_input_it_ends_at_once(self, host: Host) -> None:
        assert host.run(Command(argv=("cat",), deadline_s=5)).rc == 0

    def test_8_mb_and_4_mb_at_once_do_not_block(self, host: Host) -> None:
        seen = Collect()
        result = host.run(
            sh("head -c 8000000 /dev/zero & head -c 4000000 /dev/zero >&2; wait", deadline_s=60), on_output=seen
        )
        assert result.rc == 0
        assert (len(seen.out), len(seen.err)) == (8_000_000, 4_000_000)
        assert result.truncated
        assert len(result.out) == 4 * 1024 * 1024

    def test_deadline_leaves_no_process(self, host: Host, mark: str) -> None:
        began = time.monotonic()
        command = sh('sleep "$1" & sleep "$1"', mark, deadline_s=0.4)
        result = host.run(command)
        assert (result.rc, result.ended) == (None, "deadline")
        assert time.monotonic() - began < 5
        assert left(mark) == []

    def test_deadline_kills_what_ignores_term(self, host: Host, mark: str) -> None:
        result = host.run(sh('trap "" TERM; echo on; sleep "$1" & sleep "$1"', mark, deadline_s=0.4))
        assert (result.rc, result.ended, result.out) == (None, "deadline", b"on\n")
        assert left(mark) == []

    def test_cancel_leaves_no_process(self, host: Host, mark: str) -> None:
        cancel = threading.Event()
        with ThreadPoolExecutor(1) as pool:
            future = pool.submit(lambda: host.run(sh('sleep "$1"', mark), cancel=cancel))
            assert poll(lambda: bool(processes(mark)))  # the control: it does run
            cancel.set()
            assert future.result(10).ended == "cancelled"
        assert left(mark) == []

    def test_a_cancel_before_the_first_word_leaves_no_process(self, host: Host, ground: Ground, mark: str) -> None:
        cancel = threading.Event()
        cancel.set()
        assert host.run(sh('sleep "$1"', mark), cancel=cancel).ended == "cancelled"
        for detach in (False, True):
            command = sh('sleep "$1"', mark, writes=True, detach=detach)
            assert host.guarded(command, ground.guard(f"s{detach:d}"), cancel=cancel).ended == "cancelled"
        assert left(mark) == []

    def test_what_is_left_behind_with_open_output_is_not_waited_for(self, host: Host, mark: str) -> None:
        began = time.monotonic()
        result = host.run(sh('echo started; sleep "$1" &', mark, deadline_s=30))
        assert (result.rc, result.out) == (0, b"started\n")
        assert time.monotonic() - began < 8
        assert poll(lambda: len(processes(mark)) == 1)

    def test_run_refuses_what_writes_and_guarded_what_reads(self, host: Host, ground: Ground) -> None:
        with pytest.raises(ValueError):
            host.run(Command(argv=("true",), writes=True))
        with pytest.raises(ValueError):
            host.guarded(Command(argv=("true",)), ground.guard())

    def test_read_file(self, host: Host, tmp_path: Path) -> None:
        data = bytes(range(256)) * 20_000
        (tmp_path / "a file").write_bytes(data)
        assert host.read_file(str(tmp_path / "a file"), limit=len(data)) == data
        assert host.read_file(str(tmp_path / "none")) is None
        with pytest.raises(ValueError, match="longer"):
            host.read_file(str(tmp_path / "a file"), limit=len(data) - 1)
        with pytest.raises(ValueError, match="plain"):
            host.read_file(str(tmp_path))

    def test_script(self, host: Host) -> None:
        result = host.script('printf "%s|" "$@"; cat; exit 9', "a b", "'", stdin=b"in")
        assert (result.rc, result.out) == (9, b"a b|'|in")
        assert host.script("sleep 30", deadline_s=0.3).ended == "deadline"

    # -- the guard ---------------------------------------------------------------------------------------------

    def test_guarded_runs_once_and_leaves_its_trace(self, host: Host, ground: Ground) -> None:
        record = '{"kind":"intent","text":"a \'b\' \\\\ $c"}'
        command = sh("echo out; echo err >&2; cat; umask; exit 5", writes=True, cwd=str(ground.directory))
        seen = Collect()
        result = host.guarded(command, ground.guard(record=record), stdin=b"hello\n", on_output=seen)
        umask = os.umask(0)
        os.umask(umask)
        assert (result.rc, result.ended, result.err) == (5, "exited", b"err\n")
        assert result.out.startswith(b"out\nhello\n0")
        assert int(result.out.split()[-1], 8) == umask  # the guard's own strict one does not reach the command
        assert bytes(seen.out) == result.out
        step = ground.step()
        assert (step / "rc").read_text() == "5\n"
        assert sorted((step / "out").read_bytes().splitlines()) == sorted((result.out + result.err).splitlines())
        assert (ground.own / "runs" / RUN / "records.jsonl").read_text() == f"{record}\n"
        pid, _, boot = (step / "pid").read_text().split()
        assert boot == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        assert poll(lambda: not Path(f"/proc/{pid}").exists())

    @pytest.mark.parametrize("detach", [False, True])
    def test_earlier_records_go_before_the_intent_and_not_to_the_command(
        self, host: Host, ground: Ground, detach: bool
    ) -> None:
        before = "".join(f'{{"n":{number},"said":"{"x" * 3000}"}}\n' for number in range(1, 6))
        given = [None, b"a\nb\n\n"] if detach else [None, b"a\nb\n\n", b"a\0b\n"]
        whole = ""
        for number, stdin in enumerate(given):
            guard = ground.guard(f"s{number}", record=f'{{"intent":{number}}}', before=before)
            result = host.guarded(sh("cat", writes=True, detach=detach), guard, stdin=stdin)
            assert (result.rc, result.out) == (0, stdin or b"")
            whole += f'{before}{{"intent":{number}}}\n'
        assert (ground.own / "runs" / RUN / "records.jsonl").read_text() == whole
        with pytest.raises(ValueError):
            host.guarded(sh("true", writes=True), ground.guard("s9", before=before))

    def test_a_torn_record_does_not_swallow_the_next(self, host: Host, ground: Ground) -> None:
        records = ground.own / "runs" / RUN / "records.jsonl"
        records.parent.mkdir(parents=True)
        records.write_text('{"torn')
        host.guarded(Command(argv=("true",), writes=True), ground.guard(record='{"n":1}'))
        host.guarded(Command(argv=("true",), writes=True), ground.guard("s2", record='{"n":2}'))
        assert records.read_text().splitlines() == ['{"torn', '{"n":1}', '{"n":2}']

    @pytest.mark.parametrize("detach", [False, True])
    def test_another_fence_executes_nothing(self, host: Host, ground: Ground, detach: bool) -> None:
        effect = ground.directory / "effect"
        command = Command(argv=("touch", str(effect)), writes=True, detach=detach)
        before = ground.tree()
        with pytest.raises(FenceRefused):
            host.guarded(command, ground.guard(record='{"n":1}', fence="6 older"))
        assert not effect.exists()
        assert not ground.step().exists()
        assert not (ground.own / "runs" / RUN / "records.jsonl").exists()
        assert [path for path in ground.tree() if path not in before] == [
            ".quarterdeck/runs",
            f".quarterdeck/runs/{RUN}",
            f".quarterdeck/runs/{RUN}/steps",
        ]
        host.guarded(command, ground.guard())  # the control: with the right one it does happen
        assert effect.exists()

    @pytest.mark.parametrize("gone", [".quarterdeck", ".quarterdeck/gate", ".quarterdeck/fence"])
    def test_missing_ground_executes_and_creates_nothing(self, host: Host, ground: Ground, gone: str) -> None:
        (ground.directory / gone).rename(ground.directory / "aside")
        before = ground.tree()
        with pytest.raises(GroundMissing, match="Nothing was executed"):
            host.guarded(Command(argv=("touch", str(ground.directory / "effect")), writes=True), ground.guard())
        assert ground.tree() == before

    def test_gate_held_alone_is_waited_for_and_then_refused(self, host: Host, ground: Ground) -> None:
        effect = ground.directory / "effect"
        command = Command(argv=("touch", str(effect)), writes=True)
        with (ground.own / "gate").open() as gate:
            fcntl.flock(gate, fcntl.LOCK_EX)
            began = time.monotonic()
            with pytest.raises(GateHeld):
                host.guarded(command, ground.guard())
            assert TIMING.gate_wait_s * 0.9 < time.monotonic() - began < TIMING.gate_wait_s + 5
            assert not effect.exists()
            assert not ground.step().exists()
            with ThreadPoolExecutor(1) as pool:
                future = pool.submit(lambda: host.guarded(command, ground.guard()))
                assert poll(lambda: (ground.step() / "pid").exists())
                assert not effect.exists()
                fcntl.flock(gate, fcntl.LOCK_UN)
                assert future.result(10).rc == 0
        assert effect.exists()

    def test_a_fence_changed_while_waiting_at_the_gate_is_seen(self, host: Host, ground: Ground) -> None:
        effect = ground.directory / "effect"
        with (ground.own / "gate").open() as gate, ThreadPoolExecutor(1) as pool:
            fcntl.flock(gate, fcntl.LOCK_EX)
            future = pool.submit(
                lambda: host.guarded(Command(argv=("touch", str(effect)), writes=True), ground.guard())
            )
            assert poll(lambda: (ground.step() / "pid").exists())
            (ground.own / "fence.new").write_text("8 taker")
            (ground.own / "fence.new").rename(ground.own / "fence")
            fcntl.flock(gate, fcntl.LOCK_UN)
            with pytest.raises(FenceRefused):
                future.result(10)
        assert not effect.exists()

    def test_a_fence_changed_while_waiting_for_the_mutex_is_seen(self, host: Host, ground: Ground) -> None:
        """Whoever takes over reads the records after that: an intent of the old owner must not come later."""
        effect, records = ground.directory / "effect", ground.own / "runs" / RUN / "records.jsonl"
        (ground.own / "mutex").touch()
        command = Command(argv=("touch", str(effect)), writes=True)
        for fence in ("8 taker", FENCE):  # the second one is the control: unchanged, it goes through
            with (ground.own / "mutex").open() as mutex, ThreadPoolExecutor(1) as pool:
                fcntl.flock(mutex, fcntl.LOCK_EX)
                future = pool.submit(lambda: host.guarded(command, ground.guard(record='{"n":1}')))
                assert poll(lambda: (ground.step() / "pid").exists())
                assert poll(lambda: "flock -x -w 2 7" in _children_of(ground))
                (ground.own / "fence.new").write_text(f"{fence}\n")
                (ground.own / "fence.new").rename(ground.own / "fence")
                fcntl.flock(mutex, fcntl.LOCK_UN)
                if fence == FENCE:
                    assert future.result(10).rc == 0
                    continue
                with pytest.raises(FenceRefused):
                    future.result(10)
            assert not effect.exists() and not records.exists() and not ground.step().exists()
            (ground.own / "fence").write_text(f"{FENCE}\n")
        assert effect.exists() and records.read_text() == '{"n":1}\n'

    def test_the_gate_is_held_while_a_command_lives_and_not_by_what_it_leaves(
        self, host: Host, ground: Ground, mark: str
    ) -> None:
        with (ground.own / "gate").open() as gate, ThreadPoolExecutor(1) as pool:
            command = sh('sleep "$1" >/dev/null 2>&1 & echo on; read -r _', mark, writes=True, deadline_s=20)
            future = pool.submit(lambda: host.guarded(command, ground.guard()))
            assert poll(lambda: (ground.step() / "rc").exists() or bool(processes(mark)))
            future.result(10)
            assert poll(lambda: _free(gate))
            assert poll(lambda: len(processes(mark)) == 1)
            holding = pool.submit(lambda: host.guarded(sh("sleep 1", writes=True), ground.guard("s2")))
            assert poll(lambda: (ground.step("s2") / "group").exists())
            assert not _free(gate)
            holding.result(10)
            assert poll(lambda: _free(gate))

    def test_an_attempt_happens_once(self, host: Host, ground: Ground) -> None:
        count = ground.directory / "count"
        command = sh('echo x >>"$1"', str(count), writes=True)
        host.guarded(command, ground.guard())
        with pytest.raises(AttemptExists):
            host.guarded(command, ground.guard())
        assert count.read_text() == "x\n"
        host.guarded(command, ground.guard(attempt=2))
        assert count.read_text() == "x\nx\n"

    def test_eight_at_once_on_one_attempt_execute_once(self, host: Host, ground: Ground) -> None:
        count = ground.directory / "count"
        command = sh('echo x >>"$1"', str(count), writes=True)

        def attempt(_: int) -> str:
            try:
                host.guarded(command, ground.guard())
            except AttemptExists:
                return "refused"
            return "ran"

        with ThreadPoolExecutor(8) as pool:
            answers = sorted(pool.map(attempt, range(8)))
        assert answers == ["ran"] + ["refused"] * 7
        assert count.read_text() == "x\n"

    @pytest.mark.parametrize("detach", [False, True])
    def test_deadline_of_a_guarded_command(self, host: Host, ground: Ground, mark: str, detach: bool) -> None:
        command = sh('echo on; sleep "$1"', mark, writes=True, detach=detach, deadline_s=0.5)
        result = host.guarded(command, ground.guard())
        assert (result.rc, result.ended, result.out) == (None, "deadline", b"on\n")
        assert left(mark) == []
        assert poll(lambda: (ground.step() / "rc").exists())
        assert not host.step_on_host(ground.guard()).alive

    @pytest.mark.parametrize("detach", [False, True])
    def test_cancel_of_a_guarded_command(self, host: Host, ground: Ground, mark: str, detach: bool) -> None:
        cancel = threading.Event()
        with ThreadPoolExecutor(1) as pool:
            command = sh('trap "" TERM; echo on; sleep "$1"', mark, writes=True, detach=detach)
            future = pool.submit(lambda: host.guarded(command, ground.guard(), cancel=cancel))
            assert poll(lambda: bool(processes(mark)))
            cancel.set()
            assert future.result(10).ended == "cancelled"
        assert left(mark) == []

    def test_the_guard_ends_a_command_whose_caller_is_gone(self, host: Host, ground: Ground, mark: str) -> None:
        """The backstop: a detached command past its deadline with nobody following."""
        command = sh('sleep "$1"', mark, writes=True, detach=True, deadline_s=1.0)
        with ThreadPoolExecutor(1) as pool:
            stop = threading.Event()
            future = pool.submit(lambda: _abandon(host, command, ground, stop))
            assert poll(lambda: bool(processes(mark)))
            stop.set()
            future.result(10)
            assert poll(lambda: (ground.step() / "rc").exists(), 10)
        assert left(mark) == []
        assert host.attach(command, ground.guard()).ended == "deadline"

    def test_8_mb_under_the_guard_do_not_block(self, host: Host, ground: Ground) -> None:
        seen = Collect()
        command = sh("head -c 8000000 /dev/zero & head -c 4000000 /dev/zero >&2; wait", writes=True, deadline_s=60)
        assert host.guarded(command, ground.guard(), on_output=seen).rc == 0
        assert (len(seen.out), len(seen.err)) == (8_000_000, 4_000_000)
        assert (ground.step() / "out").stat().st_size == 12_000_000

    @pytest.mark.parametrize("detach", [False, True])
    def test_text_of_every_byte_arrives_under_the_guard(self, host: Host, ground: Ground, detach: bool) -> None:
        data = bytes(range(1, 256)) * 3000 + b"\n\n"
        command = sh('cat >"$1"', str(ground.directory / "got"), writes=True, detach=detach)
        assert host.guarded(command, ground.guard(), stdin=data).rc == 0
        assert (ground.directory / "got").read_bytes() == data

    def test_nul_bytes_arrive_attached_and_are_refused_detached(self, host: Host, ground: Ground) -> None:
        data = bytes(range(256)) * 3000
        command = sh('cat >"$1"', str(ground.directory / "got"), writes=True)
        assert host.guarded(command, ground.guard(), stdin=data).rc == 0
        assert (ground.directory / "got").read_bytes() == data
        with pytest.raises(ValueError, match="NUL"):
            host.guarded(command.model_copy(update={"detach": True}), ground.guard("s2"), stdin=data)

    def test_the_lock_is_beaten_only_while_it_is_ours(self, host: Host, ground: Ground) -> None:
        beat = ground.lock()
        assert host.guarded(sh("sleep 0.2", writes=True), ground.guard()).rc == 0
        assert beat.stat().st_mtime > 1_000_000_001
        (beat.parent / "owner.json").write_text('{"run":"another"}')
        os.utime(beat, (1_000_000_000, 1_000_000_000))
        assert host.guarded(sh("sleep 0.2", writes=True), ground.guard("s2")).rc == 0
        assert beat.stat().st_mtime < 1_000_000_001

    def test_the_heartbeat_stops_with_the_guard(self, host: Host, ground: Ground, mark: str) -> None:
        """A guard that is killed must not leave a watcher behind that keeps a dead run's lock alive."""
        beat = ground.lock()
        command = sh('sleep "$1"', mark, writes=True, detach=True, deadline_s=30)
        with ThreadPoolExecutor(1) as pool:
            future = pool.submit(lambda: host.guarded(command, ground.guard()))
            assert poll(lambda: bool(processes(mark)) and beat.stat().st_mtime > 1_000_000_001)
            os.kill(int((ground.step() / "pid").read_text().split()[0]), signal.SIGKILL)
            result = future.result(15)
            assert (result.rc, result.ended) == (None, "lost")
        time.sleep(3 * TIMING.heartbeat_s)  # what is claimed is that nothing happens in this time
        os.utime(beat, (1_000_000_000, 1_000_000_000))
        time.sleep(3 * TIMING.heartbeat_s)
        assert beat.stat().st_mtime < 1_000_000_001
        state = host.step_on_host(ground.guard())
        assert state.exists and not state.alive and state.rc is None
        assert host.end_step(command, ground.guard())
        assert left(mark) == []

    # -- detached ----------------------------------------------------------------------------------------------

    def test_a_detached_command_is_followed_to_its_end(self, host: Host, ground: Ground) -> None:
        seen = Collect()
        command = sh("echo one; sleep 0.3; echo two >&2; exit 6", writes=True, detach=True)
        result = host.guarded(command, ground.guard(), on_output=seen)
        assert (result.rc, result.ended, result.out, result.err) == (6, "exited", b"one\ntwo\n", b"")
        assert bytes(seen.out) == b"one\ntwo\n"

    def test_attach_by_offset(self, host: Host, ground: Ground) -> None:
        command = sh("echo one; echo two; exit 6", writes=True, detach=True)
        host.guarded(command, ground.guard())
        again = host.attach(command, ground.guard(), offset=4)
        assert (again.rc, again.out) == (6, b"two\n")
        with pytest.raises(NoSuchAttempt):
            host.attach(command, ground.guard("s9"))

    def test_a_secret_on_input_is_seen_nowhere(self, host: Host, ground: Ground, mark: str) -> None:
        secret = f"tr0ub4dor-{mark}-&3"
        command = sh('read -r s; printf %s "$s" | wc -c; sleep 1', writes=True, detach=True)
        with ThreadPoolExecutor(1) as pool:
            future = pool.submit(lambda: host.guarded(command, ground.guard(), stdin=f"{secret}\n".encode()))
            found: list[str] = []
            looked = 0
            while not future.done():
                looked += 1
                found += _where(secret)
            assert future.result().out.strip() == str(len(secret)).encode()
        assert looked > 3
        assert found == []
        for path in ground.own.rglob("*"):
            if path.is_file():
                assert secret.encode() not in path.read_bytes()
        # The control: the search does find a secret in a command line.
        with ThreadPoolExecutor(1) as pool:
            control = pool.submit(lambda: host.run(Command(argv=("sh", "-c", "sleep 0.5; :", secret))))
            assert poll(lambda: bool(_where(secret)))
            control.result(10)

    def test_step_on_host_states(self, host: Host, ground: Ground, mark: str) -> None:
        guard = ground.guard()
        assert not host.step_on_host(guard).exists
        command = sh('echo four; sleep "$1"', mark, writes=True, detach=True)
        with ThreadPoolExecutor(1) as pool:
            future = pool.submit(lambda: host.guarded(command, guard))
            assert poll(lambda: bool(processes(mark)))
            assert poll(lambda: host.step_on_host(guard).out_bytes == 5)
            state = host.step_on_host(guard)
            assert (state.exists, state.alive, state.rc) == (True, True, None)
            assert state.pid == int((ground.step() / "pid").read_text().split()[0])
            for pid in processes(mark):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGTERM)
            assert future.result(10).rc == 143
        state = host.step_on_host(guard)
        assert (state.exists, state.alive, state.rc, state.out_bytes) == (True, False, 143, state.out_bytes)

    def test_who_starts_a_guard_is_killed_before_it_spoke(self, host: Host, ground: Ground, mark: str) -> None:
        command = sh(f"echo {mark} >>effect", writes=True, detach=True, cwd=str(ground.directory))
        guard = ground.guard()
        with (ground.own / "gate").open() as gate, ThreadPoolExecutor(1) as pool:
            fcntl.flock(gate, fcntl.LOCK_EX)
            future = pool.submit(lambda: host.guarded(command, guard))
            assert poll(lambda: (ground.step() / "pid").exists())
            its = int((ground.step() / "pid").read_text().split()[0])
            for pid in processes(mark):
                if os.getpgid(pid) != its:
                    os.kill(pid, signal.SIGKILL)
            with pytest.raises(HostUnreachable, match="ended by a signal"):
                future.result(20)
            fcntl.flock(gate, fcntl.LOCK_UN)
            # Nobody hears what the guard says: it retreats.
            assert poll(lambda: not host.step_on_host(guard).exists)
        assert not (ground.directory / "effect").exists()
        assert host.guarded(command, guard).rc == 0

    def test_who_follows_an_attempt_is_killed(self, host: Host, ground: Ground, mark: str) -> None:
        command = sh('sleep "$1"', mark, writes=True, detach=True)
        guard = ground.guard()
        with ThreadPoolExecutor(1) as pool:
            future = pool.submit(lambda: host.guarded(command, guard))
            followers: list[int] = []

            def seen() -> bool:
                followers.clear()
                for pid in processes(guard.directory):
                    with contextlib.suppress(OSError):  # it may have ended meanwhile
                        if b"\0qd-follow\0" in Path(f"/proc/{pid}/cmdline").read_bytes():
                            followers.append(pid)
                return bool(followers)

            assert poll(seen)
            for pid in followers:
                os.kill(pid, signal.SIGKILL)
            with pytest.raises(HostUnreachable, match="ended by a signal"):
                future.result(20)
        assert host.step_on_host(guard).alive
        assert host.end_step(command, guard)

    def test_a_recycled_pid_is_not_taken_for_the_guard(self, host: Host, ground: Ground) -> None:
        step = ground.step()
        step.mkdir(parents=True)
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        mine = Path("/proc/self/stat").read_text().rpartition(") ")[2].split()[19]
        (step / "pid").write_text(f"{os.getpid()} {int(mine) + 1} {boot}\n")
        assert not host.step_on_host(ground.guard()).alive
        (step / "pid").write_text(f"{os.getpid()} {mine} another-boot\n")
        assert not host.step_on_host(ground.guard()).alive
        (step / "pid").write_text(f"{os.getpid()} {mine} {boot}\n")
        assert host.step_on_host(ground.guard()).alive  # the control

    def test_end_step_ends_the_group_and_the_container(
        self, host: Host, ground: Ground, mark: str, tmp_path: Path
    ) -> None:
        engine = tmp_path / "docker"
        engine.write_text(f'#!/bin/sh\nprintf "%s " "$@" >>{tmp_path}/asked; echo >>{tmp_path}/asked\n')
        engine.chmod(0o755)
        # A command that is the engine's own client is ended with that client.
        starts = tmp_path / "start"
        starts.write_text(f'#!/bin/sh\ntrap "" TERM\nsleep {mark} & sleep {mark}\n')
        starts.chmod(0o755)
        command = Command(argv=(str(starts),), writes=True, detach=True, container="qd-{run}-{step}-{attempt}")
        guard = ground.guard()
        with ThreadPoolExecutor(1) as pool:
            future = pool.submit(lambda: host.guarded(command, guard))
            assert poll(lambda: len(processes(mark)) >= 2)
            ending = command.model_copy(update={"argv": (str(engine), "run", "--name", "qd")})
            assert host.end_step(ending, guard) is True
            assert left(mark) == []
            assert future.result(10).rc == 137
        asked = (tmp_path / "asked").read_text()
        name = f"qd-{RUN}-s1-1"
        assert f"stop -t 1 {name} " in asked
        assert f"rm -f {name} " in asked
        assert f"name=^/{name}$" in asked

    def test_end_step_of_who_was_taken_over_ends_nothing(self, host: Host, ground: Ground, mark: str) -> None:
        """A runner that slept through a take-over must not end what its successor follows."""
        guard = ground.guard()
        with ThreadPoolExecutor(1) as pool:
            cancel = threading.Event()
            command = sh('sleep "$1"', mark, writes=True)
            future = pool.submit(lambda: host.guarded(command, guard, cancel=cancel))
            assert poll((ground.step() / "group").exists), "the guard has compared its fence, and begun it"
            (ground.own / "fence").write_text("8 taker\n")
            with pytest.raises(FenceRefused):
                host.end_step(command, guard)
            cancel.set()
            with pytest.raises(FenceRefused):
                future.result(20)
            assert processes(mark) != []
            taker = ground.guard(fence="8 taker")
            assert host.end_step(command, taker) is True  # control: who has the fence ends it
            assert left(mark) == []

    def test_end_step_says_no_while_the_container_is_there(self, host: Host, ground: Ground, tmp_path: Path) -> None:
        engine = tmp_path / "docker"
        engine.write_text('#!/bin/sh\n[ "$1" != ps ] || echo 4f1b2c\n')
        engine.chmod(0o755)
        command = Command(argv=(str(engine), "run"), writes=True, container="qd-{run}-{step}-{attempt}")
        assert host.end_step(command, ground.guard()) is False
        engine.write_text("#!/bin/sh\nexit 1\n")
        assert host.end_step(command, ground.guard()) is False

    def test_end_step_at_the_gate_executes_nothing(self, host: Host, ground: Ground) -> None:
        effect = ground.directory / "effect"
        command = Command(argv=("touch", str(effect)), writes=True)
        with (ground.own / "gate").open() as gate, ThreadPoolExecutor(1) as pool:
            fcntl.flock(gate, fcntl.LOCK_EX)
            future = pool.submit(lambda: host.guarded(command, ground.guard()))
            assert poll(lambda: (ground.step() / "pid").exists())
            assert host.end_step(command, ground.guard()) is True
            with pytest.raises(HostError):
                future.result(10)
            assert not ground.step().exists()
        assert not effect.exists()

    def test_end_step_of_what_ended_leaves_its_services(self, host: Host, ground: Ground, mark: str) -> None:
        command = sh('sleep "$1" >/dev/null 2>&1 &', mark, writes=True)
        assert host.guarded(command, ground.guard()).rc == 0
        assert host.end_step(command, ground.guard()) is True
        assert poll(lambda: len(processes(mark)) == 1)

    def test_become_runs_and_ends_through_sudo(self, host: Host, ground: Ground, mark: str, tmp_path: Path) -> None:
        """sudo is a stand-in here: a script that logs and runs what it is given."""
        sudo = tmp_path / "sudo"
        sudo.write_text(
            f'#!/bin/sh\nprintf "%s " "$@" >>{tmp_path}/asked\n'
            '[ "$1" = -n ] && shift\n[ "$1" = -- ] && shift\nexec "$@"\n'
        )
        sudo.chmod(0o755)
        path = (("PATH", f"{tmp_path}:{os.environ['PATH']}"),)
        assert host.run(Command(argv=("echo", "hi"), become="sudo", env=path)).out == b"hi\n"
        command = Command(argv=("sleep", mark), become="sudo", env=path, writes=True, deadline_s=0.5)
        assert host.guarded(command, ground.guard()).ended == "deadline"
        assert left(mark) == []
        assert f"-n -- sleep {mark}" in (tmp_path / "asked").read_text()

    def test_names_cannot_leave_their_directory(self, host: Host, ground: Ground) -> None:
        good = ground.guard()
        for bad in (
            Guard(good.directory, good.fence, "../x", "s", 1),
            Guard(good.directory, good.fence, RUN, "a/b", 1),
            Guard("relative", good.fence, RUN, "s", 1),
            Guard(good.directory, "\n", RUN, "s", 1),
            Guard(good.directory, good.fence, RUN, "s", 0),
            Guard(good.directory, good.fence, RUN, "s", 1, "two\nlines"),
        ):
            with pytest.raises(ValueError):
                host.guarded(Command(argv=("true",), writes=True), bad)

    # -- connections -------------------------------------------------------------------------------------------

    def test_connect_to(self, host: Host) -> None:
        with echo_server() as port:
            with host.connect_to("127.0.0.1", port) as connection:
                connection.settimeout(10)
                data = bytes(range(256)) * 4000
                sender = threading.Thread(target=connection.sendall, args=(data,))
                sender.start()
                got = bytearray()
                while len(got) < len(data):
                    got += connection.recv(65_536)
                sender.join(10)
                assert bytes(got) == data
                connection.shutdown(socket.SHUT_WR)
                assert connection.recv(1) == b""

    def test_connect_to_nobody(self, host: Host) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        with pytest.raises(ForwardFailed, match=str(port)):
            host.connect_to("127.0.0.1", port)

    def test_many_callers_at_once(self, host: Host) -> None:
        def one(number: int) -> Result:
            return host.run(sh('sleep 0.1; printf %s "$1"', str(number)))

        with ThreadPoolExecutor(12) as pool:
            assert [result.out for result in pool.map(one, range(12))] == [str(n).encode() for n in range(12)]


def _free(gate: object) -> bool:
    try:
        fcntl.flock(gate, fcntl.LOCK_EX | fcntl.LOCK_NB)  # type: ignore[arg-type]
    except BlockingIOError:
        return False
    fcntl.flock(gate, fcntl.LOCK_UN)  # type: ignore[arg-type]
    return True


def _abandon(host: Host, command: Command, ground: Ground, stop: threading.Event) -> None:
    """Start a detached command and stop following it, without a word: what a killed runner does."""

    class Gone(Exception):
        pass

    def sink(stream: str, data: bytes) -> None:
        raise Gone

    noisy = command.model_copy(update={"argv": ("sh", "-c", 'echo go; exec "$@"', "test", *command.argv)})
    with contextlib.suppress(Gone):
        host.guarded(noisy, ground.guard(), on_output=sink)
    stop.wait(10)


def _where(secret: str) -> list[str]:
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        if int(entry.name) == os.getpid():
            continue
        for name in ("cmdline", "environ"):
            with contextlib.suppress(OSError):
                if secret.encode() in (entry / name).read_bytes():
                    found.append(f"{name} of {entry.name}")
    return found


@contextlib.contextmanager
def echo_server() -> Iterator[int]:
    """A TCP server on loopback that sends back what it gets, until its peer stops."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                threading.Thread(target=_echo, args=(connection,), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def _echo(connection: socket.socket) -> None:
    with connection, contextlib.suppress(OSError):
        while data := connection.recv(65_536):
            connection.sendall(data)


Make = Callable[..., Host]
