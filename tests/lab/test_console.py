"""The main job from the console, by keys alone: a release over real SSH to a real engine, and a bad one undone.

A person starts the console in a terminal, unlocks the keyring, sees the four panes live, plans, confirms and follows.
He leaves while a run goes on, and once his console is killed: the next one shows the run to its end. What came of it is
read from the engine and the database themselves. The endings are those of the table in `test_main_job.py`.
"""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
from collections.abc import Iterator

import pytest

from tests.lab.lab import Database, Lab, System
from tests.lab.person import PASSPHRASE, Person, no_leftovers, person, until
from tests.lab.routing_ml import profile
from tests.lab.screen import Emulator, Screen, emulator, processes_of
from tests.lab.system import SMOKE_PASSWORD
from tests.lab.test_main_job import TABLE

pytestmark = pytest.mark.timeout(300)
ROWS = {row.release: row for row in TABLE}
LAST_STEP = r"\b([0-9]+) steps .* \1 (note that r|remove what none )"
"""The plan says how many steps there are; the last notes what is verified, or removes images."""
CHECKLIST = """# Before launch

- [ ] Backend answers its health check
- [ ] Operators know the runbook
"""


@pytest.fixture
def op1(lab: Lab, system: System) -> Iterator[Person]:
    """op1 with 1.0.0 live by hand, and a checklist of which one item has a check."""
    system.start("1.0.0")
    made = profile(lab)
    checklist = {"file": "launch.md", "probes": {"Backend answers": "health"}}
    made["environments"]["staging"]["checklists"] = [checklist]
    document = lab.operators["op1"].home / "launch.md"
    document.write_text(CHECKLIST)
    document.chmod(0o644)
    one = person(lab.operators["op1"], made)
    with no_leftovers(one):
        yield one


@pytest.fixture
def terminals() -> Iterator[Emulator]:
    """A terminal emulator of the test's own."""
    with emulator() as made:
        yield made


@contextlib.contextmanager
def held(database: Database) -> Iterator[None]:
    """A deploy waits for its database for as long as this lasts, as behind somebody's long transaction."""
    argv = ("psql", "-X", "-q", "-A", "-t", database.url)
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as psql:
        assert psql.stdin is not None and psql.stdout is not None
        psql.stdin.write("BEGIN; LOCK TABLE alembic_version; SELECT 'held';\n")
        psql.stdin.flush()
        assert psql.stdout.readline() == "held\n"
        yield
        psql.stdin.close()


def unlock(console: Screen) -> None:
    """Type the passphrase into the masked field that is in front."""
    console.wait("Unlock the keyring", "esc not now")
    console.type(PASSPHRASE)
    console.wait("•" * len(PASSPHRASE))
    console.press("Enter")
    console.wait("keyring open", gone="esc not now")


def plan(console: Screen, release: str) -> str:
    """Fill in the form of a deploy; the plan, read page by page to its end."""
    console.wait("Candidate *", "tag of")
    console.type(release)
    console.wait(f"Candidate * {release}")
    console.press("Enter")
    console.wait("Empty: all.")
    console.press("Enter")
    console.wait(f"Deploy {release} to staging planned", "g Go on")
    shown = console.read_to(LAST_STEP)
    counted = re.search(r"([0-9]+) steps ", shown)
    assert counted is not None and "If it fails" in shown, shown
    steps = int(counted[1])
    assert steps > 10 and all(f" {number} " in shown for number in range(1, steps + 1)), shown
    return shown


def confirm(console: Screen, release: str, locked: bool = False) -> None:
    """Confirm the plan that is shown, by its word; `locked`: the passphrase is asked for then."""
    console.press("g")
    console.wait("Type yes to run it")
    console.type("yes")
    console.press("Enter")
    if locked:
        unlock(console)
    console.wait(f"Deploy {release} to staging running", "▸ running")


def open_run(console: Screen, release: str) -> None:
    """A new console shows the run in its first screen; open it from the list of runs."""
    console.wait(f"Deploy {release} to staging running", "Services", "Checklist", "Metrics", "Logs")
    console.press("w")
    console.wait("state what", f"▸ running Deploy {release} to staging")
    console.press("Enter")
    console.wait(f"Deploy {release} to staging", "Output of")


def is_live(system: System, lab: Lab, release: str) -> None:
    """What the engine and the database say after a deploy of this release is what its row of the table says."""
    row = ROWS[release]
    assert row.live is not None
    assert system.live_digests() == lab.digests(row.live)
    assert system.database.revision() == row.revision
    assert tuple(system.database.migration_effects()) == row.effects
    assert system.healthy()
    assert not [one for one in system.containers() if one["oneoff"] == "True"], "a one-off container stays"
    assert not system.host.path("/opt/app/.quarterdeck/lock").exists(), "the lock stays"


def test_the_main_job_by_keys(lab: Lab, system: System, op1: Person, terminals: Emulator) -> None:
    """Deploy 1.1.0, leaving in the middle; 1.5.0, killed in the middle and undone; a rollback that is refused."""
    first = terminals.console(op1, 100, 30)
    first.wait("staging", "read-only", "keyring locked", "✓ healthy", "frontend-predi")
    first.wait("1 of 2", "✓  Backend answers", "·  Operators know the")
    first.wait("Backend up 1.0", "Requests", "/s ")
    first.wait("Application startup complete")
    system.login()
    first.wait("POST /api/login 200", seconds=20)
    assert processes_of(op1.operator), "the control: a console is seen"

    first.press("d")
    first.wait("staging is read-only. Press A to allow changes")
    first.press("K")
    unlock(first)
    first.press("A")
    first.wait("armed until")
    first.press("a")
    first.choose("deploy ")
    first.press("Enter")
    shown = plan(first, "1.1.0")
    confirm(first, "1.1.0")
    with held(system.database):
        first.wait("✓ done fetch 3 images", "▸ running ask the database for its revision")
        first.press("q")
        first.ended()
        assert op1.runners(), "the run goes on without a console"
        second = terminals.console(op1, 80, 24)
        open_run(second, "1.1.0")
    second.wait("▸ running migrate the database")
    second.wait("Deploy 1.1.0 to staging succeeded", "✓ done note that r2 is verified")
    is_live(system, lab, "1.1.0")
    (run,) = op1.runs()
    assert (run["state"], op1.shown(run["id"])["digest"] in shown) == ("succeeded", True), "what was shown is what ran"
    second.press("-")
    second.wait("state what", "succeeded Deploy 1.1.0")
    second.press("-")
    second.wait("staging ✓ healthy 1.1.0", "Services", "starting release 1.1.0")

    second.press("A")
    second.wait("armed until")
    second.press("d")
    plan(second, "1.5.0")
    confirm(second, "1.5.0", locked=True)
    with held(system.database):
        second.wait("▸ running ask the database for its revision")
        second.kill()
        assert op1.runners(), "the run goes on without its console"
        third = terminals.console(op1, 100, 30)
        open_run(third, "1.5.0")
    third.wait(
        "Deploy 1.5.0 to staging failed, undone", "Failed at smoke tests", "predict", "Undone. Now r2 (1.1.0) is live."
    )
    is_live(system, lab, "1.5.0")
    third.press("-")
    third.wait("failed, undone Deploy 1.5.0", "succeeded Deploy 1.1.0")
    third.press("-")
    third.wait("staging ✓ healthy 1.1.0", "Services")

    before = system.snapshot((".quarterdeck",))
    third.press("A")
    third.wait("armed until")
    third.press("b")
    third.wait("rollback in staging", "Empty: the verified release before")
    third.type("1.1.0")
    third.press("Enter")
    third.wait("Not possible: r2 (1.1.0) is live already.")
    assert system.snapshot((".quarterdeck",)) == before
    third.press("q")
    third.ended()

    assert [one["state"] for one in op1.runs()] == ["failed, undone", "succeeded"]
    until(lambda: not processes_of(op1.operator), 30, "processes stay behind")
    pictures = "".join(picture for screen in (first, second, third) for picture in screen.seen)
    assert "•" * len(PASSPHRASE) in pictures, "the control: the passphrase was typed"
    for never in ("Traceback", PASSPHRASE, SMOKE_PASSWORD):
        assert never not in pictures


def deployed(console: Screen, lab: Lab, system: System, release: str, locked: bool = False) -> None:
    """A deploy by keys, from the dashboard and back to it; its ending and the system are as its row says."""
    row = ROWS[release]
    console.press("d")
    plan(console, release)
    confirm(console, release, locked)
    console.wait(
        f"Deploy {release} to staging {row.ending}",
        *(text for text in row.says if text[0].isupper() or " " in text),
        seconds=120,
    )
    if row.live is None:
        assert system.database.revision() == row.revision
        assert tuple(system.database.migration_effects()) == row.effects
    else:
        is_live(system, lab, release)
    console.press("-")
    console.wait("staging", "Services")


def every_row_by_keys(lab: Lab, system: System, op1: Person, terminals: Emulator) -> None:
    """1.1.0, the rollback of it, and each way in which a deploy fails."""
    made = profile(lab, promised=True)
    op1.write(made)
    console = terminals.console(op1, 100, 30)
    console.wait("staging", "keyring locked", "✓ healthy")
    console.press("K")
    unlock(console)
    console.press("A")
    console.wait("armed until")
    console.press("d")
    plan(console, "1.0.0")
    confirm(console, "1.0.0")
    console.wait("Deploy 1.0.0 to staging succeeded")
    console.press("-")
    console.wait("staging", "Services")
    deployed(console, lab, system, "1.1.0")
    console.press("b")
    console.wait("rollback in staging", "Empty: the verified release before")
    console.press("Enter")
    console.wait("planned", "g Go on")
    console.press("g")
    console.wait("Type yes to run it")
    console.type("yes")
    console.press("Enter")
    console.wait("succeeded began", seconds=120)
    assert system.live_digests() == lab.digests("1.0.0")
    assert system.database.revision() == "a2", "a rollback leaves the schema"
    assert system.healthy()
    console.press("-")
    console.wait("staging", "Services")
    for release in ("1.1.0", "1.2.0", "1.5.0", "1.3.0", "1.4.0"):
        deployed(console, lab, system, release)
    console.press("q")
    console.ended()


if os.environ.get("QUARTERDECK_LAB_MOMENTS"):  # with the long sweeps: it takes four minutes
    test_every_row_by_keys = pytest.mark.timeout(600)(every_row_by_keys)
