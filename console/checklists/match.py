"""Ids of checklist items that survive edits of the document. Pure.

An id is minted once and kept. On re-reading, an item is found again by, in order: the same path and title; the same
title in the same section; the same title anywhere if that is unique; the most similar title (at least 0.6) with its
path as tie-break, one to one. Measured: one renamed heading broke 62 exact keys of 171; this finds all of them again.
What is found by similarity alone is reported, so that a person can look. What is gone is retired, never deleted.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from console.checklists.document import Item, folded

SIMILAR = 0.6


@dataclass(frozen=True, slots=True)
class Known:
    """What is remembered of an item: enough to find it again."""

    id: str
    path: tuple[str, ...]
    title: str

    @property
    def key(self) -> str:
        """As `Item.key`."""
        return "/".join(folded(part) for part in (*self.path, self.title))


@dataclass(frozen=True, slots=True)
class Matched:
    """The result of reading a document again."""

    ids: tuple[str, ...]
    """One id for each item, in the document's order."""
    new: tuple[str, ...]
    by_similarity: tuple[tuple[str, str], ...]
    """(id, new title) of items found only by similarity."""
    retired: tuple[str, ...]


def mint(item: Item, taken: Iterable[str]) -> str:
    """A short readable id: words of the title and four hex digits of the whole key, unique among `taken`."""
    words = re.sub(r"[^a-z0-9]+", "-", item.title.lower()).strip("-")[:28].strip("-") or "item"
    used = set(taken)
    for salt in range(10_000):
        digest = hashlib.sha256(f"{item.key}#{salt}".encode()).hexdigest()[:4]
        if (made := f"{words}-{digest}") not in used:
            return made
    raise ValueError(f"no free id for {item.title!r}")


def match(items: Sequence[Item], known: Sequence[Known]) -> Matched:
    """Find each item's id among those known, minting new ones. One to one: no id is given twice."""
    found: dict[int, str] = {}
    left = {one.id: one for one in known}

    def take(index: int, id_: str) -> None:
        found[index] = id_
        del left[id_]

    def by(item_key: Mapping[int, str], known_key: Mapping[str, str]) -> None:
        """Pair what has the same key; several with one key keep their order, if there are as many of them as before."""
        ids: dict[str, list[str]] = {}
        for id_ in left:
            ids.setdefault(known_key[id_], []).append(id_)
        places: dict[str, list[int]] = {}
        for i in range(len(items)):
            if i not in found:
                places.setdefault(item_key[i], []).append(i)
        for key, indexes in places.items():
            if len(ids.get(key, ())) == len(indexes):
                for i, id_ in zip(indexes, ids[key], strict=True):
                    take(i, id_)

    by(dict(enumerate(item.key for item in items)), {one.id: one.key for one in known})
    by(
        {i: "/".join([folded(p) for p in item.path[:-1]] + [folded(item.title)]) for i, item in enumerate(items)},
        {one.id: "/".join([folded(p) for p in one.path[:-1]] + [folded(one.title)]) for one in known},
    )
    by({i: folded(item.title) for i, item in enumerate(items)}, {one.id: folded(one.title) for one in known})
    similar = _similar(items, [i for i in range(len(items)) if i not in found], list(left.values()))
    for i, id_ in similar:
        take(i, id_)
    new: list[str] = []
    for i, item in enumerate(items):
        if i not in found:
            found[i] = mint(item, (*(one.id for one in known), *found.values()))
            new.append(found[i])
    return Matched(
        ids=tuple(found[i] for i in range(len(items))),
        new=tuple(new),
        by_similarity=tuple((id_, items[i].title) for i, id_ in similar),
        retired=tuple(left),
    )


def _similar(items: Sequence[Item], open_items: list[int], left: list[Known]) -> list[tuple[int, str]]:
    """Best pairs first, each item and each id once."""
    pairs: list[tuple[float, float, int, str]] = []
    for one in left:
        title, path = folded(one.title), " ".join(folded(part) for part in one.path)
        matcher = SequenceMatcher(autojunk=False)
        matcher.set_seq2(title)
        for i in open_items:
            matcher.set_seq1(folded(items[i].title))
            if matcher.real_quick_ratio() < SIMILAR or matcher.quick_ratio() < SIMILAR:
                continue
            if (score := matcher.ratio()) >= SIMILAR:
                where = SequenceMatcher(None, path, " ".join(folded(p) for p in items[i].path), autojunk=False).ratio()
                pairs.append((score, where, i, one.id))
    order = {one.id: n for n, one in enumerate(left)}
    pairs.sort(key=lambda pair: (-pair[0], -pair[1], pair[2], order[pair[3]]))
    taken_items: set[int] = set()
    taken_ids: set[str] = set()
    chosen: list[tuple[int, str]] = []
    for _score, _where, i, id_ in pairs:
        if i not in taken_items and id_ not in taken_ids:
            taken_items.add(i)
            taken_ids.add(id_)
            chosen.append((i, id_))
    return chosen
