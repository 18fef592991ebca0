"""Two hosts of one environment, with real processes on both: one is left out, is behind, and is brought level.

Both are this machine; what lies in the deploy directory lies in a directory of its own on each.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from actions.deploy import ACTION as DEPLOY
from actions.level import ACTION as LEVEL
from actions.rollback import ACTION as ROLLBACK
from actions.site import Site
from console.environment import Environment
from console.hosts.base import Guard, Host, Result
from console.hosts.command import Command
from console.hosts.scripted import ScriptedHost
from console.runs import left_out
from console.runs.create import create_run
from console.runs.engine import Engine, Tools
from console.runs.handlers import HANDLERS
from console.runs.model import RunView, fold
from console.runs.planning import Planned, make_plan, parameters
from console.runs.spool import Spool
from console.stacks.behind import behind
from console.store.database import Database
from console.store.records import Records
from console.text.redact import Redactor
from profiles.models import Profile
from tests.console.runs.test_hosts import Rooted
from tests.console.runs.world import FAST

START = """\
[ ! -e "$2/sick" ] || exit 3
exec {python} -m http.server "$1" --bind 127.0.0.1 --directory "$3"
"""
ACTIONS: Mapping[str, Any] = {"deploy": DEPLOY, "level": LEVEL, "rollback": ROLLBACK}


class Elsewhere(Rooted):
    """Also the words of commands name the host's own directory."""

    def _moved(self, command: Command) -> Command:
        argv = tuple(self._there(word) for word in command.argv)
        return command.model_copy(update={"argv": argv, "cwd": self._there(command.cwd) if command.cwd else None})

    def run(self, command: Command, **more: Any) -> Result:
        return super().run(self._moved(command), **more)

    def guarded(self, command: Command, guard: Guard, **more: Any) -> Result:
        return super().guarded(self._moved(command), guard, **more)

    def attach(self, command: Command, guard: Guard, **more: Any) -> Result:
        return super().attach(self._moved(command), guard, **more)


class Hosts(Mapping[str, Host]):
    """Both, each behind a script of faults."""

    def __init__(self, app: Path) -> None:
        self.scripted = {name: ScriptedHost(name, under=Elsewhere(name, app)) for name in ("one", "two")}

    def __getitem__(self, name: str) -> Host:
        return self.scripted[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.scripted)

    def __len__(self) -> int:
        return len(self.scripted)


class Pair:
    """The environment, a store, and an engine in this process."""

    def __init__(self, folder: Path) -> None:
        self.folder, app = folder, folder / "app"
        self.records = Records(Database(folder / "store.sqlite3"))
        self.hosts = Hosts(app)
        for release in ("1.0.0", "1.1.0", "1.2.0"):
            place = folder / "releases" / release
            place.mkdir(parents=True)
            (place / "start").write_text(START.format(python=sys.executable))
        first = 18_100 + os.getpid() % 400 * 20  # no other test session takes them meanwhile
        words = ["sh", "{artifacts}/start", "{port}", "{directory}", "{artifacts}"]
        self.profile = Profile.model_validate(
            {
                "system": "pair",
                "hosts": {name: {"local": True} for name in self.hosts},
                "environments": {
                    "here": {
                        "hosts": list(self.hosts),
                        "directory": str(app),
                        "stack": {
                            "kind": "process",
                            "artifacts": f"{folder}/releases/{{release}}",
                            "services": {
                                "web": {
                                    "command": words,
                                    "health": {"kind": "http", "path": "/start"},
                                    "deadline": "10s",
                                }
                            },
                            "ports": {"first": first, "last": first + 19},
                        },
                    }
                },
            }
        )

    def bound(self) -> Environment:
        hosts: Any = self.hosts
        return Environment(self.profile, self.profile.environments["here"], hosts, str, FAST)

    def planned(self, name: str, *without: str, **values: str) -> Planned:
        action = ACTIONS[name]
        given = parameters(action, values)
        return make_plan(action, left_out.without(self.bound(), without), given, user="ann@desk", secret=str)

    def do(self, name: str, *without: str, **values: str) -> RunView:
        """Plan it, run it to its end; the run."""
        planned = self.planned(name, *without, **values)
        assert planned.plan is not None, planned.refusal
        run = create_run(
            self.records,
            system="pair",
            profile_key="profile:pair",
            plan=planned.plan,
            params=parameters(ACTIONS[name], values),
            facts=planned.facts,
            draws=planned.draws,
            who="ann@desk",
            reason="",
        )
        spool, redactor = Spool(self.folder / f"{run}.log", Redactor()), Redactor()
        handlers = {**HANDLERS, **DEPLOY.ops}
        Engine(
            run, Tools(self.records, self.bound(), ACTIONS[name], handlers, redactor, spool, str, "ann@desk")
        ).execute()
        return fold(self.records.read(run))

    def pid(self, host: str) -> str:
        """Who serves on a host."""
        return (self.folder / host / "process" / "web" / "pid").read_text().split()[0]

    def live(self, host: str) -> str:
        """What is live on a host, as its processes say."""
        try:
            os.kill(int(self.pid(host)), 0)
            return (self.folder / host / "process" / "web" / "release").read_text().strip()
        except (FileNotFoundError, ProcessLookupError):
            return ""

    def behind(self) -> dict[str, str | None]:
        """Hosts that are behind, as those that answer say, and what each has."""
        grounds = [self.bound().stack.ground(host) for host in self.hosts.scripted.values() if not host.down]
        records = {ground.host: ground.releases for ground in grounds}
        found = behind(self.hosts, records, {ground.host: ground.live.release for ground in grounds})
        return {one.host: one.has for one in found}


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    made = Pair(tmp_path)
    yield made
    for name in made.hosts:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            os.kill(int(made.pid(name)), signal.SIGKILL)
    made.records.database.close()


def test_left_out_behind_then_level(pair: Pair) -> None:
    assert pair.do("deploy", candidate="1.0.0").ending == "succeeded"
    assert [pair.live("one"), pair.live("two")] == ["1.0.0", "1.0.0"]
    two = pair.hosts.scripted["two"]
    two.down = True
    refused = pair.planned("deploy", candidate="1.1.0")
    assert refused.refusal is not None and refused.refusal.unreachable
    assert refused.refusal.ways_out == ("leave it out by name: --without two",)
    assert pair.do("deploy", "two", candidate="1.1.0").ending == "succeeded"
    assert [pair.live("one"), pair.live("two")] == ["1.1.0", "1.0.0"]
    assert pair.behind() == {"two": None}, "it was not seen since"

    two.down = False
    assert pair.behind() == {"two": "r1"}
    before = pair.pid("one")
    (pair.folder / "two" / "sick").touch()
    failed = pair.do("level")
    assert failed.ending == "failed-undone" and "Now two: r1 (1.0.0) is live" in failed.text
    assert pair.live("two") == "1.0.0" and pair.behind() == {"two": "r1"}
    assert ROLLBACK.plan(pair_facts(pair), parameters(ROLLBACK, {"to": "r2"})).kind == "refusal", "two never had it"

    (pair.folder / "two" / "sick").unlink()
    assert pair.do("level").ending == "succeeded"
    assert [pair.live("one"), pair.live("two")] == ["1.1.0", "1.1.0"] and pair.pid("one") == before
    assert pair.behind() == {}
    two.down = True
    assert pair.behind() == {}, "the others know that it has it"


def pair_facts(pair: Pair) -> Any:
    planned = pair.planned("rollback", to="r1")
    site: Site = planned.facts.site  # type: ignore[union-attr] - those of a rollback
    assert [one.host for one in site.behind] == ["two"]
    return planned.facts
