"""The table and the tree of steps: columns that give way, a cursor that keeps its row, and changed lines only."""

from __future__ import annotations

import asyncio
from typing import Any

from textual.pilot import Pilot

from screens.theme import ASCII, mark
from screens.widgets.rows import RowList
from screens.widgets.steps import StepRow, StepTree
from screens.widgets.table import Cell, Column, Row, RowTable
from tests.screens.widgets.hosting import Host, screen_of, shown

COLUMNS = (
    Column("service", 8, grow=1),
    Column("state", 11),
    Column("release", 8, 1),
    Column("restarts", 8, 2, right=True),
)


def rows(count: int = 3, release: str = "1.4.2") -> list[Row]:
    """Services."""
    return [
        Row(f"s{i}", (Cell(f"service {i}"), Cell.of(mark("healthy")), Cell(release), Cell(str(i))))
        for i in range(count)
    ]


def table(**options: Any) -> RowTable:
    """A table with three rows in it."""
    made = RowTable(COLUMNS, **options)
    made.show(rows())
    return made


def test_columns_give_way_by_priority() -> None:
    wide = shown(table(), size=(60, 5))
    assert wide[0].split() == ["service", "state", "release", "restarts"]
    assert shown(table(), size=(36, 5))[0].split() == ["service", "state", "release"]
    narrow = shown(table(), size=(24, 5))
    assert narrow[0].split() == ["service", "state"]
    assert narrow[2] == " service 1     ✓ healthy"
    assert wide[1].endswith(" 0")


def test_what_is_left_over_goes_to_the_column_that_grows() -> None:
    assert table().layout_for(60) == [(0, 60 - 1 - 9 - 7 - 8 - 6), (1, 9), (2, 7), (3, 8)]


def test_room_goes_first_to_what_is_cut_and_a_long_text_goes_on_over_empty_cells() -> None:
    made = RowTable((Column("what", 10, grow=3), Column("note", 6, grow=1), Column("id", 6)), header=False)
    made.show(
        [
            Row("a", (Cell("Deploy 1.5.0"), Cell("pulling"), Cell("20261130T172033"))),
            Row("b", (Cell("Deploy 1.5.0-rc3 to a far place"), Cell(""), Cell("r-1"))),
        ]
    )
    assert shown(made, size=(61, 2)) == [
        "▌Deploy 1.5.0                       pulling  20261130T172033",
        " Deploy 1.5.0-rc3 to a far place             r-1",
    ]
    made = RowTable(made.columns, header=False)
    made.show(
        [
            Row("a", (Cell("Deploy 1.5.0"), Cell("pulling"), Cell("20261130T172033"))),
            Row("b", (Cell("Deploy 1.5.0 to a place"), Cell(""), Cell("r-1"))),
        ]
    )
    assert shown(made, size=(37, 2)) == [
        "▌Deploy 1.5.0         pulling  20261…",
        " Deploy 1.5.0 to a place       r-1",
    ]


def test_where_all_is_too_wide_what_grows_is_cut_with_an_ellipsis() -> None:
    columns = (Column("", 1), Column("item", 22, grow=1), Column("state", 9))
    for width, row in ((24, "▌·  Deploy 1…  unhealthy"), (16, "▌·  Deplo…  unhe")):
        one = RowTable(columns, header=False)
        one.show([Row("a", (Cell("·"), Cell("Deploy 1.2.0-sick to staging"), Cell("unhealthy")))])
        assert shown(one, size=(width, 2))[0] == row


def test_a_narrow_column_that_grows_does_not_grow_where_there_is_no_room() -> None:
    made = RowTable((Column("who", 4, grow=1), Column("state", 11)))
    made.show([Row("a", (Cell("anne"), Cell("interrupted")))])
    assert made.layout_for(15) == [(0, 4), (1, 11)]


def test_an_empty_table_says_so_and_so_does_a_filter_without_a_match() -> None:
    empty = RowTable(COLUMNS, empty="no services are known yet")
    assert shown(empty)[1] == "no services are known yet"
    filtered = table()
    filtered.set_filter("zebra")
    assert shown(filtered)[1] == "nothing matches zebra"


def test_the_cursor_keeps_its_row_when_rows_move_and_the_nearest_when_it_goes() -> None:
    one = table()
    one.select("s1")
    one.show([rows()[1], rows()[0], rows()[2]])
    assert one.cursor_key == "s1"
    one.show([rows()[0], rows()[2]])
    assert one.cursor_key == "s0"
    one.show([])
    assert one.cursor_key is None and one.cursor_row is None
    assert not one.select("s9")


def test_keys_move_the_cursor_and_the_rows_scroll_with_it() -> None:
    async def run() -> None:
        one = RowTable(COLUMNS)
        one.show(rows(30))
        app = Host(one)
        async with app.run_test(size=(60, 6)) as pilot:
            one.focus()
            await pilot.pause()
            assert screen_of(app)[1].startswith("▌service 0")
            for key, at in (("down", 1), ("j", 2), ("k", 1), ("up", 0), ("up", 0), ("pagedown", 4), ("end", 29)):
                await pilot.press(key)
                assert one.cursor_key == f"s{at}"
            await pilot.pause()
            assert screen_of(app)[5].startswith("▌service 29")
            await pilot.press("home")
            await pilot.pause()
            assert screen_of(app)[1].startswith("▌service 0")

    asyncio.run(run())


def test_a_click_chooses_and_a_second_one_asks_to_open() -> None:
    heard: list[object] = []

    class Listening(Host):
        def on_row_list_moved(self, message: RowList.Moved) -> None:
            heard.append(message.key)

        def on_row_list_opened(self, message: RowList.Opened) -> None:
            heard.append(f"open {message.key}")

    async def run() -> None:
        app = Listening(table())
        async with app.run_test(size=(60, 6)) as pilot:
            await pilot.pause()
            await pilot.click(RowTable, offset=(3, 2))
            await pilot.click(RowTable, offset=(3, 2))
            await pilot.click(RowTable, offset=(3, 0))
            await pilot.pause()

    asyncio.run(run())
    assert heard == ["s1", "open s1"]


def test_only_the_line_of_a_row_that_changed_is_sent() -> None:
    async def run() -> None:
        app = Host(one := table())
        async with app.run_test(size=(60, 6)) as pilot:
            await pilot.pause()
            assert one.show(rows()) == 0
            changed = rows()
            changed[1] = Row("s1", (*changed[1].cells[:2], Cell("1.5.0"), changed[1].cells[3]))
            assert one.show(changed) == 1

    asyncio.run(run())


def test_a_filter_hides_rows_and_turned_round_shows_the_others() -> None:
    one = table()
    one.set_filter("SERVICE 1")
    assert [row.key for row in one.rows] == ["s1"] and one.hidden == 2
    one.set_filter("!service 1")
    assert [row.key for row in one.rows] == ["s0", "s2"]
    one.set_filter("")
    assert one.hidden == 0


STEPS = [
    StepRow("1", "Check the gates", "done", "local", 0.4),
    StepRow("2", "Start green", "running", "app-1", 75.0, note="attempt 2"),
    StepRow("3", "Reload", "waiting", "edge-1", depth=1),
    StepRow("4", "Switch", "half-way", "edge-1"),
]


def test_steps_show_glyph_word_title_host_and_time() -> None:
    tree = StepTree()
    tree.show(STEPS)
    lines = shown(tree, size=(80, 5))
    assert lines[0].split() == ["▌✓", "done", "Check", "the", "gates", "local", "0.4", "s"]
    assert "Start green  attempt 2" in lines[1] and lines[1].endswith("1 min 15 s")
    assert lines[2].startswith(" · waiting     Reload")
    assert lines[3].startswith(" ? half-way  Switch")


def test_host_and_time_give_way_to_the_title() -> None:
    tree = StepTree(symbols=ASCII)
    tree.show(STEPS)
    lines = shown(tree, size=(40, 5))
    assert "app-1" not in lines[1] and "Start green" in lines[1]
    assert "".join(lines).isascii()
    assert shown(tree.__class__(), size=(20, 5))[0] == "nothing here"


def test_a_second_that_passes_sends_one_line() -> None:
    async def run(pilot: Pilot[Any]) -> None:
        tree = pilot.app.query_one(StepTree)
        later = [*STEPS[:1], StepRow("2", "Start green", "running", "app-1", 76.0, note="attempt 2"), *STEPS[2:]]
        assert tree.show(later) == 1
        assert tree.show(later) == 0

    tree = StepTree()
    tree.show(STEPS)
    shown(tree, run, size=(80, 5))
