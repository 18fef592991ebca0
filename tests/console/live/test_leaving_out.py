"""Hosts left out in a form or at the command line: offered, checked, planned without, and written to the audit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from console.environment import Environment, bind
from console.live.door import asked
from console.live.plans import PlansDesk
from console.session import WITHOUT, AskFailed
from console.store.database import Database
from console.store.records import Records
from console.text.redact import Redactor
from console.timing import DEFAULT
from profiles.models import Profile


class Ground:
    """A session's ground with one environment of this machine, under as many names as there are hosts."""

    def __init__(self, folder: Path, *hosts: str) -> None:
        self.records = Records(Database(folder / "store.sqlite3"))
        self.redactor, self.keys, self.noted = Redactor(), self, dict[str, Any]()
        (folder / "app").mkdir()
        self.profile = Profile.model_validate(
            {
                "system": "world",
                "hosts": {name: {"local": True} for name in hosts},
                "environments": {
                    "here": {
                        "hosts": list(hosts),
                        "directory": str(folder / "app"),
                        "stack": {
                            "kind": "compose",
                            "project": "w",
                            "files": ["compose.yml"],
                            "services": {"web": {"health": "none"}},
                            "images": {"web": "x.example/y:{release}"},
                        },
                        "commands": {"look": {"title": "Look", "argv": ["true"], "danger": "reads"}},
                    }
                },
            }
        )
        self.environment = bind(self.profile, "here", secrets=self.get, timing=DEFAULT)

    def bound(self, _: str) -> Environment:
        return self.environment

    def get(self, name: str) -> str:
        raise KeyError(name)

    def who(self) -> str:
        return "ann@desk"

    def remember_profile(self) -> str:
        return "profile:x"

    def record(self, kind: str, body: dict[str, Any]) -> None:
        self.noted[kind] = body

    def spawn(self, run: str) -> None:
        self.noted["spawned"] = run


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Any]:
    grounds: list[Ground] = []

    def make(*hosts: str) -> tuple[PlansDesk, Ground]:
        ground: Any = Ground(tmp_path, *hosts)
        grounds.append(ground)
        return PlansDesk(ground, ground), ground

    yield make
    for ground in grounds:
        ground.environment.close()
        ground.records.database.close()


def test_the_form_offers_the_hosts_where_there_are_several(made: Any) -> None:
    desk, _ = made("one", "two")
    fields = desk.form("command", "here")
    assert [field.name for field in fields] == ["name", WITHOUT]
    assert [name for name, _ in fields[-1].choices] == ["one", "two"] and not fields[-1].required


def test_the_form_of_one_host_offers_none(made: Any) -> None:
    desk, _ = made("one")
    assert [field.name for field in desk.form("command", "here")] == ["name"]


def test_a_plan_without_a_host_is_shown_and_audited_as_such(made: Any) -> None:
    desk, ground = made("one", "two")
    whole = desk.plan("command", "here", {"name": "look", WITHOUT: ""})
    assert whole.without == () and {step.host for step in whole.steps} == {"one", "two"}
    plan = desk.plan("command", "here", {"name": "look", WITHOUT: "two"})
    assert plan.without == ("two",) and [step.host for step in plan.steps] == ["one"]
    assert plan.blocks[0].title == "Left out" and "although it answers" in plan.blocks[0].text
    assert plan.digest != whole.digest and plan.params == {"name": "look"}
    run = desk.start(plan, "two is being mended")
    assert ground.noted["spawned"] == run
    assert ground.noted["asked.run"]["without"] == ["two"]
    body = ground.records.read(run)[0].body
    assert body is not None and body["plan"]["without"] == ["two"] and body["plan"]["hosts"] == ["one"]
    desk.keep(plan)
    since = desk.since(plan.digest, whole).splitlines()
    assert "-hosts one" in since and "+hosts one, two" in since


@pytest.mark.parametrize(
    ("names", "said"),
    [("tow", "Did you mean two?"), ("one, two", "All hosts of here"), ("two,three", "has no host 'three'")],
)
def test_names_that_cannot_be_left_out_are_wrong_words(made: Any, names: str, said: str) -> None:
    desk, _ = made("one", "two")
    with pytest.raises(AskFailed) as caught, asked():
        desk.plan("command", "here", {"name": "look", WITHOUT: names})
    assert said in str(caught.value) and caught.value.exit_code == 2
