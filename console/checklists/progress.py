"""Who ticked what and when, and what an item's state is when the document, a person and a check disagree. Pure.

Human ticks are records of the store, one chained stream a checklist, never edits of the document. A check's answer is
evidence beside them: it may confirm or contradict a tick and never removes one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from console.checklists.document import Document, Item
from console.checklists.match import Known, Matched

ItemState = Literal["open", "claimed", "ticked", "passed", "failed", "unknown", "conflict", "waived"]

KIND_TICK = "checklist.tick"
KIND_UNTICK = "checklist.untick"
KIND_WAIVE = "checklist.waive"
KIND_IDS = "checklist.ids"
"""A reading of the document: every item's id, path and title, so that ids survive the next edit."""


@dataclass(frozen=True, slots=True)
class Tick:
    """What a person last said of an item."""

    kind: Literal["ticked", "unticked", "waived"]
    by: str
    at: float
    note: str = ""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What an item's check last said."""

    verdict: Literal["yes", "no", "unknown"]
    at: float
    text: str = ""


def ticks_of(records: Iterable[tuple[str, float, Mapping[str, Any]]]) -> dict[str, Tick]:
    """The last word on each item from (kind, time, body) records in order; other kinds are passed over."""
    kinds: dict[str, Literal["ticked", "unticked", "waived"]] = {
        KIND_TICK: "ticked",
        KIND_UNTICK: "unticked",
        KIND_WAIVE: "waived",
    }
    ticks: dict[str, Tick] = {}
    for kind, at, body in records:
        if kind in kinds:
            ticks[str(body["item"])] = Tick(kinds[kind], str(body["by"]), at, str(body.get("note", "")))
    return ticks


def known_of(records: Iterable[tuple[str, float, Mapping[str, Any]]]) -> tuple[Known, ...]:
    """Every item ever seen, with the path and title it had last. Retired ones stay, so that they can come back."""
    known: dict[str, Known] = {}
    for kind, _, body in records:
        if kind == KIND_IDS:
            for id_, path, title in body["items"]:
                known[id_] = Known(id_, tuple(path), title)
    return tuple(known.values())


def ids_body(document: Document, matched: Matched) -> dict[str, Any]:
    """The body of a KIND_IDS record for this reading."""
    return {
        "digest": document.digest,
        "items": [[id_, list(item.path), item.title] for id_, item in zip(matched.ids, document.items, strict=True)],
        "new": list(matched.new),
        "by_similarity": [list(pair) for pair in matched.by_similarity],
        "retired": list(matched.retired),
    }


def state_of(item: Item, tick: Tick | None, evidence: Evidence | None) -> ItemState:
    """What an item's state is.

    A person's tick against a failing check is a conflict; a check that passes counts as done; the document's own mark
    is a claim until somebody or something confirms it.
    """
    if tick is not None and tick.kind == "waived":
        return "waived"
    said = (tick.kind == "ticked") if tick is not None else item.checked
    if evidence is not None and evidence.verdict == "no":
        return "conflict" if said else "failed"
    if evidence is not None and evidence.verdict == "yes" and not (tick is not None and tick.kind == "unticked"):
        return "passed"
    if said:
        return "ticked" if tick is not None else "claimed"
    return "unknown" if evidence is not None and evidence.verdict == "unknown" else "open"


def probe_for(item: Item, probes: Mapping[str, str]) -> str | None:
    """The probe that the profile names for an item: by its whole text, else by the longest beginning that fits."""
    fitting: Sequence[str] = sorted(
        (text for text in probes if item.title.lower().startswith(text.lower())), key=len, reverse=True
    )
    return probes[fitting[0]] if fitting else None
