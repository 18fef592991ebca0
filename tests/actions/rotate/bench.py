"""One operator with a keyring, a profile, and runners that are real processes: what rotations are tried on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from actions.rotate import ACTION
from console.environment import bind
from console.live.keys import Keys
from console.runs.api import Plan
from console.runs.create import create_run, decide
from console.runs.model import RunView, fold
from console.runs.planning import Planned, make_plan
from console.store.database import Database
from console.store.places import Places
from console.store.records import Records
from console.text.redact import Redactor
from console.text.secret import Label, Secret
from profiles.loader import load_profile
from tests.console.runs.forked import Forked, server
from tests.console.runs.world import FAST, until

DOOR, KNOCK = (Path(__file__).with_name(name) for name in ("door.py", "knock.py"))


class Bench:
    """A state directory, a profile, a keyring."""

    def __init__(self, folder: Path, profile: Mapping[str, Any]) -> None:
        self.folder = folder
        self.state = folder / "state"
        self.places = Places(self.state, folder / "config")
        for place in (self.state, self.places.spools, self.places.logs):
            place.mkdir(mode=0o700, exist_ok=True)
        file = folder / "profile.yaml"
        file.write_text(json.dumps({**profile, "keyring": "demo"}))
        self.profile = load_profile(file)
        self.records = Records(Database(self.places.database))
        self.records.remember("profile:bench", self.profile.dumped())
        self.redactor = Redactor()

    @property
    def keys(self) -> Keys:
        """The keyring, looked at anew: the runner is another process."""
        return Keys(self.profile, self.places.keyring, self.redactor)

    def value(self, name: str, label: Label = "current") -> str | None:
        """A value of the keyring."""
        credentials = self.keys.credentials()
        return credentials.get(name, label).reveal() if credentials.has(name, label) else None

    def put(self, name: str, value: str, label: Label = "current") -> None:
        """Store one."""
        self.keys.credentials().set(name, Secret(value), label=label)

    def labels(self, name: str) -> list[str]:
        """Labels that have a value."""
        return sorted(self.keys.credentials().fingerprints(name))

    def planned(self, environment: str = "here", **params: Any) -> Planned:
        """Facts and plan, as the console makes them."""
        given = ACTION.params_type.model_validate(params)
        keys = self.keys
        bound = bind(self.profile, environment, secrets=keys.get, timing=FAST, fingerprints=keys.fingerprint)
        try:
            return make_plan(ACTION, bound, given, user="me@here", secret=keys.get)
        finally:
            bound.close()

    def create(self, environment: str = "here", **params: Any) -> str:
        """A confirmed run; its id."""
        planned = self.planned(environment, **params)
        assert isinstance(planned.plan, Plan), planned.refusal
        return create_run(
            self.records,
            system=self.profile.system,
            profile_key="profile:bench",
            plan=planned.plan,
            params=ACTION.params_type.model_validate(params),
            facts=planned.facts,
            draws=planned.draws,
            who="me@here",
            reason="a test",
        )

    def create_of(self, action: str, environment: str, **params: Any) -> str:
        """A confirmed run of another action."""
        from console.plugins import load

        keys, plugin = self.keys, load(action)
        bound = bind(self.profile, environment, secrets=keys.get, timing=FAST, fingerprints=keys.fingerprint)
        given = plugin.params_type.model_validate(params)
        try:
            planned = make_plan(plugin, bound, given, user="me@here", secret=keys.get)
        finally:
            bound.close()
        assert isinstance(planned.plan, Plan), planned.refusal
        return create_run(
            self.records, system=self.profile.system, profile_key="profile:bench", plan=planned.plan, params=given,
            facts=planned.facts, draws=planned.draws, who="me@here", reason="a test",
        )  # fmt: skip

    def carry(self, run: str, *dying: str) -> int:
        """A runner to its end; its exit code, negative for a signal."""
        return self.begin(run, *dying).wait()

    def begin(self, run: str, *dying: str) -> Forked:
        """A runner, not waited for."""
        return server().start([*dying, "--", "--run", run, "--state", str(self.state)], self.places.logs / f"{run}.log")

    def claims(self, run: str) -> tuple[str, ...]:
        """What it holds."""
        return tuple(self.view(run).body["plan"]["claims"])

    def asked(self, run: str, choice: str) -> int:
        """A runner that asks something, answered while it waits; its exit code."""
        runner = self.begin(run)
        until(lambda: bool(self.view(run).question) or self.view(run).state == "closed", "a question", 60)
        assert self.view(run).question, self.said(run)
        self.answer(run, choice)
        return runner.wait()

    def answer(self, run: str, choice: str) -> None:
        """A person's decision."""
        decide(self.records, run, choice, "me")  # type: ignore[arg-type]

    def view(self, run: str) -> RunView:
        """The run as its records say."""
        return fold(self.records.read(run))

    def said(self, run: str) -> str:
        """All that the run wrote here, for a failure's report."""
        spool = self.places.spool(run)
        text = spool.read_text("utf-8", "replace") if spool.exists() else ""
        log = self.places.logs / f"{run}.log"
        view = self.view(run)
        steps = "\n".join(f"{one.id}: {one.state} {one.evidence}" for one in view.steps.values())
        return f"{steps}\n{view.text}\n{text[-3000:]}\n{log.read_text() if log.exists() else ''}"

    def everything_written(self) -> bytes:
        """Every byte below the folder that is not the keyring itself."""
        found = b""
        for path in self.folder.rglob("*"):
            if path.is_file() and path.name not in ("accepted", "holds") and "keyring" not in path.name:
                found += path.read_bytes()
        return found


@contextmanager
def door(folder: Path, first: str) -> Iterator[int]:
    """The process that accepts `first`; its port."""
    (folder / "accepted").write_text(json.dumps([first]))
    process = subprocess.Popen(
        [sys.executable, str(DOOR), str(folder)], stdout=subprocess.PIPE, text=True, env=dict(os.environ)
    )
    assert process.stdout is not None
    try:
        yield int(process.stdout.readline())
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def accepted(folder: Path) -> list[str]:
    """What the door accepts now."""
    found: list[str] = json.loads((folder / "accepted").read_text())
    return found
