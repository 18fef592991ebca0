"""How old a credential is beside its rule: fine, due, or overdue. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from profiles.models import Credential

Standing = Literal["fine", "due", "overdue", "no rule", "not set", "unknown"]


class Age(NamedTuple):
    """One credential beside its rule."""

    name: str
    standing: Standing
    set_at: datetime | None = None
    days: int = 0
    """Whole days since its current value was set."""
    due_at: datetime | None = None
    overdue_at: datetime | None = None

    @property
    def late(self) -> bool:
        """Whether it is due or overdue."""
        return self.standing in ("due", "overdue")

    def sentence(self) -> str:
        """What a person is told of one that is late: `jwt is due: 45 days old, overdue on 2026-02-01.`"""
        if self.standing == "overdue" and self.overdue_at is not None:
            return f"The credential {self.name} is OVERDUE since {self.overdue_at.date()}: it is {self.days} days old."
        if self.standing == "due" and self.due_at is not None and self.overdue_at is not None:
            return (
                f"The credential {self.name} is due to be renewed since {self.due_at.date()}: it is {self.days} days "
                f"old, and overdue on {self.overdue_at.date()}."
            )
        return ""


def age_of(name: str, set_at: datetime | None, rule: Credential | None, now: datetime) -> Age:
    """How the credential stands at `now`. A value from the future is as good as new."""
    if set_at is None:
        return Age(name, "not set")
    days = max(0, (now - set_at) // timedelta(days=1))
    if rule is None or rule.rotate_after_days is None:
        return Age(name, "no rule", set_at, days)
    due = _after(set_at, rule.rotate_after_days)
    overdue = _after(set_at, rule.breach_after_days or rule.rotate_after_days)
    standing: Standing = "overdue" if now >= overdue else "due" if now >= due else "fine"
    return Age(name, standing, set_at, days, due, overdue)


def ages(
    set_at: Mapping[str, datetime], rules: Mapping[str, Credential], now: datetime | None = None
) -> tuple[Age, ...]:
    """Every credential that is stored or has a rule, by name."""
    moment = now or datetime.now(UTC)
    return tuple(age_of(name, set_at.get(name), rules.get(name), moment) for name in sorted({*set_at, *rules}))


def _after(since: datetime, days: int) -> datetime:
    try:
        return since + timedelta(days=days)
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC)
