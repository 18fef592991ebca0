"""A signing secret rotated on two nodes behind HAProxy, under clients with old tokens and new ones.

QUARTERDECK_ROTATE=long: at least 10,000 requests, killed at every boundary of every step, undone from every step.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from console.runs.api import Plan
from tests.actions.rotate.bench import Bench
from tests.lab import tokens_system as tokens
from tests.lab.lab import Lab, LabHost
from tests.lab.leaks import engine_holding, files_holding, places_here, places_of, watched_processes
from tests.lab.person import PASSPHRASE, Person, no_leftovers, person, until
from tests.lab.places import APP_DIRECTORY

pytestmark = pytest.mark.timeout(1800)

LONG = os.environ.get("QUARTERDECK_ROTATE") == "long"
OLD = "first-signing-secret-3f9b1c77d2a84e50aa61"
KILLED = -signal.SIGKILL
OVERLAP_S = 40 if LONG else 15
PACE = (4, 0.02) if LONG else (2, 0.1)
"""Clients, and seconds between two requests of one."""


@pytest.fixture
def bare(lab: Lab, clean_host: Callable[[str], LabHost]) -> Lab:
    """The nodes, with nothing on them yet."""
    for name in tokens.NODES:
        clean_host(name)
    tokens.build(lab)
    return lab


@pytest.fixture
def nodes(bare: Lab) -> Iterator[Lab]:
    """The service on both, behind the balancer."""
    tokens.install(bare, OLD)
    with tokens.balancer(bare):
        yield bare


@pytest.fixture
def op1(nodes: Lab) -> Iterator[Person]:
    one = person(nodes.operators["op1"], tokens.profile(nodes, f"{OVERLAP_S}s"), secrets=False)
    tokens.write_template(one.profile.parent)
    done = one("credentials", "set", "jwt", "--stdin", stdin=OLD + "\n")
    assert done.code == 0, done
    done = one.run("baseline")
    assert done.code == 0, done
    with no_leftovers(one):
        yield one


def parked(one: Person, run: str) -> bool:
    """Whether it waits for the end of the overlap, with its locks given back."""
    return [kind for kind, _ in one.records(run)][-2:] == ["run.parked", "locks.removed"]


def test_rotated_under_load_over_a_dead_runner_and_a_hotfix(nodes: Lab, op1: Person) -> None:
    env = [nodes.host(name).path(f"{APP_DIRECTORY}/tokens.env") for name in tokens.NODES]
    plan = op1("plan", "rotate", "staging", "--set", "credential=jwt")
    assert plan.code == 0 and OLD not in plan.said, plan
    with tokens.Clients(nodes, *PACE) as clients, watched_processes((OLD, PASSPHRASE)) as seen:
        began = op1.run("rotate", "--detach", credential="jwt", ask="false")
        run = began.out.strip()
        assert run and began.code in (0, 6), began
        until(lambda: parked(op1, run) or not op1.runners(), 120, "it was never parked")
        assert parked(op1, run), op1("runs", "show", run)
        since = time.monotonic()
        new = [file.read_text() for file in env]
        assert all(f"JWT_SECRET_KEY_PREVIOUS={OLD}\n" in text and f"JWT_SECRET_KEY={OLD}" not in text for text in new)
        assert all(tokens.asked(nodes, "/me", forged(OLD), node=name)[0] == 200 for name in tokens.NODES)
        op1.kill_runners()
        hotfix = op1.run("deploy", candidate="1.0.1")
        assert hotfix.code == 0, hotfix
        assert all(file.read_text() == text for file, text in zip(env, new, strict=True))
        # Resumed before its overlap is over it would be parked again.
        time.sleep(max(0.0, OVERLAP_S + 1 - (time.monotonic() - since)))
        resumed = op1("runs", "resume", run, "--yes", timeout_s=180)
        took = time.monotonic() - since
        assert resumed.code == 0 and took > OVERLAP_S - 1, resumed
        while LONG and clients.requests < 10_000:
            time.sleep(0.1)
    print(f"{clients.requests} requests, oldest token used {clients.oldest_s:.1f} s:", dict(clients.counts))
    assert clients.wrong == [] and clients.counts["me 401"] == 0, clients.wrong[:10]
    assert clients.requests >= (10_000 if LONG else 500) and set(clients.counts) == {"login 200", "me 200"}
    assert clients.oldest_s > 2.5, "old tokens were held"
    for name in tokens.NODES:
        assert tokens.asked(nodes, "/health", node=name)[1] == {"release": "1.0.1"}, "the hotfix stays"
        assert tokens.asked(nodes, "/me", forged(OLD), node=name)[0] == 401, f"{name} still accepts the old secret"
        text = nodes.host(name).path(f"{APP_DIRECTORY}/tokens.env").read_text()
        assert OLD not in text and "JWT_SECRET_KEY_PREVIOUS=\n" in text
    assert seen == [], "a secret was seen in the arguments or the environment of a process"
    value = text.split("JWT_SECRET_KEY=", 1)[1].split("\n", 1)[0]
    assert len(value) > 30 and seen.holding(value) == []
    for name in tokens.NODES:  # shell histories among them; what holds the new one is named
        host = nodes.host(name)
        assert files_holding(OLD, *places_of(host)) == []
        assert files_holding(value, *places_of(host)) == [host.path(f"{APP_DIRECTORY}/tokens.env")]
        found = engine_holding(host, OLD, value, "JWT_SECRET_KEY", images=name == tokens.NODES[-1])
        names = found.pop("JWT_SECRET_KEY")  # the control: what is in an image is found
        assert ("tokens environment" in names, len(names) > 1) == (True, name == tokens.NODES[-1])
        assert found == {value: {"tokens environment"}}
    assert [found for secret in (OLD, value) for found in files_holding(secret, *places_here(op1.operator))] == []
    listed = op1("credentials", "list")
    assert OLD not in listed.said and value not in listed.said, listed
    the_counters_count_a_secret_that_is_changed_at_once(nodes, op1, value)


def forged(secret: str) -> str:
    """A token that is good but for its secret."""
    from actions.rotate.jwt import token

    return token(secret, "HS256", {"sub": "somebody"}, time.time())


def the_counters_count_a_secret_that_is_changed_at_once(nodes: Lab, op1: Person, now: str) -> None:
    """The control: the emergency form, which says what it breaks, makes the same clients count 401s.

    `now`: the secret until then.
    """
    plan = op1("plan", "rotate", "staging", "--set", "credential=jwt", "--set", "emergency=true")
    assert plan.code == 0 and "Every session ends" in plan.said, plan
    assert all(tokens.asked(nodes, "/me", forged(now), node=name)[0] == 200 for name in tokens.NODES)
    with tokens.Clients(nodes, *PACE) as clients:
        done = op1.run("rotate", credential="jwt", emergency="true", ask="false")
        assert done.code == 0, done
    print(f"emergency: {clients.requests} requests:", dict(clients.counts))
    assert clients.counts["me 401"] > 0
    assert all(tokens.asked(nodes, "/me", forged(now), node=name)[0] == 401 for name in tokens.NODES)


# --- killed and undone -----------------------------------------------------------------------------------------------


@pytest.fixture
def bench(bare: Lab, tmp_path: Path) -> Iterator[Bench]:
    """The two-variable form with the id of each key, over SSH as `tester`."""
    kid = "k-first"
    tokens.install(bare, OLD, kid)
    tester = bare.operators["tester"]
    host = {"ssh_config": str(tester.ssh_config), "known_hosts": str(tester.known_hosts)}
    tokens.write_template(tmp_path, ids=True)
    overlap = f"{tokens.LIFE_S + 2:.0f}s" if LONG else "1s"
    one = Bench(tmp_path, tokens.profile(bare, overlap, host, ids=True))
    one.put("jwt", json.dumps({"kid": kid, "key": OLD}))
    baseline = one.create_of("baseline", "staging")
    assert one.carry(baseline) == 0, one.said(baseline)
    yield one


def key(bench: Bench, label: Any = "current") -> str:
    return str(json.loads(bench.value("jwt", label) or "{}").get("key"))


def stands(nodes: Lab, bench: Bench, accepted: str, refused: str) -> None:
    """What each node accepts and refuses, asked of itself, with the id of the right key."""
    from actions.rotate.jwt import token

    current = json.loads(bench.value("jwt") or "{}")
    assert current["key"] == accepted
    for name in tokens.NODES:
        good = token(json.dumps(current), "HS256", {}, time.time())
        bad = token(json.dumps({**current, "key": refused}), "HS256", {}, time.time())
        assert tokens.asked(nodes, "/me", good, node=name)[0] == 200, name
        assert tokens.asked(nodes, "/me", bad, node=name)[0] == 401, name
        text = nodes.host(name).path(f"{APP_DIRECTORY}/tokens.env").read_text()
        assert f"JWT_SECRET_KEY={accepted}\n" in text and "JWT_SECRET_KEY_PREVIOUS=\n" in text


MOMENTS = (("before", "step.intent"), ("after", "step.intent"), ("before", "step.done"), ("after", "step.done"))


def test_killed_and_resumed_or_undone(bare: Lab, bench: Bench) -> None:
    plan = bench.planned("staging", credential="jwt", ask=False).plan
    assert isinstance(plan, Plan)
    changing = [step.id for step in plan.steps if step.run.writes]
    assert len([one for one in changing if one.startswith(("verify.", "sign.", "without."))]) == 6
    if not LONG:  # a rotation that is killed and goes on is above
        undone(bare, bench, "sign.tokens.lab2")
        return
    with tokens.balancer(bare), tokens.Clients(bare, workers=2) as clients:
        run = bench.create("staging", credential="jwt", ask=False)
        for moment, step in ((moment, step) for step in changing for moment in MOMENTS):
            assert bench.carry(run, "--die", *moment, step) == KILLED, (step, moment, bench.said(run))
        assert bench.carry(run) == 0, bench.said(run)
        stands(bare, bench, key(bench), OLD)
        print(f"killed {len(changing) * len(MOMENTS)} times; {clients.requests} requests:", dict(clients.counts))
        for step in changing:
            undone(bare, bench, step)
    print(f"undone from {len(changing)} steps; {clients.requests} requests:", dict(clients.counts))
    assert clients.wrong == [] and clients.counts["me 401"] == 0, clients.wrong[:10]
    assert clients.requests > 10_000 and clients.oldest_s > 2.5


def undone(bare: Lab, bench: Bench, step: str) -> None:
    """A rotation killed in a step and taken back: the nodes and the keyring are as before."""
    now = key(bench)
    run = bench.create("staging", credential="jwt", ask=False)
    assert bench.carry(run, "--die", "before", "step.done", step) == KILLED, (step, bench.said(run))
    bench.answer(run, "undo")
    assert bench.carry(run) == 0, (step, bench.said(run))
    stands(bare, bench, now, "another-secret-that-was-never-used-here")
    assert "pending" not in bench.labels("jwt") and "previous" not in bench.labels("jwt"), step
