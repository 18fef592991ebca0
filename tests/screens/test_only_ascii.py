"""A terminal that shows no more than ASCII: the Linux console, a locale without UTF-8."""

from __future__ import annotations

import asyncio

import pytest

from screens.only_ascii import spelled
from tests.screens.driving import ENVIRON, driven
from tests.screens.fixed import FixedSession

LINUX = {"TERM": "linux", "LANG": "C.UTF-8"}


async def _seen(environ: dict[str, str]) -> str:
    """Dashboard, zoomed charts, runs, a run, a question on it, help: everything that draws with glyphs."""
    seen = []
    async with driven(FixedSession(), environ=environ) as console:
        seen.append(console.text)
        for keys in (("tab", "tab", "z"), ("z", "w"), ("down", "enter"), ("p",), ("escape", "escape", "question_mark")):
            await console.press(*keys)
            await console.until(lambda: console.text != seen[-1], f"another screen at {keys}")
            seen.append(console.text)
    return "\n".join(seen)


def test_a_terminal_without_the_glyphs_is_sent_none() -> None:
    shown = asyncio.run(_seen(LINUX))
    assert not {one for one in shown if not one.isascii()}
    assert "X" in shown and "|" in shown


def test_a_terminal_with_the_glyphs_is_sent_them() -> None:
    """The control."""
    assert {"✓", "✗", "│", "…"} <= set(asyncio.run(_seen(dict(ENVIRON))))


@pytest.mark.parametrize(
    ("text", "letters", "wanted"),
    [
        ("plain", True, "plain"),
        ("cut… → r2 │ ✓", True, "cut~ > r2 | ?"),
        ("Zoë 日本", True, "Zoë ????"),
        ("Zoë 日本", False, "Zo? ????"),
    ],
)
def test_what_is_left_is_spelled_as_wide_as_it_was(text: str, letters: bool, wanted: str) -> None:
    assert spelled(text, letters) == wanted
