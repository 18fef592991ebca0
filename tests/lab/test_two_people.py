"""Two people, each an OS user with a state directory, a key and a keyring of their own, on one system.

And what changes on the host between the plan that was shown and the plan that would run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.lab.lab import Lab, System
from tests.lab.person import PASSPHRASE, Person, no_leftovers, person, until
from tests.lab.places import APP_DIRECTORY
from tests.lab.routing_ml import profile

pytestmark = pytest.mark.timeout(300)
OWN = (".quarterdeck",)


@pytest.fixture
def people(lab: Lab, system: System) -> Iterator[tuple[Person, Person]]:
    """op1 and op2 on the same system, with 1.1.0 live by hand."""
    system.start("1.1.0")
    both = (person(lab.operators["op1"], profile(lab)), person(lab.operators["op2"], profile(lab)))
    with no_leftovers(*both):
        yield both


def test_at_once_then_one_dies_and_the_other_takes_over(
    lab: Lab, system: System, people: tuple[Person, Person]
) -> None:
    """One runs, the other is told who, from where, since when and why (exit 4), sees the run, and adopts it."""
    system.write_env(MIGRATION_DELAY="2")
    words = ("run", "deploy", "staging", "--set", "candidate=1.3.0", "--yes", "--reason", "release of Tuesday")
    both = [(one, one.begin(*words)) for one in people]
    until(lambda: any(begun.process.poll() is not None for _, begun in both), 90, "nobody was refused")
    (loser, lost), (winner, won) = sorted(both, key=lambda pair: pair[1].process.poll() is None)
    refused = lost.end()
    assert refused.code == 4, refused
    user = str(winner.operator.user)
    for text in (f"{user}@", "since", "release of Tuesday", "staging is held by", "Nothing was changed"):
        assert text in refused.said, f"{text!r} was not said\n{refused}"
    assert "Traceback" not in refused.said

    mine = winner.runs()[0]["id"]
    theirs = {line["id"]: line for line in loser.runs()}
    assert mine in theirs, "the other does not see the run"
    assert theirs[mine]["who"].startswith(f"{user}@"), theirs[mine]
    until(lambda: "migrate" in steps_begun(winner, mine), 60, "the migration never began")
    assert winner.kill_runners() == 1
    won.end()
    seen = loser("runs", "show", mine)
    assert seen.code == 6 and user in seen.out and "release of Tuesday" in seen.out, seen
    until(lambda: "interrupted" in loser("runs", "show", mine).out, 30, "its lock does not die")
    resumed = loser("runs", "resume", mine, "--yes")
    assert resumed.code == 1, f"1.3.0 fails its smoke tests\n{resumed}"
    assert "schema at a3" in resumed.out and "smoke" in resumed.said, resumed
    assert system.live_digests() == lab.digests("1.1.0")
    assert system.database.migration_effects() == ["a1", "a2", "a3"]
    migrations = [one for one in system.host.effects() if one["command"] == "alembic upgrade head"]
    assert [one["release"] for one in migrations].count("1.3.0") == 1, migrations
    told = winner("runs", "show", mine)
    assert told.code == 1 and "schema at a3" in told.out, f"the first one sees how it ended\n{told}"
    assert not system.host.path(f"{APP_DIRECTORY}/.quarterdeck/lock").exists()


def steps_begun(one: Person, run: str) -> str:
    """The output of a run so far."""
    file = one.state / "spool" / f"{run}.log"
    return file.read_text("utf-8", "replace") if file.exists() else ""


def test_a_person_s_lock_keeps_runs_out(system: System, people: tuple[Person, Person]) -> None:
    """`lock` with a reason: a run of the other is refused with it, until `unlock`."""
    op1, op2 = people
    assert op1("lock", "staging", "--reason", "the customer shows it to her board").code == 0
    before = system.snapshot((".quarterdeck",))
    refused = op2.run("restart", service="frontend-training")
    assert refused.code == 4 and "the customer shows it to her board" in refused.said, refused
    assert str(op1.operator.user) in refused.said
    assert system.snapshot((".quarterdeck",)) == before
    not_mine = op2("unlock", "staging")
    assert not_mine.code == 4 and str(op1.operator.user) in not_mine.said, not_mine
    assert op1("unlock", "staging").code == 0
    assert op2.run("restart", service="frontend-training").code == 0


def by_hand(system: System, lab: Lab) -> None:
    system.write_env(RELEASE="1.0.0")
    system.compose("up", "-d")


def compose_file(system: System, lab: Lab) -> None:
    file = system.host.path(f"{APP_DIRECTORY}/docker-compose.yml")
    file.write_text(file.read_text().replace("interval: 2s", "interval: 3s"))


@pytest.mark.parametrize("change", [by_hand, compose_file], ids=lambda change: change.__name__)
def test_what_was_shown_is_what_runs(
    lab: Lab, system: System, people: tuple[Person, Person], change: Callable[[System, Lab], None]
) -> None:
    """Something changes between `plan` and `run --expect`: exit 4 with the difference, and nothing is done."""
    op1, _ = people
    wanted = op1("plan", "deploy", "staging", "--set", "candidate=1.5.0", "--json").json
    change(system, lab)
    until(lambda: len(system.live()) == 3, 30, "the change by hand is not there")
    before = system.snapshot(OWN)
    refused = op1.run("deploy", "--expect", wanted["digest"], candidate="1.5.0")
    assert refused.code == 4, refused
    assert "not the one you expected" in refused.said and wanted["digest"][:12] in refused.said, refused
    assert "What differs" in refused.said and "\n+" in refused.said, f"the difference is not told\n{refused}"
    assert system.snapshot(OWN) == before


def test_another_digest_under_the_tag(lab: Lab, system: System, people: tuple[Person, Person]) -> None:
    """The tag is moved after the plan was shown: `--expect` refuses; without a plan to expect, the new one runs."""
    op1, _ = people
    wanted = op1("plan", "deploy", "staging", "--set", "candidate=1.5.0", "--json").json
    before = system.snapshot(OWN)
    with lab.moved_tag("frontend-training", "1.5.0", "1.0.0"):
        refused = op1.run("deploy", "--expect", wanted["digest"], candidate="1.5.0")
    assert refused.code == 4 and "not the one you expected" in refused.said, refused
    assert system.snapshot(OWN) == before
    again = op1("plan", "deploy", "staging", "--set", "candidate=1.5.0", "--json").json
    assert again["digest"] == wanted["digest"], "nothing has changed now: the same plan"


def test_the_runner_plans_again(lab: Lab, system: System, people: tuple[Person, Person]) -> None:
    """Changed after the plan was shown on the terminal: the runner, which holds the lock, sees it; exit 4, and how."""
    op1, op2 = people
    asked = op1.on_terminal("run", "deploy", "staging", "--set", "candidate=1.5.0")
    asked.wait_for("Run this? [y/N]")
    with lab.moved_tag("frontend-training", "1.5.0", "1.0.0"):
        before = system.snapshot(OWN)
        asked.type("y")
        asked.wait_for("Passphrase of ")
        asked.type(PASSPHRASE)
        code = asked.end()
    assert code == 4, asked.seen
    assert PASSPHRASE not in asked.seen and "Traceback" not in asked.seen
    assert "not what would run now" in asked.seen, asked.seen
    assert lab.digest("frontend-training", "1.0.0")[7:19] in asked.seen, f"the difference is not told\n{asked.seen}"
    assert system.snapshot(OWN) == before
    assert not system.host.path(f"{APP_DIRECTORY}/.quarterdeck/lock").exists()
    free = op2.run("restart", service="frontend-training")
    assert free.code == 0, f"the lock was given back\n{free}"
