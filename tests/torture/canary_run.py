"""One real run, with a runner of its own, whose steps print, say, return and raise a secret; and all that it left."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

from console.text.redact import Redactor
from console.text.secret import Secret
from tests.console.text.test_redact import encodings

ROOT = Path(__file__).parents[2]
SECRET = "canary-Zq8vR4xKd/+7!w"
PASSPHRASE = "a passphrase of nobody"
REDACTOR_OFF = "from tests.torture.unguarded import without_redactor\nwithout_redactor()\n"


@dataclass
class RunFigures:
    """Where the secret of a real run was found."""

    places: int = 0
    """Files and answers that were looked through."""
    leaks: list[str] = field(default_factory=list)
    kept_raw: list[str] = field(default_factory=list)
    """On the host: what commands themselves printed, which is kept there as it was, for its owner only."""


def a_run(folder: Path, *, guarded: bool = True) -> RunFigures:
    """A run of `tests.torture.leaky` with a real runner, and a look at all that it left here and on its host."""
    from console.credentials.sealed_file import Kdf
    from console.live.keys import Keys
    from console.runs.create import create_run, decide
    from console.runs.planning import make_plan
    from console.runs.spool import read
    from profiles.models import Profile
    from tests.console.runs.world import METADATA, World, until
    from tests.lab.leaks import watched_processes
    from tests.torture.leaky import ACTION, LeakyParams

    world = World(folder)
    info = folder / "plugin" / "leaky-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(METADATA.replace("tally", "leaky"))
    (info / "entry_points.txt").write_text("[quarterdeck.actions]\nleaky = tests.torture.leaky:ACTION\n")
    if not guarded:
        (folder / "plugin" / "sitecustomize.py").write_text(REDACTOR_OFF)
    body = world.profile.model_dump(mode="json", exclude_none=True)
    body["credentials"] = {"canary": {"kind": "registry"}}
    stack = body["environments"]["here"]["stack"]
    stack["registry"] = {"host": "r.example", "username": "ci", "password": {"secret": "canary"}}
    profile = Profile.model_validate(body)
    world.records.remember("profile:leaky", profile.dumped())
    keys = Keys(profile, world.places.keyring, Redactor())
    ring = keys._sealed()
    assert ring is not None
    ring.create(Secret(PASSPHRASE), Kdf(passes=1, memory_kib=64, lanes=1))
    keys.credentials().set("canary", Secret(SECRET))
    with world.environment() as environment:
        planned = make_plan(ACTION, environment, LeakyParams(), user="me@here", secret=keys.get)
    assert planned.plan is not None, planned.refusal
    run = create_run(
        world.records, system="world", profile_key="profile:leaky", plan=planned.plan, params=LeakyParams(),
        facts=planned.facts, draws=planned.draws, who="me@here", reason="a test",
    )  # fmt: skip
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = f"{ROOT}:{folder / 'plugin'}"
    try:
        with mock.patch("console.runs.client.START_S", 90.0), watched_processes([SECRET]) as in_processes:
            world.runs.start_runner(run, keys.session_key())
            until(lambda: bool(world.view(run).question), "its question about the step that raised", 90)
            decide(world.records, run, "leave", "me@here")
            until(lambda: world.view(run).state == "closed" and world.runs.leases.holder(run) is None, "its end", 90)
    finally:
        os.environ.pop("PYTHONPATH") if before is None else os.environ.update(PYTHONPATH=before)
    said = b"".join(chunk.data for chunk in read(world.places.spool(run)))
    assert b"END OF THE LEAKS" in said, f"the steps did not run: {world.view(run).text}\n{world.log(run)}"
    found = RunFigures(leaks=[f"process: {one}" for one in in_processes], places=1)
    forms = [form for how, form in encodings(SECRET).items() if how != "url lower"]
    for path in sorted(folder.rglob("*")):
        if path.is_file() and "keyring" not in path.parts and "plugin" not in path.parts:
            found.places += 1
            data = path.read_bytes()
            if any(form in data for form in forms):
                raw = path.name == "out" and "steps" in path.parts and not path.stat().st_mode & 0o077
                (found.kept_raw if raw else found.leaks).append(str(path.relative_to(folder)))
    world.records.database.close()
    return found
