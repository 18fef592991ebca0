"""How a runner is started: what is decided, what is looked at, and what becomes of a refusal.

STAND-INS: `systemd-run` and `loginctl` are scripts that write down how they were called. A service manager of its own
was started by hand once (systemd 252): `--scope` kept the process' number and its descriptors. Untried: a real logind.
"""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

import pytest

from console.runs import launch
from console.runs.launch import LINGER, SCOPE, Login, Within, decide, kills_of, look, manager_of, properties, within_of
from tests.console.runs.world import World, until

pytestmark = pytest.mark.usefixtures("found")
UID = os.getuid()


@pytest.mark.parametrize(
    ("login", "scope", "outlives", "mend"),
    [
        (Login(), False, True, ""),
        (Login("session", kills=True), False, False, LINGER),
        (Login("session"), False, True, ""),
        (Login("session", "/r", tool=True, kills=True), False, False, LINGER),
        (Login("session", "/r", tool=True, linger=True, kills=True), True, True, ""),
        (Login("session", "/r", tool=True, linger=True), True, True, ""),
        (Login("session", "", tool=True, linger=True, kills=True), False, False, "XDG_RUNTIME_DIR"),
        (Login("session", "/r", tool=False, linger=True, kills=True), False, False, "no systemd-run"),
        (Login("manager", "/r", tool=True), True, False, LINGER),
        (Login("manager", "/r", tool=True, linger=True), True, True, ""),
        (Login("manager", "/r", tool=False), False, False, LINGER),
        (Login("elsewhere", "/r", tool=True, linger=True), True, True, ""),
        (Login("elsewhere", "/r", tool=True), False, True, ""),
    ],
)
def test_what_is_decided(login: Login, scope: bool, outlives: bool, mend: str) -> None:
    start = decide(login)
    assert start.words == (SCOPE if scope else ())
    assert dict(start.environ) == ({"XDG_RUNTIME_DIR": "/r"} if scope else {})
    assert start.outlives is outlives and mend in start.mend and bool(start.mend) is not outlives


@pytest.mark.parametrize(
    ("cgroup", "within"),
    [
        (f"0::/user.slice/user-{UID}.slice/session-7.scope\n", "session"),
        (f"0::/user.slice/user-{UID}.slice/user@{UID}.service/app.slice/terminal-1.scope\n", "manager"),
        (f"3:cpu:/x\n1:name=systemd:/user.slice/user-{UID}.slice/session-c2.scope\n0::/\n", "session"),
        ("4:memory:/session-7.scope\n1:name=systemd:/\n0::/\n", "elsewhere"),
        (f"0::/user.slice/user-{UID + 1}.slice/user@{UID + 1}.service/x.scope\n", "elsewhere"),
        ("0::/system.slice/cron.service\n", "elsewhere"),
        ("", "elsewhere"),
    ],
)
def test_what_a_process_is_a_part_of(cgroup: str, within: Within) -> None:
    assert within_of(cgroup, UID) == within


@pytest.mark.parametrize(
    ("said", "kills"),
    [
        ("KillUserProcesses=yes\nKillOnlyUsers=\nKillExcludeUsers=root\n", True),
        ("KillUserProcesses=no\n", False),
        ("KillUserProcesses=yes\nKillExcludeUsers=root anna\n", False),
        ("KillUserProcesses=yes\nKillOnlyUsers=ben\n", False),
        ("KillUserProcesses=yes\nKillOnlyUsers=ben anna\n", True),
        ("", False),
    ],
)
def test_whom_logind_ends(said: str, kills: bool) -> None:
    assert kills_of(properties(said), "anna") is kills


def test_a_manager_is_one_that_listens_in_a_directory_of_this_user(tmp_path: Path) -> None:
    assert manager_of(str(tmp_path), UID) == ""
    (tmp_path / "systemd").mkdir()
    (tmp_path / "systemd" / "private").touch()
    assert manager_of(str(tmp_path), UID) == "", "a file is no manager"
    with listening(tmp_path / "bus"):
        assert manager_of(str(tmp_path), UID) == str(tmp_path)
        assert manager_of(str(tmp_path), UID + 1) == "", "another user's"
    assert manager_of(str(tmp_path / "gone"), UID) == ""


def listening(path: Path) -> socket.socket:
    """A socket in the file system."""
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(path))
    return server


def programs(folder: Path, linger: str, systemd_run: str) -> Path:
    """A folder with a `loginctl` and a `systemd-run` that write down their words in `said`."""
    folder.mkdir(exist_ok=True)
    note = f'printf "%s\\n" "${{0##*/}} $*" >>"{folder}/said"'
    for name, rest in (
        ("loginctl", f'case "$*" in *Linger*) echo Linger={linger};; *) echo KillUserProcesses=yes;; esac'),
        ("systemd-run", systemd_run),
    ):
        (folder / name).write_text(f"#!/bin/sh\n{note}\n{rest}\n")
        (folder / name).chmod(0o755)
    return folder


EXEC = 'while [ "$1" != -- ]; do shift; done; shift; exec "$@"'


def test_loginctl_is_asked_only_where_something_depends_on_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = programs(tmp_path / "bin", "no", EXEC)
    runtime = tmp_path / "none"
    environ = {"PATH": f"{folder}:/usr/bin:/bin", "XDG_RUNTIME_DIR": str(runtime)}
    monkeypatch.setenv("PATH", environ["PATH"])
    assert look(environ, cgroup="0::/system.slice/x.service") == Login("elsewhere", "", tool=True)
    assert not (folder / "said").exists()
    found = look(environ, cgroup=f"0::/user.slice/user-{UID}.slice/session-7.scope")
    assert found.within == "session" and not found.linger and found.kills
    assert (folder / "said").read_text().splitlines() == [
        f"loginctl show-user {UID} --property=Linger",
        "loginctl show-user --property=KillUserProcesses --property=KillOnlyUsers --property=KillExcludeUsers",
    ]


def lingering(world: World, monkeypatch: pytest.MonkeyPatch, systemd_run: str) -> Path:
    """A login with a lingering manager, as far as the fake programs say."""
    folder = programs(world.folder / "bin", "yes", systemd_run)
    (world.folder / "run").mkdir()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(world.folder / "run"))
    return folder


def test_the_runner_is_started_by_the_service_manager(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = lingering(world, monkeypatch, EXEC)
    with listening(world.folder / "run" / "bus"):
        run = world.create("do")
        world.runs.start_runner(run)
    until(lambda: world.view(run).state == "closed", "the end")
    assert world.view(run).ending == "succeeded"
    said = (folder / "said").read_text().splitlines()[-1]
    assert said.startswith(f"{' '.join(SCOPE)} {sys.executable} -P -m console.runner --run {run} --state ")


def test_a_service_manager_that_refuses_is_done_without(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = lingering(world, monkeypatch, 'echo "Failed to connect to bus" >&2; exit 1')
    with listening(world.folder / "run" / "bus"):
        run = world.create("do")
        world.runs.start_runner(run)
    until(lambda: world.view(run).state == "closed", "the end")
    assert world.view(run).ending == "succeeded"
    assert "systemd-run" in (folder / "said").read_text()
    assert "Failed to connect to bus" in world.log(run) and "without the service manager" in world.log(run)


def test_doctor_says_what_a_logout_would_end(monkeypatch: pytest.MonkeyPatch) -> None:
    from console.cli.doctor import outlives

    monkeypatch.setattr(launch, "look", lambda environ: Login("session", kills=True))
    [(well, said)] = outlives()
    assert not well and "KillUserProcesses=yes" in said and LINGER in said
