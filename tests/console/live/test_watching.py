"""The thread that looks at the runs of the store: what it tells, and what it does when nothing has changed."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from console.live import masked, watching
from console.live.session import LiveSession
from console.live.watching import Watching
from console.text.redact import Redactor
from console.text.secret import Secret
from console.watch.views import ChecklistView, EnvironmentView, RunLine, ServiceView, SystemView
from tests.console.live.ears import Ears
from tests.console.runs.world import World

OURS = "20261124T021455-deploy-staging-3fa9c1"


def line(**more: Any) -> RunLine:
    given: dict[str, Any] = {"state": "interrupted", "tone": "warn", "title": "Deploy 1.5.0 with hunter2-hunter2"}
    return RunLine(OURS, "deploy", "staging", **{"who": "me@here", "started": 1.0, "took_s": 2.0, **given, **more})


class Runs:
    """What the store has; counts how often it was asked."""

    def __init__(self, *lines: RunLine) -> None:
        self.lines, self.asked = lines, 0

    def here(self) -> tuple[RunLine, ...]:
        self.asked += 1
        return self.lines


class Watched:
    """The one thread of a watch."""

    def __init__(self, runs: Runs, redactor: Redactor, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(watching, "RUNS_S", 0.01)
        self.ears, self.runs = Ears(), runs
        given: Any = runs
        self.watching = Watching(self.ears, given, given, redactor, SystemView("s", "S", ()), {}, dict)
        self.watching._begin(self.watching._watch_runs, (), "runs")

    def again(self) -> None:
        """The store was looked at twice more."""
        wanted = self.runs.asked + 2
        self.ears.until(lambda: self.runs.asked >= wanted, "another look")


def test_a_run_that_was_left_behind_is_the_dashboards_to_offer_and_no_toast(monkeypatch: pytest.MonkeyPatch) -> None:
    watched = Watched(Runs(line()), Redactor(), monkeypatch)
    watched.ears.until(lambda: bool(watched.ears.run_lines), "the runs")
    watched.again()
    assert watched.ears.events == [] and watched.ears.run_lines[0].state == "interrupted"
    watched.runs.lines = (line(state="succeeded", tone="ok"),)  # control: what changes while it is watched is told
    watched.ears.until(lambda: bool(watched.ears.events), "the news")
    assert "succeeded" in watched.ears.events[0].text
    watched.watching.stop()


def test_lines_that_stay_the_same_are_masked_once_until_a_secret_is_learned(monkeypatch: pytest.MonkeyPatch) -> None:
    redactor = Redactor()
    calls: list[float] = []
    text = redactor.text
    monkeypatch.setattr(redactor, "text", lambda said: calls.append(time.monotonic()) or text(said))
    watched = Watched(Runs(line()), redactor, monkeypatch)
    watched.ears.until(lambda: bool(watched.ears.run_lines), "the runs")
    counted = len(calls)
    watched.again()
    assert counted > 0 and len(calls) == counted
    assert "hunter2-hunter2" in watched.ears.run_lines[0].title  # nobody knows yet that it is one
    redactor.add("canary", Secret("hunter2-hunter2"))
    watched.ears.until(lambda: "<redacted:canary>" in watched.ears.run_lines[0].title, "the mask")
    watched.watching.stop()


def test_what_was_seen_is_kept_before_threads_are_waited_for(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever hung up does not wait: a process that is ended meanwhile has kept it."""
    session = LiveSession(None)
    session.ground._places, session.ground._records = world.places, world.records
    kept: list[Any] = []

    class Slow:
        def seen(self) -> SystemView:
            return SystemView("s", "S", (EnvironmentView("staging", "Staging", False, "blue", at=5.0),))

        def stop(self) -> None:
            kept.append(world.records.remembered(session._view_key()))

    slow: Any = Slow()
    session._watching = slow
    session.close()
    assert kept[0]["environments"][0]["at"] == 5.0


def test_only_what_is_new_is_masked() -> None:
    redactor = Redactor()
    redactor.add("canary", Secret("hunter2-hunter2"))
    once: masked.MaskedOnce[RunLine] = masked.MaskedOnce(redactor)
    first = once.all([line()])
    assert "<redacted:canary>" in first[0].title
    second = once.all([line(), line(took_s=3.0)])
    assert second[0] is first[0] and second[1].took_s == 3.0 and "<redacted:canary>" in second[1].title


def test_a_keyring_that_waits_for_a_person_holds_up_no_view_of_an_environment() -> None:
    waiting, ears, given = threading.Event(), Ears(), Runs()
    nobody: Any = given
    asked: list[str] = []

    def due(name: str) -> tuple[str, ...]:
        asked.append(name)
        waiting.wait(10)
        return ("jwt is due.",)

    view = EnvironmentView("staging", "Staging", False, "blue", at=5.0)
    watching = Watching(ears, nobody, nobody, Redactor(), SystemView("s", "S", (view,)), {}, dict, due=due)
    watching._environments = {"staging": nobody}
    thread = threading.Thread(target=watching._watch_credentials, daemon=True)
    thread.start()
    publish = watching._environment_of(threading.Event())
    ears.until(lambda: asked == ["staging"], "the question")
    publish(view)
    assert ears.environments["staging"].due == ()
    waiting.set()
    ears.until(lambda: publish(view) is None and ears.environments["staging"].due == ("jwt is due.",), "what is due")
    watching.credentials_changed()
    ears.until(lambda: len(asked) == 2, "another question")
    watching.stop()
    thread.join(5)
    assert not thread.is_alive()


def test_a_checklist_is_looked_at_again_at_once_when_something_else_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "VERIFY_S", 60.0)
    verified: list[float] = []

    class Desk:
        def view(self, environment: Any) -> ChecklistView:
            return ChecklistView(items=(), at=1.0)

        def verify_all(self, environment: Any, stop: threading.Event) -> None:
            verified.append(time.monotonic())

    ears, desk, nobody = Ears(), Desk(), Runs()
    given: Any = (desk, nobody)
    view = EnvironmentView("staging", "Staging", False, "blue", state="ok", at=5.0)
    service = ServiceView("backend", "here", "ok", "healthy", "1.4.2", "", "")
    watch = Watching(ears, *given, Redactor(), SystemView("s", "S", (view,)), {}, dict)
    stop, check = threading.Event(), threading.Event()
    here: Any = view
    watch._begin(watch._watch_checklist, (here, stop, check), "checklist")
    publish = watch._environment_of(stop, check.set)
    ears.until(lambda: len(verified) == 1, "the first look")
    for _ in range(3):  # control: the same again is no reason
        publish(view._replace(services=(service,)))
    time.sleep(0.2)
    assert len(verified) == 1
    publish(view._replace(state="bad", services=(service._replace(state="bad", word="unhealthy"),)))
    ears.until(lambda: len(verified) == 2, "another look")
    stop.set()
    check.set()
    watch.stop()
    assert not any(thread.is_alive() for thread in watch._storing)
