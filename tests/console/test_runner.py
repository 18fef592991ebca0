"""The runner as a process: what it imports, what it survives, and how the client starts it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from console.runs.client import RunnerFailed
from console.runs.waiting import Task, WaitingRunner, told
from console.text.sanitise import clean
from tests.console.runs.world import ROOT, World, until

pytestmark = pytest.mark.usefixtures("found")


def test_it_starts_without_any_screen() -> None:
    code = (
        "import sys, console.runner as r\n"
        "r.everything().join()\n"
        "import console.assembly; console.assembly.op_handlers()\n"
        "import console.runs.engine\n"
        "print(*sys.modules)"
    )
    run = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True, env={"PYTHONPATH": str(ROOT)}
    )
    loaded = run.stdout.split()
    assert "paramiko" in loaded and "docker" in loaded
    assert not [name for name in loaded if name.partition(".")[0] in ("textual", "screens")]


def test_the_client_starts_it_detached_and_sees_it_begin(world: World) -> None:
    run = world.create("do", "wait")
    process = world.runs.start_runner(run)
    assert process.alive and os.getsid(process.pid) == process.pid != os.getsid(0)
    assert Path(f"/proc/{process.pid}/cwd").readlink() == Path("/")
    command = Path(f"/proc/{process.pid}/cmdline").read_bytes().split(b"\0")
    assert command[1:4] == [b"-P", b"-m", b"console.runner"]
    until(lambda: "begin s2" in world.effects(), "the second step")
    assert world.runs.seen(run).state == "running"
    os.kill(process.pid, signal.SIGHUP)
    (world.app / "go").touch()
    until(lambda: world.view(run).state == "closed", "the end")
    assert world.view(run).ending == "succeeded"
    until(lambda: world.runs.leases.holder(run) is None, "the lease")
    assert world.runs.seen(run).state == "succeeded"


def test_one_that_waits_takes_the_run_over_from_who_started_it(world: World) -> None:
    waiting = world.runs.waiting_runner()
    child = started(waiting)
    run = world.create("do")
    process = world.runs.start_runner(run, waiting=waiting)
    assert process.pid == child.pid
    until(lambda: world.view(run).state == "closed", "the end")
    assert world.view(run).ending == "succeeded"
    log = world.runs.places.logs / f"{run}.log"
    assert log.stat().st_mode & 0o077 == 0
    waiting.close()
    assert child.wait(30) == 0


def test_one_that_waits_goes_when_it_is_not_needed(world: World) -> None:
    waiting = world.runs.waiting_runner()
    child = started(waiting)
    waiting.close()
    until(lambda: child.poll() is not None, "its end")
    assert child.returncode == 0


def test_one_that_waited_and_died_is_not_missed(world: World) -> None:
    waiting = world.runs.waiting_runner()
    child = started(waiting)
    child.kill()
    child.wait(30)
    run = world.create("do")
    assert world.runs.start_runner(run, waiting=waiting).pid != child.pid
    until(lambda: world.view(run).state == "closed", "the end")
    assert world.view(run).ending == "succeeded"


def started(waiting: WaitingRunner) -> subprocess.Popen[bytes]:
    """The process that waits."""
    waiting._starting.join(30)
    assert waiting._child is not None
    return waiting._child


@pytest.mark.parametrize(
    ("written", "task"),
    [
        (b"", None),
        (b'{"run": "r"', None),
        (b'{"run": "r", "log": "l", "key_fd": true, "profile": null}\nkey', Task("r", "l", True, None)),
        (b'{"run": "r", "log": "l", "key_fd": false, "profile": "p"}\n', Task("r", "l", False, "p")),
        (b"x" * 5000, None),
    ],
)
def test_what_a_waiting_runner_is_told(written: bytes, task: Task | None) -> None:
    reading, writing = os.pipe()
    os.write(writing, written)
    os.close(writing)
    assert told(reading) == task
    if task is not None and task.key_fd:
        assert os.read(reading, 100) == b"key"  # what follows is left to whoever reads the key
    os.close(reading)


def test_a_waiting_runner_that_is_told_nothing_gives_up() -> None:
    reading, writing = os.pipe()
    assert told(reading, patience_s=0.05) is None
    os.close(reading)
    os.close(writing)


def test_it_leaves_no_core_and_keeps_its_files_to_itself(world: World) -> None:
    run = world.create("wait")
    process = world.runs.start_runner(run)
    until(lambda: "begin s1" in world.effects(), "the step")
    limits = Path(f"/proc/{process.pid}/limits").read_text()
    assert next(line for line in limits.splitlines() if line.startswith("Max core")).split()[4:6] == ["0", "0"]
    for path in (*world.state.rglob("*"), *(world.app / ".quarterdeck").rglob("*")):
        assert path.stat().st_mode & 0o077 == 0, path
    (world.app / "go").touch()
    until(lambda: world.view(run).state == "closed", "the end")


def test_a_run_that_is_not_there_is_a_sentence(world: World) -> None:
    world.records.append("20260101T000000-x-y-000000", "note", {})
    with pytest.raises(RunnerFailed, match="holds no run 20260101T000000-x-y-000000"):
        world.runs.start_runner("20260101T000000-x-y-000000")


def test_a_refused_run_has_begun_and_ended(world: World) -> None:
    run = world.create("look")
    (world.app / "basis").write_text("changed")
    world.runs.start_runner(run)
    until(lambda: world.view(run).state == "closed", "the end")
    assert world.view(run).exit_code == 4
    assert "changed" in clean(world.view(run).text)


def test_a_strangers_console_in_the_working_directory_is_not_imported(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "trap" / "console").mkdir(parents=True)
    (tmp_path / "trap" / "console" / "__init__.py").write_text(f"open({str(tmp_path / 'sprung')!r}, 'w')\n")
    monkeypatch.chdir(tmp_path / "trap")
    run = world.create("do")
    world.runs.start_runner(run)
    until(lambda: world.view(run).state == "closed", "the end")
    assert not (tmp_path / "sprung").exists()


def test_a_run_gets_only_the_credentials_of_its_own_environment() -> None:
    from console.credentials.errors import CredentialMissing
    from console.runner import only_its_own
    from profiles.models import Profile

    def environment(directory: str, secret: str) -> dict[str, object]:
        return {
            "hosts": ["h"],
            "directory": directory,
            "stack": {
                "kind": "compose",
                "project": "p",
                "files": ["x.yml"],
                "services": {"a": {}},
                "registry": {"host": "r.example", "username": "u", "password": {"secret": secret}},
            },
        }

    profile = Profile.model_validate(
        {
            "system": "s",
            "hosts": {
                "h": {"local": True},
                "far": {"address": "far.example", "identity": "/k", "passphrase": {"secret": "key-of-far"}},
            },
            "environments": {
                "one": environment("/opt/one", "mine"),
                "two": {**environment("/opt/two", "theirs"), "hosts": ["far"]},
            },
            "credentials": {"mine": {}, "theirs": {}, "key-of-far": {}},
        }
    )
    get = only_its_own(profile, "one", lambda name: f"value of {name}")
    assert get("mine") == "value of mine"
    assert get("mine#pending") == "value of mine#pending"
    assert get("key-of-far") == "value of key-of-far", "a release may be taken from the other one"
    with pytest.raises(CredentialMissing, match="does not name the credential theirs for one"):
        get("theirs#pending")
    with pytest.raises(CredentialMissing, match="does not name the credential theirs for one"):
        get("theirs")


WORDS = (
    "console/runs/engine.py",
    "{self.plan.title}: done{without}.",
    "{self.plan.title}: done by the new one{without}.",
)
UPGRADING = """
from pathlib import Path
from tests.console.runs.tally import ACTION as ACTION
flag, file, old, new = Path({flag!r}), Path({file!r}), {old!r}, {new!r}
if flag.exists():
    flag.unlink()
    file.write_text(file.read_text().replace(old, new))
"""


@pytest.fixture
def installed(world: World, found: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the program that runners are started from, so that it can be replaced under them."""
    folder = tmp_path / "installed"
    for package in ("console", "actions", "profiles"):
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    file, old, new = WORDS
    assert (folder / file).read_text().count(old) == 1
    upgrading = UPGRADING.format(flag=str(tmp_path / "flag"), file=str(folder / file), old=old, new=new)
    (tmp_path / "plugin" / "upgrading.py").write_text(upgrading)
    entry = tmp_path / "plugin" / "tally-1.0.dist-info" / "entry_points.txt"
    entry.write_text(entry.read_text().replace("tests.console.runs.tally:", "upgrading:"))
    monkeypatch.setenv("PYTHONPATH", f"{folder}:{ROOT}:{tmp_path / 'plugin'}")
    return folder


@pytest.mark.parametrize("replaced", [False, True])
def test_one_that_waited_over_an_upgrade_begins_anew(world: World, installed: Path, replaced: bool) -> None:
    waiting = world.runs.waiting_runner()
    child = started(waiting)
    until(lambda: "paramiko" in Path(f"/proc/{child.pid}/maps").read_text() or _idle(child.pid), "its imports")
    file, old, new = WORDS
    if replaced:
        (installed / file).write_text((installed / file).read_text().replace(old, new))
    run = world.create("do")
    assert world.runs.start_runner(run, waiting=waiting).pid == child.pid
    until(lambda: world.view(run).state == "closed", "the end")
    assert ("done by the new one" in world.view(run).text) is replaced  # control: the old one says it otherwise
    assert world.effects() == ["do s1"]


def _idle(pid: int) -> bool:
    """Whether it waits for what it is told: nothing is imported any more."""
    return Path(f"/proc/{pid}/wchan").read_text().startswith(("do_sys_poll", "do_select", "poll_", "ep_poll"))


def test_a_program_that_is_replaced_while_a_runner_begins_is_not_mixed(
    world: World, installed: Path, tmp_path: Path
) -> None:
    (tmp_path / "flag").touch()  # replaced when the action is loaded: after the engine, before the first change
    run = world.create("do", "do")
    process = world.runs.start_runner(run)
    until(lambda: world.view(run).state == "closed", f"the end: {world.log(run)}", 60)
    assert "done by the new one" in world.view(run).text
    assert world.effects() == ["do s1", "do s2"]
    leased = [record.body for record in world.records.read(run) if record.kind == "run.leased"]
    assert [(body or {})["pid"] for body in leased] == [process.pid, process.pid]
