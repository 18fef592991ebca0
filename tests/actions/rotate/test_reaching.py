"""Grafana, GitHub and a webhook, against stand-ins: the order of things, undo by value, what is asked of a person."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from console.runs.api import Plan, Refusal
from tests.actions.rotate.bench import Bench
from tests.actions.rotate.stand_ins import TOKEN, StandIn, stand_in
from tests.console.runs.world import until

KILLED = -signal.SIGKILL
OLD = "grafana-password-of-old-77aa"


@pytest.fixture
def there() -> Iterator[StandIn]:
    with stand_in() as one:
        yield one


def bench(folder: Path, rotations: dict[str, Any]) -> Bench:
    (folder / "app").mkdir()
    names = ("grafana", "key", "hook", "github-token")
    return Bench(
        folder,
        {
            "system": "bench",
            "hosts": {"one": {"local": True}},
            "credentials": {name: {} for name in names},
            "environments": {
                "here": {
                    "hosts": ["one"],
                    "directory": str(folder / "app"),
                    "stack": {"kind": "compose", "project": "w", "files": ["compose.yml"],
                              "services": {"web": {"health": "none"}}},
                    "rotations": rotations,
                }
            },
        },
    )  # fmt: skip


def github(there: StandIn, name: str, **more: Any) -> dict[str, Any]:
    return {"repository": "team/app", "name": name, "token": {"secret": "github-token"}, "api": there.url, **more}


def grafana(folder: Path, there: StandIn) -> Bench:
    rotation = {
        "kind": "grafana",
        "credential": {"secret": "grafana"},
        "url": there.url,
        "consumers": {
            "ci": {"github": github(there, "GRAFANA_ADMIN_PASSWORD", workflow="prove.yml")},
            "copy": {"file": str(folder / "app" / "grafana-password")},
        },
    }
    made = bench(folder, {"grafana": rotation})
    made.put("grafana", OLD)
    made.put("github-token", TOKEN)
    return made


def test_grafana_with_a_secret_of_github_and_a_file(tmp_path: Path, there: StandIn) -> None:
    one = grafana(tmp_path, there)
    there.stale = 1
    run = one.create(credential="grafana")
    assert one.carry(run) == 0, one.said(run)
    new = one.value("grafana")
    assert new and new != OLD and there.grafana == {"admin": new}
    assert there.secrets == {"GRAFANA_ADMIN_PASSWORD": new}
    copy = tmp_path / "app" / "grafana-password"
    assert copy.read_text() == new and copy.stat().st_mode & 0o777 == 0o600
    assert there.wrong_logins <= 4, "Grafana locks an account after five wrong passwords"
    assert len(there.runs) == 1
    copy.unlink()
    written = one.everything_written()
    assert OLD.encode() not in written and new.encode() not in written and TOKEN.encode() not in written


def test_grafana_is_taken_back_where_the_workflow_fails(tmp_path: Path, there: StandIn) -> None:
    one = grafana(tmp_path, there)
    there.conclusion = "failure"
    run = one.create(credential="grafana")
    assert one.carry(run) == 1, one.said(run)
    assert there.grafana == {"admin": OLD} and there.secrets == {"GRAFANA_ADMIN_PASSWORD": OLD}
    assert one.value("grafana") == OLD and one.labels("grafana") == ["current"]
    assert "workflow.ci" in one.view(run).steps and "ended: failure" in one.view(run).steps["workflow.ci"].failure


def test_which_run_of_two_is_ours_is_not_guessed(tmp_path: Path, there: StandIn) -> None:
    one = grafana(tmp_path, there)
    there.others = ("another-branch",)
    assert one.carry(run := one.create(credential="grafana")) == 0, one.said(run)
    there.others = ("main",)
    run = one.create(credential="grafana")
    runner = one.begin(run)
    until(lambda: bool(one.view(run).question) or one.view(run).state == "closed", "a question", 60)
    assert "does not say which one is ours" in one.said(run)
    one.answer(run, "undo")
    runner.wait(60)


def test_grafana_killed_between_the_change_and_its_record(tmp_path: Path, there: StandIn) -> None:
    one = grafana(tmp_path, there)
    run = one.create(credential="grafana")
    assert one.carry(run, "--die", "before", "step.done", "accept") == KILLED
    pending = one.value("grafana", "pending")
    assert there.grafana == {"admin": pending}
    assert one.carry(run) == 0, one.said(run)
    assert one.value("grafana") == pending


def test_a_value_that_only_github_holds(tmp_path: Path, there: StandIn) -> None:
    rotation = {
        "kind": "github",
        "credential": {"secret": "key"},
        "consumers": {
            "repo": {"github": github(there, "DEPLOY_TOKEN")},
            "env": {"github": github(there, "DEPLOY_TOKEN_ENV", environment="staging")},
        },
    }
    one = bench(tmp_path, {"key": rotation})
    one.put("key", "value-of-before-8c")
    one.put("github-token", TOKEN)
    run = one.create(credential="key")
    assert one.carry(run) == 0, one.said(run)
    assert there.secrets == {"DEPLOY_TOKEN": one.value("key"), "DEPLOY_TOKEN_ENV": one.value("key")}


def webhook(folder: Path, there: StandIn) -> Bench:
    rotation = {
        "kind": "webhook",
        "credential": {"secret": "hook"},
        "made_at": "In the app's settings, under Incoming Webhooks.",
        "consumers": {"alerts": {"file": str(folder / "app" / "address")}},
    }
    made = bench(folder, {"hook": rotation})
    there.hooks = {"/services/old-word-4411"}
    made.put("hook", f"{there.url}/services/old-word-4411")
    return made


def test_a_webhook_is_made_and_revoked_by_a_person(tmp_path: Path, there: StandIn) -> None:
    one = webhook(tmp_path, there)
    planned = one.planned(credential="hook")
    assert isinstance(planned.refusal, Refusal) and "A person makes the new value" in planned.refusal.reason
    assert "credentials set hook --label pending" in planned.refusal.ways_out[0]
    there.hooks.add("/services/new-word-9922")
    one.put("hook", f"{there.url}/services/new-word-9922", "pending")
    plan = one.planned(credential="hook", ask=False).plan
    assert isinstance(plan, Plan) and any("Incoming Webhooks" in step.asks for step in plan.steps), "it always asks"
    run = one.create(credential="hook", ask=False)
    runner = one.begin(run)
    until(lambda: bool(one.view(run).question), "the question", 60)
    assert (tmp_path / "app" / "address").read_text().endswith("new-word-9922")
    there.hooks.discard("/services/old-word-4411")
    one.answer(run, "resume")
    assert runner.wait() == 0, one.said(run)
    assert str(one.value("hook")).endswith("new-word-9922") and str(one.value("hook", "retired")).endswith("4411")
    assert {path for path, _ in there.posted} == {"/services/old-word-4411", "/services/new-word-9922"}


def test_a_webhook_that_was_not_revoked_asks_again_and_is_undone(tmp_path: Path, there: StandIn) -> None:
    one = webhook(tmp_path, there)
    there.hooks.add("/services/new-word-9922")
    one.put("hook", f"{there.url}/services/new-word-9922", "pending")
    run = one.create(credential="hook")
    runner = one.begin(run)
    until(lambda: bool(one.view(run).question), "the question", 60)
    one.answer(run, "resume")
    until(lambda: "It failed" in one.view(run).question, "the second question", 60)
    one.answer(run, "undo")
    assert runner.wait() == 1, one.said(run)
    assert str(one.value("hook")).endswith("4411") and str(one.value("hook", "pending")).endswith("9922")
    assert (tmp_path / "app" / "address").read_text().endswith("4411")
