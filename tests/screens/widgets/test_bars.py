"""The top line and the key line: what gives way first, and production that cannot be missed."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from screens.theme import ASCII
from screens.widgets.bars import Piece, fitting
from screens.widgets.frame import Frame
from screens.widgets.key_line import KeyHint, KeyLine
from screens.widgets.top_line import TopLine, TopState
from screens.widgets.words import width_of
from tests.screens.widgets.hosting import Host, shown

STATE = TopState(
    "Routing ML",
    "production",
    True,
    "armed until 02:31",
    True,
    "keyring locked",
    True,
    "locked by anna: deploy 1.4.2",
    False,
    "deploy 1.4.2: step 3 of 9, 12 s",
    "last known, from 02:14",
)
PIECES = st.lists(
    st.builds(
        lambda n, s, p, w: Piece("x" * n, "plain", p, "y" * min(n, s), "z" * min(n, s, w)),
        st.integers(0, 20),
        st.integers(0, 5),
        st.integers(0, 5),
        st.integers(0, 2),
    ),
    max_size=8,
)


@given(PIECES, st.integers(0, 100))
def test_pieces_fit_keep_their_order_and_only_those_of_priority_0_or_at_their_least_may_be_too_wide(
    pieces: list[Piece], width: int
) -> None:
    kept = fitting(pieces, width)
    total = sum(width_of(piece.text) for piece in kept) + 2 * max(len(kept) - 1, 0)
    assert total <= width or all(piece.priority == 0 or set(piece.text) == {"z"} for piece in kept)
    assert len([one for one in pieces if one.text and one.least]) <= len(kept)
    assert [p.priority for p in pieces if p.text and p.priority == 0] == [p.priority for p in kept if p.priority == 0]
    if sum(width_of(p.text) for p in pieces) + 2 * len(pieces) <= width:
        assert [p.text for p in kept] == [p.text for p in pieces if p.text]


def test_with_room_the_top_line_says_everything() -> None:
    row = shown(TopLine(STATE), size=(180, 1))[0]
    for words in ("Routing ML", "◆ PRODUCTION", "! armed until 02:31", STATE.lock, STATE.running, STATE.keyring):
        assert words in row


BUSY = STATE._replace(
    lock="",
    keyring="keyring open",
    keyring_wrong=False,
    stale="",
    running="Deploy 1.5.0 to production running: Replace 3 services",
    running_state="running",
    screen="run 20261124T021455-deploy-production-3fa9c1",
)
LOCKED = BUSY._replace(running="", running_state="", armed=False, mode="read-only", lock="locked by ada@bastion: CHG-9")


@pytest.mark.parametrize(
    ("state", "width", "words"),
    [
        (BUSY, 180, ("Routing ML", BUSY.screen, "◆ PRODUCTION", "! armed until 02:31", BUSY.running.split(":")[0])),
        (BUSY, 120, ("Routing ML", "│ run", BUSY.running)),
        (BUSY, 100, ("Routing ML", "│ run", "◆ PRODUCTION", "! armed until 02:31", BUSY.running.split(":")[0])),
        (BUSY, 80, ("Routing ML", "│ run", "◆ PRODUCTION", "! armed", "Deploy 1.5.0 to production running")),
        (
            BUSY._replace(running="Deploy 1.5.0 to production created, not begun", running_state="created, not begun"),
            80,
            (" Routing ML ", "│ run", "! armed until 02:31", "created, not begun"),
        ),
        (BUSY, 60, ("Routing", "│ run", "◆ PRODUCTION", "! armed", "running")),
        (BUSY, 50, ("Routing", "│ run", "◆ PRODUCTION", "! armed", "run")),
        (LOCKED, 100, ("Routing ML", "│ run", "◆ PRODUCTION", "read-only", "locked by ada@bastion: CHG-9")),
        (LOCKED, 80, ("Routing ML", "│ run", "◆ PRODUCTION", "read-only", "locked by ada@bastion")),
        (LOCKED, 50, ("Routing", "│ run", "◆ PRODUCTION", "locked")),
        (STATE, 80, ("Routing", "◆ PRODUCTION", "! armed", "deploy 1.4.2", "locked", "last known")),
    ],
)
def test_what_is_never_dropped(state: TopState, width: int, words: tuple[str, ...]) -> None:
    row = shown(TopLine(state), size=(width, 1))[0]
    missing = [one for one in words if one not in row]
    assert not missing, row


def test_production_is_read_even_in_a_sliver() -> None:
    assert "◆ PRODUCTION" in shown(TopLine(STATE), size=(30, 1))[0]
    assert "PRODUCTION" in shown(TopLine(STATE, symbols=ASCII), size=(30, 1))[0]


def test_staging_is_not_red_and_production_is_by_word_and_by_colour() -> None:
    async def run() -> None:
        line, frame = TopLine(STATE), Frame()
        app = Host(line, frame)
        async with app.run_test(size=(80, 4)) as pilot:
            frame.show_production(True)
            await pilot.pause()
            red = line.background_colors[1]
            framed = frame.styles.border_left
            assert line.show(STATE) == 0
            line.show(STATE._replace(environment="staging", production=False))
            frame.show_production(False)
            await pilot.pause()
            assert line.background_colors[1] != red
            assert framed[0] == "outer" and frame.styles.border_left != framed
            text = line.render_line(0).text
            assert " staging " in text and "PRODUCTION" not in text

    asyncio.run(run())


def test_keys_give_way_by_priority_and_a_note_stands_at_the_end() -> None:
    line = KeyLine([KeyHint("?", "Help", 0), KeyHint("d", "Deploy", 1, works=False), KeyHint("f", "Follow", 5)])
    assert shown(line, size=(40, 1))[0] == " ? Help   d Deploy   f Follow"
    narrow = KeyLine([KeyHint("?", "Help", 0), KeyHint("d", "Deploy", 1), KeyHint("f", "Follow", 5)])
    assert shown(narrow, size=(22, 1))[0] == " ? Help   d Deploy"
    noted = KeyLine()
    noted.show([KeyHint("?", "Help", 0)], note="read-only")
    assert shown(noted, size=(40, 1))[0] == " ? Help" + " " * 23 + "read-only"
