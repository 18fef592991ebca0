"""Checklists: every box found, ids that survive edits, and what wins when people and checks disagree."""

from collections.abc import Sequence
from pathlib import Path

import pytest

import profiles
from console.checklists.document import SIZE_LIMIT, Document, DocumentUnreadable, Item, read, repair
from console.checklists.match import Known, match
from console.checklists.progress import (
    KIND_IDS,
    KIND_TICK,
    KIND_UNTICK,
    Evidence,
    Tick,
    ids_body,
    known_of,
    probe_for,
    state_of,
    ticks_of,
)

ROADMAP = Path(profiles.__file__).parent / "builtin" / "routing-ml" / "roadmap.md"


@pytest.fixture(scope="module")
def roadmap() -> Document:
    return read(ROADMAP.read_bytes(), "roadmap.md")


def test_every_box_of_the_roadmap_is_found(roadmap: Document) -> None:
    assert len(roadmap.items) == 171
    assert sum(item.checked for item in roadmap.items) == 6
    assert len({item.key for item in roadmap.items}) == 171


def test_groups_and_lines_are_the_documents_own(roadmap: Document) -> None:
    lines = ROADMAP.read_text().splitlines()
    for item in roadmap.items:
        assert item.title.split(" ")[0].strip("`[") in lines[item.line - 1]
    first = roadmap.items[0]
    assert first.path[-2:] == ("Days 1-2: CI/CD Pipeline Implementation", "Set up GitHub Actions")


def known(document: Document, ids: Sequence[str]) -> list[Known]:
    return [Known(id_, item.path, item.title) for id_, item in zip(ids, document.items, strict=True)]


def test_ids_survive_a_renamed_heading_rewordings_and_a_deletion(roadmap: Document) -> None:
    ids = match(roadmap.items, []).ids
    text = ROADMAP.read_text()
    edited = (
        text.replace("#### Days 1-2: CI/CD Pipeline Implementation", "#### Days 1 to 3: the pipeline")
        .replace("- [ ] Test local Docker builds", "- [ ] Test the Docker builds locally")
        .replace("- [ ] Verify all containers healthy", "- [ ] Verify that all containers are healthy")
        .replace("   - [ ] Document findings\n", "")
    )
    assert edited != text
    again = read(edited.encode(), "roadmap.md")
    matched = match(again.items, known(roadmap, ids))
    by_id = dict(zip(ids, roadmap.items, strict=True))
    assert matched.new == ()
    assert [by_id[id_].title for id_ in matched.retired] == ["Document findings"]
    reworded = {"Test the Docker builds locally", "Verify that all containers are healthy"}
    for id_, item in zip(matched.ids, again.items, strict=True):
        assert by_id[id_].title == item.title or item.title in reworded
    assert {title for _, title in matched.by_similarity} == reworded


def test_ids_are_unique_and_the_same_twice(roadmap: Document) -> None:
    ids = match(roadmap.items, []).ids
    assert len(set(ids)) == 171
    assert match(roadmap.items, known(roadmap, ids)).ids == ids


def test_a_task_of_several_paragraphs_is_one_task() -> None:
    text = b"""# T
- [ ] first

  Why it matters.

  | a | b |
  |---|---|
  | 1 | 2 |

  - [x] below
  - no task, **bold**

  > said somebody
- [ ] second
  with a second line
- plain
- [ ]
- [] no box
- [ ] `code` and [a link](https://example.com)

## Next
1. **Group** (2 h)
   - [X] third
"""
    found = read(text, "t").items
    assert [(item.title, item.depth, item.checked, item.line) for item in found] == [
        ("first", 0, False, 2),
        ("below", 1, True, 10),
        ("second with a second line", 0, False, 14),
        ("code and a link", 0, False, 19),
        ("third", 0, True, 23),
    ]
    assert found[-1].path == ("Next", "Group")


def test_tasks_with_the_same_words_keep_their_order() -> None:
    text = "# T\n" + "- [ ] again\n" * 4 + "- [ ] other\n"
    document = read(text.encode(), "t")
    ids = match(document.items, []).ids
    assert len(set(ids)) == 5
    assert match(document.items, known(document, ids)).ids == ids
    fewer = read(text.replace("- [ ] again\n", "", 1).encode(), "t")
    matched = match(fewer.items, known(document, ids))
    assert (matched.ids, matched.retired, matched.new) == ((*ids[:3], ids[4]), (ids[3],), ())


def test_a_document_that_is_no_text_or_too_large_is_refused() -> None:
    with pytest.raises(DocumentUnreadable, match=r"d\.md is not UTF-8 text \(byte 4\)"):
        read(b"# a \xff", "d.md")
    with pytest.raises(DocumentUnreadable, match="may have 4194304"):
        read(b"x" * (SIZE_LIMIT + 1), "d.md")


def test_a_hostile_document_is_read_in_bounded_time() -> None:
    import time

    began = time.monotonic()
    for text in ("[" * 8000, "> " * 2000 + "- [ ] x", "- " * 2000 + "[ ] x", "*" * 8000, "- [ ] a\n" * 9000):
        read(text.encode(), "d")
    assert time.monotonic() - began < 6.0


def test_text_decoded_with_the_wrong_code_is_set_right() -> None:
    right = "# 🚀 Ready — été"
    wrong = right.encode().decode("mac_roman")
    assert repair(wrong) == (right, True)
    assert repair(right) == (right, False)


def test_markup_and_escapes_do_not_come_through() -> None:
    document = read(b"# T\n- [ ] press \x1b[31m`x` [red]now[/red] **b**\n", "d")
    title = document.items[0].title
    assert "\x1b" not in title
    assert "[red]now[/red] b" in title


ITEM = Item("Do it", (), 1, False)
CHECKED = Item("Do it", (), 1, True)
TICK = Tick("ticked", "ann", 1.0)
UNTICK = Tick("unticked", "ann", 1.0)


@pytest.mark.parametrize(
    ("item", "tick", "verdict", "state"),
    [
        (ITEM, None, None, "open"),
        (CHECKED, None, None, "claimed"),
        (ITEM, TICK, None, "ticked"),
        (CHECKED, UNTICK, None, "open"),
        (ITEM, None, "yes", "passed"),
        (ITEM, None, "no", "failed"),
        (ITEM, None, "unknown", "unknown"),
        (ITEM, TICK, "no", "conflict"),
        (CHECKED, None, "no", "conflict"),
        (ITEM, TICK, "unknown", "ticked"),
        (ITEM, UNTICK, "yes", "open"),
        (ITEM, Tick("waived", "ann", 1.0), "no", "waived"),
    ],
)
def test_state_when_people_and_checks_disagree(item: Item, tick: Tick | None, verdict: str, state: str) -> None:
    evidence = Evidence(verdict, 2.0) if verdict else None  # type: ignore[arg-type]
    assert state_of(item, tick, evidence) == state


def test_the_last_word_on_an_item_counts_and_names_its_author(roadmap: Document) -> None:
    matched = match(roadmap.items, [])
    records = [
        (KIND_IDS, 1.0, ids_body(roadmap, matched)),
        (KIND_TICK, 2.0, {"item": matched.ids[0], "by": "ann@a"}),
        (KIND_UNTICK, 3.0, {"item": matched.ids[0], "by": "bob@b", "note": "not yet"}),
        (KIND_TICK, 4.0, {"item": matched.ids[1], "by": "bob@b"}),
    ]
    ticks = ticks_of(records)
    assert ticks[matched.ids[0]] == Tick("unticked", "bob@b", 3.0, "not yet")
    assert ticks[matched.ids[1]].kind == "ticked"
    assert [one.id for one in known_of(records)] == list(matched.ids)


def test_a_probe_is_found_by_the_longest_beginning() -> None:
    item = Item("Test health endpoint: curl", (), 1, False)
    assert probe_for(item, {"test": "a", "Test health": "b", "other": "c"}) == "b"
    assert probe_for(item, {"health": "a"}) is None
