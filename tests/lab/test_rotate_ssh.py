"""An SSH key rotated on real hosts: the new one gets in before the old one goes; a refused write locks nobody out."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from actions.rotate.ssh_key import public
from actions.rotate.values import ssh_key
from console.runs.api import Plan, Refusal
from console.runs.create import reopen_to_undo
from tests.actions.rotate.bench import Bench
from tests.lab.lab import Lab, LabHost
from tests.lab.leaks import files_holding, places_of, watched_processes
from tests.lab.places import APP_DIRECTORY, DEPLOY_USER

pytestmark = pytest.mark.timeout(600)

KILLED = -signal.SIGKILL
HOSTS = ("lab1", "lab2")


@pytest.fixture
def files(lab: Lab, clean_host: Callable[[str], LabHost]) -> Iterator[dict[str, Path]]:
    """Each host's file of authorized keys, with the deploy key in it; afterwards as it was."""
    found = {}
    before = {}
    for name in HOSTS:
        file = clean_host(name).path(f"/home/{DEPLOY_USER}/.ssh/authorized_keys")
        found[name], before[name] = file, file.read_bytes()
    yield found
    for name, file in found.items():
        lab.host(name).root("chattr", "-i", f"/home/{DEPLOY_USER}/.ssh/authorized_keys")
        file.write_bytes(before[name])


@pytest.fixture
def bench(lab: Lab, files: dict[str, Path], tmp_path: Path) -> Bench:
    """The key of a pipeline, beside those of the operators, on both hosts; its copy lies in a file here."""
    old = ssh_key("pipeline")
    for file in files.values():
        with file.open("a") as out:
            out.write(f'no-agent-forwarding,environment="A=b c" {public(old, "pipeline of old")}\n')
    tester = lab.operators["tester"]
    host = {"ssh_config": str(tester.ssh_config), "known_hosts": str(tester.known_hosts)}
    profile: dict[str, Any] = {
        "system": "bench",
        "hosts": {name: {"address": name, **host} for name in HOSTS},
        "credentials": {"deploy-key": {"kind": "ssh"}},
        "environments": {
            "here": {
                "hosts": list(HOSTS),
                "directory": APP_DIRECTORY,
                "stack": {"kind": "compose", "project": "w", "files": ["compose.yml"],
                          "services": {"web": {"health": "none"}}},
                "rotations": {
                    "deploy-key": {
                        "kind": "ssh-key",
                        "credential": {"secret": "deploy-key"},
                        "comment": "pipeline",
                        "consumers": {"pipeline": {"file": str(tmp_path / "id_pipeline")}},
                    }
                },
            }
        },
    }  # fmt: skip
    one = Bench(tmp_path, profile)
    one.put("deploy-key", old)
    (tmp_path / "id_pipeline").write_text(old + "\n")
    (tmp_path / "id_pipeline").chmod(0o600)
    return one


def gets_in(lab: Lab, bench: Bench, host: str, key: str) -> bool:
    """Whether OpenSSH itself gets in with this key alone."""
    file = bench.folder / "tried"
    file.write_text(key.strip() + "\n")
    file.chmod(0o600)
    tester = lab.operators["tester"]
    words = ("-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none", "-o", "BatchMode=yes", "-i", str(file))
    config = bench.folder / "ssh_config"
    text = "".join(line for line in tester.ssh_config.read_text().splitlines(True) if "IdentityFile" not in line)
    config.write_text(text)
    done = tester.run("/usr/bin/ssh", "-F", str(config), *words, host, "true")
    assert done.returncode in (0, 255), done
    file.unlink()
    return done.returncode == 0


def test_added_proved_and_taken_away_by_exactly_this_key(lab: Lab, bench: Bench, files: dict[str, Path]) -> None:
    old = bench.value("deploy-key") or ""
    before = {name: file.read_text().splitlines() for name, file in files.items()}
    with watched_processes(()) as seen:
        run = bench.create(credential="deploy-key", ask=False)
        for step in ("add.lab1", "file.pipeline", "take.lab2"):
            assert bench.carry(run, "--die", "before", "step.done", step) == KILLED, (step, bench.said(run))
        assert bench.carry(run) == 0, bench.said(run)
    new = bench.value("deploy-key") or ""
    assert new != old and (bench.folder / "id_pipeline").read_text() == new + "\n"
    for name, file in files.items():
        lines = file.read_text().splitlines()
        assert lines == [*(line for line in before[name] if public(old) not in line), public(new, "pipeline")]
        assert gets_in(lab, bench, name, new) and not gets_in(lab, bench, name, old)
        assert file.stat().st_mode & 0o777 == 0o600 and file.owner() == DEPLOY_USER
    reopen_to_undo(bench.records, run, bench.claims(run), "me")
    assert bench.carry(run) == 0, bench.said(run)
    for name in files:
        assert gets_in(lab, bench, name, old) and not gets_in(lab, bench, name, new)
    assert bench.value("deploy-key") == old and (bench.folder / "id_pipeline").read_text() == old + "\n"
    written = bench.everything_written().replace((bench.folder / "id_pipeline").read_bytes(), b"")
    secret = old.splitlines()[3].encode()
    assert len(secret) > 40 and secret not in written
    for key in (old, new):
        line = key.splitlines()[3]
        assert seen.holding(line) == []
        assert [found for name in HOSTS for found in files_holding(line, *places_of(lab.host(name)))] == []


def test_a_host_that_refuses_the_write_locks_nobody_out(lab: Lab, bench: Bench, files: dict[str, Path]) -> None:
    old = bench.value("deploy-key") or ""
    before = {name: file.read_bytes() for name, file in files.items()}
    folder = files["lab2"].parent
    mode = folder.stat().st_mode & 0o777
    folder.chmod(0o555)
    try:
        run = bench.create(credential="deploy-key", ask=False)
        assert bench.carry(run) == 1, bench.said(run)
    finally:
        folder.chmod(mode)
    assert {name: file.read_bytes() for name, file in files.items()} == before
    for name in files:
        assert gets_in(lab, bench, name, old)
    assert bench.value("deploy-key") == old and bench.labels("deploy-key") == ["current"]


def test_the_console_s_own_key_has_to_be_a_consumer(lab: Lab, bench: Bench, tmp_path: Path) -> None:
    mine = tmp_path / "id_mine"
    mine.write_text((bench.value("deploy-key") or "") + "\n")
    body = json.loads((bench.folder / "profile.yaml").read_text())
    for host in body["hosts"].values():
        host["identity"] = str(mine)
    other = tmp_path / "other"
    other.mkdir()
    second = Bench(other, body)
    second.put("deploy-key", bench.value("deploy-key") or "")
    refused = second.planned(credential="deploy-key").refusal
    assert isinstance(refused, Refusal) and "could not log in any more" in refused.reason
    rotation = body["environments"]["here"]["rotations"]["deploy-key"]
    rotation["consumers"]["console"] = {"file": str(mine)}
    third = tmp_path / "third"
    third.mkdir()
    good = Bench(third, body)
    good.put("deploy-key", bench.value("deploy-key") or "")
    assert isinstance(good.planned(credential="deploy-key").plan, Plan)
