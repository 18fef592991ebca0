"""A stack whose looks are written down beforehand: for what cannot be had for real at the wanted moment."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, cast

from console.stacks.base import Live, LiveService, Stack

Look = Live | Exception | Callable[[], Live]


class _Spec:
    def __init__(self, kind: str) -> None:
        self.kind = kind


class ScriptedStack:
    """Gives one look after the other; the last one again and again."""

    def __init__(self, looks: Iterable[Look], kind: str = "compose") -> None:
        self.looks = list(looks)
        self.asked = 0
        self.spec = _Spec(kind)

    def live(self, host: Any) -> Live:
        look = self.looks[min(self.asked, len(self.looks) - 1)]
        self.asked += 1
        if isinstance(look, Exception):
            raise look
        return look() if callable(look) else look


def stack(*looks: Look, kind: str = "compose") -> tuple[Stack, ScriptedStack]:
    """The same object twice: as a stack, and as what it is."""
    made = ScriptedStack(looks, kind)
    return cast(Stack, made), made


def live(*services: LiveService, host: str = "lab1") -> Live:
    """What runs."""
    return Live(host=host, services=services)


def service(name: str = "backend", **more: Any) -> LiveService:
    """A healthy service, but for what is said."""
    values: dict[str, Any] = {
        "state": "running",
        "health": "healthy",
        "release": "r2",
        "image": "repo:2",
        "digest": "repo@sha256:2",
        "since": "2026-11-24T02:00:00.5Z",
        "container": "c1",
    }
    return LiveService.model_validate({"service": name, **values, **more})
