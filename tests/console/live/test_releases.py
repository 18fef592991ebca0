"""Releases are read from any host that answers."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from console.hosts.base import HostUnreachable
from console.live import locked
from console.stacks.base import Live, LiveService
from console.stacks.release import Release

DIGEST = "x.example/y@sha256:" + "a" * 64


def release(number: int, **more: Any) -> Release:
    return Release(
        id=f"r{number}", environment="here", candidate=f"1.{number}", action="deploy", project="w",
        images={"web": DIGEST[:-1] + str(number)}, verified="2026-11-24T02:14:55Z", **more,
    )  # fmt: skip


class Told:
    """A session's ground with two hosts, whose answers are given."""

    def __init__(self, **hosts: tuple[tuple[Release, ...], str] | Exception) -> None:
        self.hosts, self.told = hosts, [""][1:]

    def bound(self, _: str) -> Any:
        config = SimpleNamespace(hosts=tuple(self.hosts), state_directory="/s", policy=SimpleNamespace(retain=5))
        names = {name: SimpleNamespace(name=name) for name in self.hosts}
        return SimpleNamespace(config=config, hosts=names, first_host=next(iter(names.values())), stack=self)

    def live(self, host: Any) -> Live:
        answer = self.hosts[host.name]
        assert not isinstance(answer, Exception)
        newest = next(one for one in answer[0] if one.id == answer[1])
        web = LiveService(service="web", image="", digest=newest.images["web"], state="running", release=newest.id)
        return Live(host=host.name, services=(web,))

    def read(self, host: Any, _: str) -> tuple[Release, ...]:
        answer = self.hosts[host.name]
        if isinstance(answer, Exception):
            raise answer
        return answer[0]

    def tell(self, text: str) -> None:
        self.told.append(text)


def releases_of(told: Told, monkeypatch: pytest.MonkeyPatch) -> dict[str, tuple[bool, str]]:
    monkeypatch.setattr("console.stacks.release.read_releases", told.read)
    ground: Any = told
    return {one.id: (one.live, one.can_go_back) for one in locked.releases(ground, "here")}


def test_a_first_host_that_does_not_answer_is_said_and_the_others_are_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    both = (release(1), release(2))
    told = Told(one=HostUnreachable("one", "one does not answer."), two=(both, "r2"))
    assert releases_of(told, monkeypatch) == {"r2": (True, "it is live"), "r1": (False, "")}
    assert told.told == ["Releases on one are not among them: one does not answer."]


def test_where_no_host_answers_its_error_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    told = Told(one=HostUnreachable("one", "gone"), two=HostUnreachable("two", "gone too"))
    with pytest.raises(HostUnreachable, match=r"gone$"):
        releases_of(told, monkeypatch)


def test_what_only_another_host_knows_is_listed_and_hosts_that_differ_are_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told = Told(one=((release(1),), "r1"), two=((release(1), release(2)), "r2"))
    assert releases_of(told, monkeypatch) == {"r2": (True, "it is live on two"), "r1": (True, "it is live on one")}
    assert told.told == []


def test_a_host_that_is_behind_does_not_make_its_own_release_live(monkeypatch: pytest.MonkeyPatch) -> None:
    newer = release(2, without=("two",))
    told = Told(one=((release(1), newer), "r2"), two=((release(1),), "r1"))
    assert releases_of(told, monkeypatch) == {"r2": (True, "it is live"), "r1": (False, "")}
    ground: Any = told
    assert [one.without for one in locked.releases(ground, "here")] == [("two",), ()]
    later = Told(one=((release(1), newer, release(3)), "r3"), two=((release(1), release(3)), "r3"))
    assert releases_of(later, monkeypatch)["r2"] == (False, "two never had it")
    level = newer.model_copy(update={"level": ("two",)})
    noted = Told(one=((release(1), level), "r2"), two=HostUnreachable("two", "gone"))
    monkeypatch.setattr("console.stacks.release.read_releases", noted.read)
    ground = noted
    assert [one.without for one in locked.releases(ground, "here")] == [(), ()]


def test_one_that_is_not_kept_is_not_refused_before_its_plan_looks_for_its_images(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    every = tuple(release(number) for number in range(1, 9))
    told = Told(one=(every, "r8"), two=(every, "r8"))
    monkeypatch.setattr("console.stacks.release.read_releases", told.read)
    ground: Any = told
    shown = {one.id: (one.can_go_back, one.doubt) for one in locked.releases(ground, "here")}
    assert shown["r7"] == ("", "")
    assert shown["r1"] == ("", "if its images are still there: they are kept no more")
    assert shown["r8"] == ("it is live", "")
