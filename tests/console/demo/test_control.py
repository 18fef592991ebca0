"""The demo as a whole, on a root of its own: started, used, broken, healed, stopped without a trace."""

from __future__ import annotations

import errno
import json
import multiprocessing
import os
import random
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from console.demo import control, ports
from console.demo.control import ENVIRONMENTS, DemoError, DemoStatus, DemoSystem
from console.demo.processes import alive, end, identify, last_line, recorded, spawn
from console.demo.traffic import DAY_S, choose, rate
from console.stacks import layout
from tests.console.demo import quick
from tests.console.stacks.proxy_lab import until


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[DemoSystem]:
    system = DemoSystem(tmp_path / "demo")
    yield system
    if (system.root / "demo.json").exists():
        system.stop()
    assert processes_of(system) == []


@pytest.fixture
def by_forks(monkeypatch: pytest.MonkeyPatch) -> None:
    """For what is not about processes: they are started quickly."""
    monkeypatch.setattr("console.demo.control.spawn", quick.spawn)


def processes_of(system: DemoSystem) -> list[int]:
    """Every process on this machine that names the demo's root among its words: the truth beside the pid files."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        pid = int(path.parent.name)
        if pid != os.getpid() and any(word.startswith(os.fsencode(system.root)) for word in words) and identify(pid):
            found.append(pid)
    return sorted(found)


def locked(system: DemoSystem, owner: str) -> Path:
    """Production's lock, as a run holds it."""
    lock = system.directory("production") / ".quarterdeck" / "lock"
    lock.mkdir(parents=True)
    (lock / "owner.json").write_text(owner)
    return lock


def pids(status: DemoStatus) -> dict[str, int | None]:
    return {piece.name: piece.pid for piece in status.pieces}


def get(url: str) -> tuple[int, str]:
    with urllib.request.urlopen(url, timeout=10) as response:
        return response.status, response.read().decode()


def pid_of(demo: DemoSystem, environment: str, service: str) -> int:
    identity = recorded(Path(layout.pid_file(str(demo.directory(environment)), service)))
    assert identity is not None
    return identity.pid


def test_it_starts_in_two_environments_and_stops_without_a_trace(demo: DemoSystem) -> None:
    assert not demo.is_running() and demo.status().pieces == ()
    said: list[str] = []
    status = demo.start(said.append)
    assert status.running and demo.is_running() and len(status.pieces) == 9 and len(said) == 9
    assert sorted(processes_of(demo)) == sorted(piece.pid or 0 for piece in status.pieces)
    for environment in ENVIRONMENTS:
        base = status.addresses[environment]
        assert get(f"{base}/api/health")[0] == 200
        assert "frontend" not in get(f"{base}/")[1] and "prediction" in get(f"{base}/")[1]
        assert "training" in get(f"{base}/training")[1]
        assert 'build_info{service="backend",release="1.0.0"} 1' in get(f"{base}/metrics")[1]
        for service in ("backend", "frontend-prediction", "frontend-training"):
            directory = Path(layout.service_dir(str(demo.directory(environment)), service))
            assert (directory / "release").read_text() == "1.0.0\n"
            assert alive(recorded(directory / "pid"))
            assert os.getsid(pid_of(demo, environment, service)) == pid_of(demo, environment, service)
    assert stat.S_IMODE(demo.password_file.stat().st_mode) == 0o600
    assert set(demo.stop()) == {piece.name for piece in status.pieces}
    assert processes_of(demo) == [] and not demo.is_running()
    assert demo.stop() == ()


def test_the_password_logs_in_and_is_in_no_argv_and_no_environment(demo: DemoSystem) -> None:
    status = demo.start()
    secret = demo.password()
    body = json.dumps({"username": "demo", "password": secret}).encode()
    request = urllib.request.Request(f"{status.addresses['staging']}/api/login", body, method="POST")
    with urllib.request.urlopen(request, timeout=10) as response:
        assert "token" in json.load(response)
    seen = 0
    for pid in processes_of(demo):
        for name in ("cmdline", "environ"):
            content = Path(f"/proc/{pid}/{name}").read_bytes()
            assert secret.encode() not in content
            seen += os.fsencode(demo.root) in content or b"PATH=" in content
    assert seen == 18, "control: argv and environment were readable, and held what they should"


def test_settings_of_the_console_do_not_reach_the_demo(demo: DemoSystem, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_TOKEN", "s3cr3t-value")
    demo.start()
    assert all(b"s3cr3t-value" not in Path(f"/proc/{pid}/environ").read_bytes() for pid in processes_of(demo))


@pytest.mark.usefixtures("by_forks")
def test_a_second_start_uses_what_runs_and_mends_what_died(demo: DemoSystem) -> None:
    first = pids(demo.start())
    assert pids(demo.start()) == first
    killed = {
        "staging/backend": pid_of(demo, "staging", "backend"),
        "production/proxy": first["production/proxy"],
        "traffic": first["traffic"],
    }
    for pid in killed.values():
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
    until(lambda: sum(not piece.alive for piece in demo.status().pieces) == 3)
    assert demo.is_running() and not demo.status().running
    again = demo.start()
    assert again.running
    changed = {name for name, pid in pids(again).items() if first[name] != pid}
    assert changed == set(killed)
    assert get(f"{again.addresses['production']}/api/health")[0] == 200
    assert get(f"{again.addresses['staging']}/api/health")[0] == 200


@pytest.mark.usefixtures("by_forks")
def test_a_deployed_release_in_another_place_is_what_is_started_again_and_stopped(demo: DemoSystem) -> None:
    """As a deploy leaves it: another instance, another port, routes that name it; the old one gone."""
    demo.start()
    directory = demo.directory("staging")
    old = recorded(Path(layout.pid_file(str(directory), "backend")))
    assert old is not None
    instance = Path(layout.service_dir(str(directory), "backend", "next"))
    instance.mkdir()
    port = int(demo.variables()["staging_last"])
    (instance / "port").write_text(f"{port}\n")
    (instance / "release").write_text("1.1.0\n")
    spawn(demo.service_argv("backend", str(demo.releases / "1.1.0"), port), instance / "pid", instance / "log")
    until(lambda: not ports.free(port))
    routes = Path(layout.proxy_file(str(directory), layout.ROUTES))
    text = routes.read_text().replace(
        (Path(layout.port_file(str(directory), "backend"))).read_text().strip(), str(port)
    )
    routes.write_text(text)
    shutil.rmtree(layout.service_dir(str(directory), "backend"))
    assert end([old]) == []
    before = demo.status()
    until(lambda: '"release": "1.1.0"' in get(f"{before.addresses['staging']}/api/health")[1])
    live = recorded(instance / "pid")
    assert live is not None
    assert pids(demo.start()) == pids(before)
    assert end([live]) == []
    after = demo.start()
    assert {piece.release for piece in after.pieces if piece.name.startswith("staging/backend")} == {"1.1.0"}
    assert '"release": "1.1.0"' in get(f"{after.addresses['staging']}/api/health")[1]


@pytest.mark.usefixtures("by_forks")
def test_services_are_left_alone_while_a_run_holds_the_lock(demo: DemoSystem) -> None:
    demo.start()
    lock = locked(demo, "{}")
    os.kill(pid_of(demo, "production", "backend"), signal.SIGKILL)
    until(lambda: not demo.status().running)
    status = demo.start()
    assert not status.running and "production" in status.notes[0]
    (lock / "owner.json").unlink()
    assert demo.start().running


def test_a_stranger_with_a_recorded_pid_is_not_ended(demo: DemoSystem) -> None:
    demo.start()
    stranger = subprocess.Popen(["sleep", "60"])
    try:
        file = Path(layout.pid_file(str(demo.directory("staging")), "frontend-training"))
        real = recorded(file)
        mine = identify(stranger.pid)
        assert real is not None and mine is not None
        file.write_text(layout.pid_text(layout.Identity(stranger.pid, real.start, real.boot)))
        demo.stop()
        assert stranger.poll() is None
        file.write_text(layout.pid_text(layout.Identity(mine.pid, mine.start, "0" * 36)))
        demo.stop()
        assert stranger.poll() is None
        file.write_text(layout.pid_text(mine))
        demo.stop()
        assert stranger.wait(10) == -signal.SIGTERM, "control: with its true identity it is ended"
        file.write_text(layout.pid_text(real))
    finally:
        stranger.kill()
        stranger.wait(10)


def test_one_that_ignores_the_signal_is_killed(tmp_path: Path) -> None:
    spawn(("sh", "-c", 'trap "" TERM; while :; do sleep 1; done'), tmp_path / "pid", tmp_path / "log")
    identity = recorded(tmp_path / "pid")
    assert identity is not None and alive(identity)
    assert end([identity], term_s=0.2) == []
    assert not alive(identity)


def test_last_words_are_safe_to_show(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"first\n\x1b]0;owned\x07\x1b[31mred " + b"x" * 500)
    said = last_line(log)
    assert "\x1b" not in said and "\x07" not in said and "red" in said and len(said) <= 300
    assert last_line(tmp_path / "none") == ""


def test_what_is_started_outlives_its_console(tmp_path: Path) -> None:
    root = tmp_path / "demo"
    script = (
        "import sys, pathlib; from console.demo.control import DemoSystem as D; D(pathlib.Path(sys.argv[1])).start()"
    )
    subprocess.run([sys.executable, "-c", script, str(root)], check=True, timeout=60)
    system = DemoSystem(root)
    assert system.status().running
    assert len(system.stop()) == 9
    assert processes_of(system) == []


def _start(root: Path) -> None:
    DemoSystem(root).start()


def test_two_consoles_that_start_at_once_make_one_demo(demo: DemoSystem) -> None:
    context = multiprocessing.get_context("spawn")
    starters = [context.Process(target=_start, args=(demo.root,)) for _ in range(2)]
    for one in starters:
        one.start()
    for one in starters:
        one.join(60)
        assert one.exitcode == 0
    assert demo.status().running and len(processes_of(demo)) == 9


def test_reset_removes_all_and_the_next_start_begins_anew(demo: DemoSystem) -> None:
    demo.start()
    first = demo.password()
    demo.reset()
    assert {path.name for path in demo.root.iterdir()} == {"lock"}
    assert processes_of(demo) == []
    with pytest.raises(DemoError, match="start it first"):
        demo.password()
    assert demo.start().running
    assert demo.password() != first


@pytest.mark.usefixtures("by_forks")
def test_it_is_not_stopped_under_a_run_that_is_at_work(demo: DemoSystem) -> None:
    demo.start()
    lock = locked(demo, '{"run": "a-run"}')
    beat = lock / "beat"
    beat.touch()
    for end_it in (demo.stop, demo.reset):
        with pytest.raises(DemoError, match=r"The run a-run is at work in production.*runs cancel a-run"):
            end_it()
    assert demo.status().running
    os.utime(beat, (1_000_000_000, 1_000_000_000))
    assert len(demo.stop()) == 9, "a dead run's lock holds nothing up"


@pytest.mark.usefixtures("by_forks")
def test_reset_leaves_the_log_of_the_audit(demo: DemoSystem) -> None:
    demo.start()
    own = demo.directory("staging") / ".quarterdeck"
    own.mkdir(exist_ok=True)
    (own / "audit.log").write_bytes(b"one\n\xff\n")
    (own / "fence").write_text("1")
    demo.reset()
    assert [path.name for path in own.iterdir()] == ["audit.log"]
    assert (own / "audit.log").read_bytes() == b"one\n\xff\n"
    assert not (demo.root / "production").exists()
    assert demo.start().running


@pytest.mark.usefixtures("by_forks")
def test_a_spoilt_demo_json_is_a_sentence_and_reset_mends_it(demo: DemoSystem) -> None:
    demo.start()
    for spoilt in ("{", "[]", '{"ports": {"staging": "many"}}'):
        (demo.root / "demo.json").write_text(spoilt)
        for ask in (demo.status, demo.start, demo.variables):
            with pytest.raises(DemoError, match="demo --reset"):
                ask()
    demo.reset()
    assert processes_of(demo) == []
    assert demo.start().running


def test_reset_leaves_a_directory_alone_that_is_no_demo(tmp_path: Path) -> None:
    (tmp_path / "staging").mkdir()
    DemoSystem(tmp_path).reset()
    assert (tmp_path / "staging").exists()


@pytest.mark.usefixtures("by_forks")
def test_variables_name_ports_that_answer(demo: DemoSystem) -> None:
    with pytest.raises(DemoError, match="no demo in"):
        demo.variables()
    demo.start()
    values = demo.variables()
    assert values["demo"] == str(demo.root) and Path(values["python"]).exists()
    for environment in ENVIRONMENTS:
        inflight = json.loads(get(f"http://127.0.0.1:{values[f'{environment}_admin']}/inflight")[1])
        assert len(inflight) == 3
        first, last = int(values[f"{environment}_first"]), int(values[f"{environment}_last"])
        assert all(first <= int(one.rpartition(":")[2]) <= last for one in inflight)
        assert get(f"http://127.0.0.1:{values[f'{environment}_port']}/api/health")[0] == 200
        assert last < ports.connections_from()


@pytest.mark.usefixtures("by_forks")
def test_a_port_that_was_taken_meanwhile_is_replaced(demo: DemoSystem) -> None:
    demo.start()
    demo.stop()
    values = demo.variables()
    taken = [int(values["staging_port"]), int(values["production_first"])]
    held = [socket.create_server(("127.0.0.1", port)) for port in taken]
    try:
        status = demo.start()
        assert status.running
        assert int(demo.variables()["staging_port"]) != taken[0]
        assert demo.variables()["production_port"] == values["production_port"]
        for base in status.addresses.values():
            assert get(f"{base}/api/health")[0] == 200
    finally:
        for one in held:
            one.close()


def test_the_machine_saying_no_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(DemoError, match="XDG_STATE_HOME"):
        DemoSystem(file / "demo").start()
    system = DemoSystem(tmp_path / "demo")
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(control.shutil, "disk_usage", lambda path: usage._replace(free=3_000_000))
    with pytest.raises(DemoError, match="Only 3 MB are free"):
        system.start()
    monkeypatch.undo()

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(system.root))

    monkeypatch.setattr(control, "write", full)
    with pytest.raises(DemoError, match="disk is full"):
        system.start()
    monkeypatch.undo()
    monkeypatch.setattr(ports, "free", lambda port: False)
    with pytest.raises(DemoError, match="no 16 free ports in a row"):
        system.start()


def test_a_lock_that_is_held_too_long_is_a_sentence(demo: DemoSystem, monkeypatch: pytest.MonkeyPatch) -> None:
    import fcntl

    monkeypatch.setattr(control, "LOCK_S", 0.1)
    demo.root.mkdir()
    with (demo.root / "lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(DemoError, match="Another console"):
            demo.start()


def test_a_release_that_cannot_start_is_a_sentence_with_its_last_words(demo: DemoSystem) -> None:
    demo.start()
    demo.stop()
    (demo.releases / "1.0.0" / "release.json").write_text("{")
    with pytest.raises(DemoError, match=re.compile("ended at once: .*is not JSON", re.S)):
        demo.start()
    shutil.rmtree(demo.releases)
    (demo.directory("staging") / "process" / "backend" / "release").write_text("9.9.9")
    with pytest.raises(DemoError, match=r"9\.9\.9"):
        demo.start()


def test_traffic_keeps_charts_alive_and_ends_with_the_demo(demo: DemoSystem) -> None:
    status = demo.start()

    def predictions(environment: str) -> float:
        text = get(f"{status.addresses[environment]}/metrics")[1]
        found = re.search(r"^predictions_total (\S+)$", text, re.M)
        assert found
        return float(found[1])

    for environment in ENVIRONMENTS:
        until(lambda environment=environment: predictions(environment) >= 1, 30)  # type: ignore[misc]


def test_traffic_ends_by_itself_when_nobody_answers(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        dead = server.getsockname()[1]
    listen = tmp_path / "staging" / "proxy" / "listen"
    listen.parent.mkdir(parents=True)
    listen.write_text(f"127.0.0.1:{dead}\n")
    argv = [sys.executable, "-P", "-m", "console.demo.traffic", "--root", str(tmp_path), "--gone-s", "0.2"]
    assert subprocess.run(argv, timeout=60, check=False).returncode == 0
    none = subprocess.run([*argv[:-3], str(tmp_path / "none")], timeout=60, check=False, capture_output=True, text=True)
    assert none.returncode == 2 and "there is no demo" in none.stderr


def test_traffic_is_gentle_and_mostly_good() -> None:
    assert all(0 < rate(4.0, second) <= 4.0 for second in range(int(DAY_S)))
    assert rate(4.0, DAY_S / 2) == pytest.approx(4.0) and rate(4.0, 0) == pytest.approx(1.0)
    draw = random.Random(7)
    requests = [choose(draw) for _ in range(5000)]
    large = sum(value is not None and value.get("quantity") == 5_000_000 for _, _, value in requests)
    missing = sum("/api/orders" in path for _, path, _ in requests)
    assert 10 < large < 75 and 30 < missing < 150


def test_blocks_avoid_what_is_taken() -> None:
    first, second = ports.blocks(2)
    assert abs(first - second) >= ports.BLOCK
    with socket.create_server(("127.0.0.1", first + 3)):
        assert not ports.free(first + 3)
    assert ports.free(first + 3)


def test_the_default_root_is_below_the_state_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert DemoSystem().root == tmp_path / "quarterdeck" / "demo"
    monkeypatch.setenv("XDG_STATE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert DemoSystem().root == tmp_path / ".local" / "state" / "quarterdeck" / "demo"


def test_it_starts_and_stops_quickly(demo: DemoSystem) -> None:
    began = time.monotonic()
    demo.start()
    started = time.monotonic() - began
    began = time.monotonic()
    demo.start()
    again = time.monotonic() - began
    demo.stop()
    assert started < 10 and again < 2, (started, again)
