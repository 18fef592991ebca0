"""The one table: no id and no key twice where both would work, and every command is carried out somewhere."""

from __future__ import annotations

import pytest

from console.commands import COMMANDS, by_id, in_scope

SCOPES = sorted({one.scope for one in COMMANDS} - {"app"})


@pytest.mark.parametrize("scope", SCOPES)
def test_ids_and_keys_are_unique_where_they_work_together(scope: str) -> None:
    commands = list(in_scope(scope))  # type: ignore[arg-type]
    ids = [one.id for one in commands]
    keys = [key for one in commands for key in one.keys]
    assert len(ids) == len(set(ids))
    assert len(keys) == len(set(keys))


def test_what_stops_harm_never_waits_for_arming() -> None:
    assert {by_id(one).danger for one in ("cancel", "undo", "resume", "leave", "keyring")} == {"none"}
    assert {by_id(one).danger for one in ("deploy", "rollback", "action", "shell", "lock", "confirm")} == {"writes"}


def test_every_command_is_carried_out_by_some_screen_or_pane() -> None:
    import screens.actions
    import screens.credentials
    import screens.dashboard
    import screens.plan
    import screens.releases
    import screens.run
    import screens.runs
    from screens.panes import checklist, logs, metrics, services

    kinds = (
        screens.credentials.CredentialsScreen,
        screens.dashboard.Dashboard,
        screens.plan.PlanScreen,
        screens.releases.ReleasesScreen,
        screens.run.RunScreen,
        screens.runs.RunsScreen,
        screens.actions.ActionsScreen,
        checklist.ChecklistPane,
        logs.LogsPane,
        metrics.MetricsPane,
        services.ServicesPane,
    )
    for one in COMMANDS:
        takers = [kind for kind in kinds if one.scope in kind.SCOPES and hasattr(kind, f"do_{one.id}")]
        assert takers, f"nobody carries out {one.id}"


def test_an_unknown_id_is_an_error() -> None:
    with pytest.raises(KeyError):
        by_id("nothing")
