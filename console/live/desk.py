"""Checklists of a session: the document read, ids kept, ticks recorded, checks asked."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from console.checklists.document import Document, DocumentUnreadable, read
from console.checklists.match import match
from console.checklists.progress import (
    KIND_IDS,
    KIND_TICK,
    KIND_UNTICK,
    KIND_WAIVE,
    Evidence,
    ids_body,
    known_of,
    probe_for,
    state_of,
    ticks_of,
)
from console.session import AskFailed
from console.watch.views import ChecklistView, ItemView

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

    from console.environment import Environment
    from console.store.records import Records
    from profiles.models import Checklist, Probe


AT_A_TIME = 4


class Desk:
    """The first checklist of each environment. Evidence lives as long as the session."""

    def __init__(self, records: Records, system: str, who: str, redact: Callable[[str], str] = str) -> None:
        self._records = records
        self._redact = redact
        self._system = system
        self._who = who
        self._evidence: dict[tuple[str, str], Evidence] = {}
        self._lock = threading.Lock()
        self._asking: ThreadPoolExecutor | None = None

    def view(self, environment: Environment) -> ChecklistView:
        """The checklist as it stands; a document that cannot be read is a view with a problem."""
        checklist = _of(environment)
        if checklist is None:
            return ChecklistView(title="", problem="the profile names no checklist")
        try:
            document = self._read(checklist)
        except DocumentUnreadable as error:
            return ChecklistView(key=checklist.file, title=checklist.title, problem=str(error), at=time.time())
        with self._lock:
            ids = self._ids(checklist, document)
            rows = [
                (record.kind, record.at, record.body or {}) for record in self._records.read(self._stream(checklist))
            ]
        ticks = ticks_of(rows)
        items = []
        for id_, item in zip(ids, document.items, strict=True):
            probe = probe_for(item, checklist.probes)
            evidence = self._evidence.get((environment.name, id_))
            tick = ticks.get(id_)
            items.append(
                ItemView(
                    id=id_,
                    title=item.title,
                    group=" › ".join(item.path[-2:]),
                    state=state_of(item, tick, evidence),
                    by=tick.by if tick is not None else "",
                    at=tick.at if tick is not None else evidence.at if evidence is not None else 0.0,
                    evidence=(evidence.text if evidence is not None else "") or (tick.note if tick is not None else ""),
                    probe=probe or "",
                    depth=item.depth,
                )
            )
        title = checklist.title or document.title
        looked = min((one.at for id_ in ids if (one := self._evidence.get((environment.name, id_)))), default=0.0)
        return ChecklistView(key=checklist.file, title=title, items=tuple(items), at=time.time(), looked=looked)

    def say(
        self, environment: Environment, item: str, kind: Literal["tick", "untick", "waive"], note: str = ""
    ) -> None:
        """Record what the person says of an item. Raises AskFailed for an item that is not there."""
        checklist = self._required(environment)
        if item not in {one.id for one in self.view(environment).items}:
            raise AskFailed(f"There is no item {item} in the checklist of {environment.name}.")
        kinds = {"tick": KIND_TICK, "untick": KIND_UNTICK, "waive": KIND_WAIVE}
        self._records.append(
            self._stream(checklist), kinds[kind], {"item": item, "by": self._who, **({"note": note} if note else {})}
        )

    def verify(self, environment: Environment, item: str) -> None:
        """Ask the item's own check now. Raises AskFailed where it has none."""
        found = next((one for one in self.view(environment).items if one.id == item), None)
        if found is None:
            raise AskFailed(f"There is no item {item} in the checklist of {environment.name}.")
        probe = environment.config.probes.get(found.probe)
        if probe is None:
            raise AskFailed(
                f"'{found.title}' has no check.", ("name one in the profile: checklists: … probes: {ITEM: PROBE}",)
            )
        self._look(environment, item, probe)

    def _look(self, environment: Environment, item: str, probe: Probe) -> None:
        from console.probes.look import look

        seen = look(environment, probe)
        self._evidence[environment.name, item] = Evidence(seen.verdict, seen.at, self._redact(seen.evidence))

    def verify_all(self, environment: Environment, stop: threading.Event) -> None:
        """Ask every check that items of this environment name, a few at a time: one may wait long for its host."""
        from concurrent.futures import ThreadPoolExecutor

        probes = environment.config.probes
        asked = [(one.id, probes[one.probe]) for one in self.view(environment).items if one.probe in probes]

        def ask(one: tuple[str, Probe]) -> None:
            if not stop.is_set():
                self._look(environment, *one)

        # The threads stay: each that ever reads the store has a connection of its own there.
        if self._asking is None:
            self._asking = ThreadPoolExecutor(AT_A_TIME, thread_name_prefix="check")
        list(self._asking.map(ask, asked))

    def close(self) -> None:
        """Ask nothing more."""
        if self._asking is not None:
            self._asking.shutdown(wait=False, cancel_futures=True)

    def changes(self, environment: Environment) -> list[str]:
        """What is different in the document since it was last read, as sentences; reads it again."""
        checklist = self._required(environment)
        try:
            document = self._read(checklist)
        except DocumentUnreadable as error:
            raise AskFailed(str(error)) from error
        before = {
            one.id: one
            for one in known_of((r.kind, r.at, r.body or {}) for r in self._records.read(self._stream(checklist)))
        }
        matched = match(document.items, list(before.values()))
        titles = dict(zip(matched.ids, (item.title for item in document.items), strict=True))
        self._ids(checklist, document)
        lines = [f"new: {titles[id_]} ({id_})" for id_ in matched.new] if before else []
        lines += [
            f"reworded, please look: {before[id_].title} → {title} ({id_})" for id_, title in matched.by_similarity
        ]
        lines += [f"gone: {before[id_].title} ({id_})" for id_ in matched.retired]
        if document.repaired:
            lines.append("the text had been decoded with the wrong code once; it was set right while reading")
        return lines

    def _required(self, environment: Environment) -> Checklist:
        checklist = _of(environment)
        if checklist is None:
            raise AskFailed(f"The profile names no checklist for {environment.name}.")
        return checklist

    def _stream(self, checklist: Checklist) -> str:
        return f"checklist:{self._system}:{Path(checklist.file).name}"

    def _read(self, checklist: Checklist) -> Document:
        try:
            data = Path(checklist.file).read_bytes()
        except OSError as error:
            raise DocumentUnreadable(f"{checklist.file} cannot be read: {error.strerror}.") from error
        return read(data, Path(checklist.file).name)

    def _ids(self, checklist: Checklist, document: Document) -> tuple[str, ...]:
        """The ids of the document's items; a reading that differs from the last one is recorded."""
        stream = self._stream(checklist)
        rows = [(record.kind, record.at, record.body or {}) for record in self._records.read(stream)]
        last = next((body for kind, _, body in reversed(rows) if kind == KIND_IDS), None)
        if last is not None and last["digest"] == document.digest:
            return tuple(str(row[0]) for row in last["items"])
        matched = match(document.items, list(known_of(rows)))
        self._records.append(stream, KIND_IDS, ids_body(document, matched))
        return matched.ids


def _of(environment: Environment) -> Checklist | None:
    return environment.config.checklists[0] if environment.config.checklists else None
