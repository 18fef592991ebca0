"""Checks the audit and the journals: their chains, the signed checkpoints, and what the hosts hold of our head.

Each finding names the first record that is bad. What is found here is what an attacker is tested with, see the tests.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from console.hosts.base import HostError
from console.runs.audit import CHECKPOINT, EVERY, NEW_KEY, STREAM, sent_key, signed_text
from console.runs.locks import script
from console.runs.prune import LARGE, PRUNED
from console.store.records import ChainBroken, Record, Records, check_chain, parse_line
from console.store.signing import KeyUnusable, load, signed_by

if TYPE_CHECKING:
    from console.environment import Environment

HEADS = 200
"""Checkpoints of a host that are looked at, the newest."""
_HEX = re.compile(r"[0-9a-f]{64,128}")


@dataclass
class Checked:
    """What was looked at and what was found."""

    records: int = 0
    checkpoints: int = 0
    bad: list[str] = field(default_factory=list)
    """Sentences about what is broken, each with the first bad record."""
    notes: list[str] = field(default_factory=list)
    """What is not broken and should be known."""
    asked: list[str] = field(default_factory=list)
    """Hosts whose audit.log was compared."""
    silent: list[str] = field(default_factory=list)
    """Sentences about hosts that did not answer."""


def check_here(records: Records) -> Checked:
    """Check every chain of this store, and the audit's checkpoints. Raises StoreUnusable."""
    checked = Checked()
    pruned: set[str] = set()
    streams = records.every_stream()
    for stream in sorted(streams, key=lambda name: name != STREAM):  # the audit first: it names what was pruned
        try:
            found = records.read(stream)
            checked.records += len(found)
            check_chain(found)
        except ChainBroken as error:
            checked.bad.append(str(error))
            continue
        if stream == STREAM:
            pruned = {run for one in found if one.kind == PRUNED for run in (one.body or {}).get("journals", ())}
            _checkpoints(records, found, checked)
        _emptied(stream, found, pruned, checked)
    return checked


def _emptied(stream: str, found: Sequence[Record], pruned: set[str], checked: Checked) -> None:
    """A record without contents is one that was pruned, and named in the audit, or somebody took them out."""
    for record in found:
        if record.body is None and not (stream in pruned and record.kind in LARGE):
            checked.bad.append(
                f"record {record.seq} of {stream}: its content was taken out, and the audit names no pruning of it."
            )
            return


def _checkpoints(records: Records, found: Sequence[Record], checked: Checked) -> None:
    """Every checkpoint holds the hash of a record before it, under a key of this store; and there are enough."""
    try:
        ours = load(records.database.path.parent)
    except KeyUnusable as error:
        ours = None
        checked.bad.append(str(error))
    keys: list[str] = []
    last = 0
    for record in found:
        body = record.body or {}
        if record.kind == NEW_KEY:
            if keys:
                checked.notes.append(
                    f"From record {record.seq} of {STREAM} on another key signs: the one before was not there any "
                    "more. What lies before is as sure as the hosts' copies of it."
                )
            keys.append(str(body.get("public", "")))
        elif record.kind == CHECKPOINT:
            problem = _wrong(record, found, keys)
            if problem:
                checked.bad.append(f"record {record.seq} of {STREAM}: {problem}")
                return
            checked.checkpoints += 1
            last = record.seq
        if record.seq - last > 2 * EVERY:  # written as soon as there are EVERY; some may have come side by side
            checked.bad.append(
                f"record {last + EVERY} of {STREAM}: no checkpoint was made there, nor for {EVERY} records after it. "
                "It was taken out, or what signs cannot write (quarterdeck doctor)."
            )
            return
    if keys and ours is None:
        checked.notes.append("The key that signed the audit is not there any more; the next run makes another.")
    elif keys and ours is not None and keys[-1] != ours.public:
        checked.bad.append(
            f"record {found[-1].seq} of {STREAM}: the checkpoints are signed by the key {keys[-1][:16]}…, and this "
            f"store's is {ours.public[:16]}…: one of them was replaced."
        )


def _wrong(record: Record, found: Sequence[Record], keys: Sequence[str]) -> str:
    """What is wrong with a checkpoint, in words; empty if nothing is."""
    body = record.body or {}
    seq, head, key = body.get("seq"), str(body.get("head", "")), str(body.get("key", ""))
    if not isinstance(seq, int) or not 0 < seq < record.seq or found[seq - 1].hash != head:
        return "this checkpoint is of another chain than the one that lies before it."
    if not keys or key != keys[-1]:
        return f"this checkpoint is signed by a key that the audit does not name ({key[:16]}…)."
    if not signed_by(key, signed_text(seq, head), str(body.get("signature", ""))):
        return "this checkpoint's signature is not of its key."
    return ""


def check_hosts(records: Records, environments: Sequence[Environment], checked: Checked) -> None:
    """Compare the store's audit with the checkpoints that the hosts' audit.log holds of it. Raises StoreUnusable."""
    try:
        found = records.read(STREAM)
    except ChainBroken:
        return  # said by the check of the chain
    keys = [str((one.body or {}).get("public", "")) for one in found if one.kind == NEW_KEY]
    try:
        ours = load(records.database.path.parent)
    except KeyUnusable:
        ours = None
    if ours is not None and ours.public not in keys:
        keys.append(ours.public)
    keys = [key for key in keys if _HEX.fullmatch(key)]
    hashes = {one.seq: one.hash for one in found}
    for environment in environments:
        for name in environment.config.hosts:
            where = f"{name} ({environment.name})"
            given = records.remembered(sent_key(environment, name))
            if not keys and not given:
                continue  # nothing of this store was ever signed, so there is nothing that a host could say of it
            try:
                held = {key: _heads(environment, name, key) for key in keys}
            except HostError as error:
                checked.silent.append(f"The audit.log of {where} could not be read: {error}")
                continue
            checked.asked.append(where)
            _compare(where, held, hashes, given if isinstance(given, int) else 0, checked)


def _heads(environment: Environment, name: str, key: str) -> list[Record]:
    """The checkpoints of one key on a host. Raises HostError."""
    result = environment.hosts[name].script(
        script("heads"), environment.directory, key, str(HEADS), deadline_s=environment.timing.read_s
    )
    word, _, rest = result.text().partition("\n")
    if word == "unreadable":
        raise HostError(name, f"{environment.directory}/.quarterdeck/audit.log cannot be read by this account.")
    if word not in ("log", "none", "ground"):
        raise HostError(name, f"its audit.log was not read: {result.err.decode('utf-8', 'replace')[:200]}")
    heads = []
    for line in rest.splitlines():
        try:
            record = parse_line(line)
        except ValueError:
            continue
        if record.kind == CHECKPOINT and record.stream == STREAM and (record.body or {}).get("key") == key:
            heads.append(record)
    return heads


def _compare(
    where: str, held: Mapping[str, Sequence[Record]], hashes: Mapping[int, str], given: int, checked: Checked
) -> None:
    """What one host holds against what the store holds."""
    newest, end = 0, max(hashes, default=0)
    for key, heads in held.items():
        for head in heads:
            body = head.body or {}
            seq, hash_ = body.get("seq"), str(body.get("head", ""))
            if not isinstance(seq, int) or not signed_by(key, signed_text(seq, hash_), str(body.get("signature", ""))):
                checked.bad.append(f"The audit.log of {where} holds a checkpoint under our key that is not ours.")
                return
            newest = max(newest, head.seq)
            if seq > end:
                checked.bad.append(
                    f"record {end + 1} of {STREAM} is missing: {where} was given record {seq} of this store, and the "
                    f"audit here ends with {end}. Its end was cut off, or an older copy of the store was put in place."
                )
                return
            if hashes.get(seq) != hash_:
                checked.bad.append(
                    f"record {seq} of {STREAM}, or one before it, is another than {where} was given: the audit here "
                    "was written anew."
                )
                return
    if newest < given:
        checked.bad.append(
            f"The audit.log of {where} does not hold checkpoint {given} of this store, which it was given: something "
            "was cut off or replaced there."
        )
