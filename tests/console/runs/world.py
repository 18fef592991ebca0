"""One environment on this machine, a state directory, the plug-in `tally`, and the runner as a real process."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from console.environment import Environment, bind
from console.runs.api import Plan
from console.runs.client import Runs
from console.runs.create import create_run
from console.runs.journal import chain_there, take_in
from console.runs.model import RunView, fold
from console.runs.planning import make_plan
from console.runs.program import words_of
from console.store.database import Database
from console.store.places import Places
from console.store.records import Records
from console.timing import DEFAULT
from profiles.models import Profile
from tests.console.runs.forked import Forked, server
from tests.console.runs.tally import ACTION

if TYPE_CHECKING:
    import pytest  # not for the servers, which import this too

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
FAST = DEFAULT.scaled(0.1)
PATIENT = dataclasses.replace(
    FAST, **{name: getattr(DEFAULT, name) for name in ("connect_s", "auth_s", "channel_s", "read_s", "gate_wait_s")}
)
"""Waits a tenth, deadlines whole: on a machine with much to do a deadline says nothing."""
CARRIED_S = 150.0
"""A runner that is carried has ended by then, also on a machine with much to do."""
METADATA = "Metadata-Version: 2.1\nName: tally\nVersion: 1.0\n"
ENTRY_POINTS = "[quarterdeck.actions]\ntally = tests.console.runs.tally:ACTION\n"


class World:
    """One operator's state directory and the environment `here`, whose host is this machine."""

    def __init__(
        self,
        folder: Path,
        *,
        state: str = "state",
        timing: Any = FAST,
        hosts: Mapping[str, Any] | None = None,
        directory: str | None = None,
    ) -> None:
        """`hosts`, `directory`: of a profile whose environment is not in `folder` on this machine."""
        self.folder = folder
        self.app = folder / "app"
        if directory is None:
            self.app.mkdir(exist_ok=True)
        self.state = folder / state
        self.places = Places(self.state, folder / "config")
        for place in (self.state, self.places.spools, self.places.logs):
            place.mkdir(mode=0o700, exist_ok=True)
        install_plugin(folder / "plugin")
        self.records = Records(Database(self.places.database))
        self.runs = Runs(self.records, self.places)
        self.profile = Profile.model_validate(
            {
                "system": "world",
                "keyring": "sealed",
                "hosts": hosts or {"one": {"local": True}},
                "environments": {
                    "here": {
                        "hosts": list(hosts or ("one",)),
                        "directory": directory or str(self.app),
                        "stack": {
                            "kind": "compose",
                            "project": "w",
                            "files": ["compose.yml"],
                            "services": {"web": {"health": "none"}},
                            "images": {"web": "x.example/y:{release}"},
                        },
                    }
                },
            }
        )
        self.records.remember("profile:world", self.profile.dumped())
        self.timing = timing
        self.begun: list[Forked] = []
        """Every runner of it so far."""

    @contextmanager
    def environment(self) -> Iterator[Environment]:
        """The environment, bound."""
        bound = bind(self.profile, "here", secrets=_no_secret, timing=self.timing)
        try:
            yield bound
        finally:
            bound.close()

    def create(self, *kinds: str, reason: str = "a test", who: str = "me@here", **params: Any) -> str:
        """Plan and record a run of `tally`; its id."""
        given = ACTION.params_type.model_validate({"kinds": kinds, **params})
        with self.environment() as environment:
            planned = make_plan(ACTION, environment, given, user=who, secret=_no_secret)
        assert isinstance(planned.plan, Plan), planned.refusal
        return create_run(
            self.records,
            system="world",
            profile_key="profile:world",
            plan=planned.plan,
            params=given,
            facts=planned.facts,
            draws=planned.draws,
            who=who,
            reason=reason,
        )

    def runner(self, run: str, *extra: str) -> Forked:
        """Start the runner of a run; `extra`: how it is to die."""
        words = [*extra, "--", *words_of(run, self.state)]
        self.begun.append(server().start(words, self.places.logs / f"{run}.log", self.folder / "plugin"))
        return self.begun[-1]

    def carry(self, run: str, *extra: str, timeout: float = CARRIED_S) -> int:
        """Run the runner to its end; its exit code."""
        child = self.runner(run, *extra)
        try:
            return child.wait(timeout)
        finally:
            if child.poll() is None:
                child.kill()
                child.wait()

    def close(self) -> None:
        """No runner of a test outlives it."""
        for child in self.begun:
            child.kill()
        self.records.database.close()

    def view(self, run: str) -> RunView:
        """The run as its records say."""
        return fold(self.records.read(run))

    def kinds(self, run: str) -> list[str]:
        """The kinds of its records in order."""
        return [record.kind for record in self.records.read(run)]

    def effects(self) -> list[str]:
        """What the effects did, counted by the target."""
        try:
            return (self.app / "effects").read_text().splitlines()
        except FileNotFoundError:
            return []

    def made(self) -> list[str]:
        """What the effects left behind now."""
        return sorted(path.name.removeprefix("made.") for path in self.app.glob("made.*"))

    def locked(self) -> bool:
        """Whether the environment's lock is there."""
        return (self.app / ".quarterdeck" / "lock").exists()

    def log(self, run: str) -> str:
        """What the runner itself said."""
        return (self.places.logs / f"{run}.log").read_text()


def forked_runners(world: World, patch: pytest.MonkeyPatch) -> None:
    """Runners that the console or `wake` starts without a key are forks too. How they start is test_launch's."""

    def launched(runs: Runs, run: str, start: object, log: Path, key: object, profile: str | None) -> Forked:
        assert key is None
        words = ["--", *words_of(run, runs.places.state, profile=profile)]
        world.begun.append(server().start(words, log, world.folder / "plugin"))
        return world.begun[-1]

    patch.setattr(Runs, "_launched", launched)


def install_plugin(folder: Path) -> None:
    """Put the distribution that registers `tally` into a folder, as pip would."""
    info = folder / "tally-1.0.dist-info"
    info.mkdir(parents=True, exist_ok=True)
    (info / "METADATA").write_text(METADATA)
    (info / "entry_points.txt").write_text(ENTRY_POINTS)


def _no_secret(name: str) -> str:
    raise KeyError(name)


def fetch(records: Records, run: str, environment: Environment, hosts: Sequence[str]) -> int:
    """Take into a store what the hosts know of a run; how many records were new."""
    return take_in(records, chain_there(run, environment, hosts, records.last(run)).chain)


def until(test: Callable[[], bool], what: str, timeout: float = 20.0) -> None:
    """Poll until `test` holds. Fails with `what` was waited for."""
    ends = time.monotonic() + timeout
    while not test():
        assert time.monotonic() < ends, f"waited {timeout:g} s for {what}"
        time.sleep(0.02)
