"""A credential beside its rule: when it is due, and when it is overdue."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from console.credentials.age import age_of, ages
from profiles.models import Credential

NOW = datetime(2026, 11, 24, 2, 14, tzinfo=UTC)
RULE = Credential(name="jwt", rotate_after_days=30, breach_after_days=90)


@pytest.mark.parametrize(
    ("days", "standing"),
    [(-1, "fine"), (0, "fine"), (29.99, "fine"), (30, "due"), (89.99, "due"), (90, "overdue"), (4000, "overdue")],
)
def test_due_then_overdue(days: float, standing: str) -> None:
    assert age_of("jwt", NOW - timedelta(days=days), RULE, NOW).standing == standing


def test_without_a_breach_it_is_overdue_as_soon_as_it_is_due() -> None:
    rule = Credential(name="jwt", rotate_after_days=30)
    assert age_of("jwt", NOW - timedelta(days=30), rule, NOW).standing == "overdue"
    assert age_of("jwt", NOW - timedelta(days=4000), Credential(name="jwt"), NOW).standing == "no rule"
    assert age_of("jwt", NOW, None, NOW).standing == "no rule"
    assert age_of("jwt", None, rule, NOW).standing == "not set"


def test_sentences() -> None:
    late = age_of("jwt", NOW - timedelta(days=45), RULE, NOW)
    assert late.sentence() == (
        "The credential jwt is due to be renewed since 2026-11-09: it is 45 days old, and overdue on 2027-01-08."
    )
    late = age_of("jwt", NOW - timedelta(days=95), RULE, NOW)
    assert late.sentence() == "The credential jwt is OVERDUE since 2026-11-19: it is 95 days old."
    assert age_of("jwt", NOW, RULE, NOW).sentence() == ""


def test_every_one_that_is_stored_or_has_a_rule() -> None:
    found = ages({"jwt": NOW - timedelta(days=31), "stray": NOW}, {"jwt": RULE, "db": RULE}, NOW)
    assert [(one.name, one.standing) for one in found] == [("db", "not set"), ("jwt", "due"), ("stray", "no rule")]


def test_a_rule_that_is_overdue_before_it_is_due_is_refused() -> None:
    for rule in ({"rotate_after_days": 90, "breach_after_days": 30}, {"breach_after_days": 30}):
        with pytest.raises(ValueError, match="due before it is overdue"):
            Credential.model_validate({"name": "jwt", **rule})
