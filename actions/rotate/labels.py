"""The steps of a rotation that happen in the keyring: the new value is made and stored, and values change their labels.

Each judges what is there by fingerprints, so that it may be done again after it was cut off in the middle. Values never
leave the keyring here, but for the one that is made.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from actions.rotate.values import CannotBeMade, Form, make
from console.runs.api import Op, OpContext, OpHandler, Outcome, Step
from console.text.secret import Label

HERE_S = 60.0


def mint_step(name: str, form: Mapping[str, Any], *, old: str, pending: str, discard: bool) -> Step:
    """Make the new value, or keep the one that is pending. `old`, `pending`: their fingerprints when planning."""
    args = {"name": name, "form": dict(form), "old": old, "pending": pending, "discard": discard}
    guided = form.get("form") == "given"
    kept = bool(pending) and not discard
    title = f"keep the pending value of {name} ({pending})" if kept else f"make a new value of {name}, pending"
    return Step(
        id="mint",
        title=f"use the pending value of {name} ({pending})" if guided else title,
        run=Op(name="rotate.mint@1", args=args, writes=True, deadline_s=HERE_S),
        check=Op(name="rotate.minted@1", args=args, deadline_s=HERE_S),
        undo=Op(name="rotate.discard@1", args={**args, "keep": guided or kept}, writes=True, deadline_s=HERE_S),
    )


def promote_step(name: str, old: str) -> Step:
    """pending becomes current, current becomes previous."""
    args = {"name": name, "old": old}
    return Step(
        id="promote",
        title=f"in the keyring: the pending value of {name} is current, the old one previous",
        run=Op(name="rotate.promote@1", args=args, writes=True, deadline_s=HERE_S),
        check=Op(name="rotate.promoted@1", args=args, deadline_s=HERE_S),
        undo=Op(name="rotate.demote@1", args=args, writes=True, deadline_s=HERE_S),
    )


def retire_step(name: str, old: str, *, proved: bool) -> Step:
    """previous becomes retired. `proved`: steps before it have seen the new value work."""
    args = {"name": name, "old": old, "proved": proved}
    return Step(
        id="retired",
        title=f"in the keyring: the old value of {name} is retired",
        run=Op(name="rotate.retire@1", args=args, writes=True, deadline_s=HERE_S),
        check=Op(name="rotate.is_retired@1", args=args, deadline_s=HERE_S),
        undo=Op(name="rotate.unretire@1", args=args, writes=True, deadline_s=HERE_S),
    )


def mint(ctx: OpContext, args: Mapping[str, Any]) -> Outcome:
    """`rotate.mint@1`: {name, form, old, pending, discard}. The value that is pending stays, unless it is discarded."""
    name, found = args["name"], ctx.keyring.fingerprints(args["name"])
    if found.get("current") != args["old"]:
        return _no(f"the current value of {name} is not the one that was planned with ({args['old']})")
    there = found.get("pending")
    if there is not None and not (args["discard"] and there == args["pending"]):
        return _yes(f"the pending value {there} is kept", new=there)
    form = Form.model_validate(args["form"])
    if form.form == "given":
        return _no(
            f"There is no pending value of {name}. A person makes it, and stores it with: quarterdeck credentials set "
            f"{name} --label pending"
        )
    try:
        value = make(form, lambda: ctx.secret(name))
    except CannotBeMade as error:
        return _no(str(error))
    new = ctx.keyring.store(name, "pending", value)
    if new == args["old"]:
        return _no("the value that was made is the old one")
    return _yes(f"the pending value is {new}", new=new)


def minted(ctx: OpContext, args: Mapping[str, Any]) -> Outcome:
    """`rotate.minted@1`: is there a pending value, and not the one that was to be discarded?"""
    there = ctx.keyring.fingerprints(args["name"]).get("pending")
    if there is None or (args["discard"] and there == args["pending"]):
        return _no(f"there is no new pending value of {args['name']}")
    return _yes(f"the pending value is {there}", new=there)


def discard(ctx: OpContext, args: Mapping[str, Any]) -> Outcome:
    """`rotate.discard@1`: the undo of minting. With `keep`, a value that was pending before the run stays so."""
    if args.get("keep"):
        return _yes("the pending value stays: it was there before")
    ctx.keyring.drop(args["name"], "pending")
    return _yes("the pending value is gone")


def _stands(found: Mapping[Label, str], old: str, at: Label) -> bool:
    return found.get(at) == old


def promote(ctx: OpContext, args: Mapping[str, Any]) -> Outcome:
    """`rotate.promote@1`: {name, old}. In an order that loses no value, whenever it is cut off."""
    keyring, name, old = ctx.keyring, args["name"], args["old"]
    found = keyring.fingerprints(name)
    if _stands(found, old, "current"):
        if "pending" not in found:
            return _no(f"there is no pending value of {name}")
        keyring.copy(name, "current", "previous")
        keyring.copy(name, "pending", "current")
        keyring.drop(name, "pending")
    elif _stands(found, old, "previous"):
        if found.get("pending", found.get("current")) != found.get("current"):
            return _changed(name, old, found)
        keyring.drop(name, "pending")
    else:
        return _changed(name, old, found)
    return promoted(ctx, args)


def promoted(ctx: OpContext, args: Mapping[str, Any]) -> Outcome:
    """`rotate.promoted@1`: is the old value previous, and another one current?"""
    found = ctx.keyring.fingerprints(args["name"])
    over = _stands(found, args["old"], "previous") and found.get("current") not in (None, args["old"])
    if over and "pending" not in found:
        return _yes(f"current is {found['current']}, previous is {args['old']}")
    return _no(_said(found))


def demote(ctx: OpContext, args: Mapping[str, Any]) -> Outcome:
    """`rotate.demote@1`: the undo of promoting. The old value is current again, the new one pending."""
    keyring, name, old = ctx.keyring, args["name"], args["old"]
    found = keyring.fingerprints(name)
    if not _stands(found, old, "current"):
        if not _stands(found, old, "previous"):
            return _changed(name, old, found)
        keyring.copy(name, "current", "pending")
        keyring.copy(name, "previous", "current")
    if _stands(found, old, "previous"):
        keyring.drop(name, "previous")
    return _yes(f"current is {old} again")


def retire(ctx: OpContext, args: Mapping[str, Any]) -> Outcome:
    """`rotate.retire@1`: {name, old, proved}. It stays in the keyring, so that the rotation can be undone by value."""
    keyring, name, old = ctx.keyring, args["name"], args["old"]
    found = keyring.fingerprints(name)
    if _stands(found, old, "previous"):
        keyring.copy(name, "previous", "retired")
        keyring.drop(name, "previous")
    elif not _stands(found, old, "retired"):
        return _changed(name, old, found)
    if args.get("proved", True):  # a plan of before it was said has its proofs before this step
        keyring.verified(name)
    return _yes(f"{old} is retired")


def is_retired(ctx: OpContext, args: Mapping[str, Any]) -> Outcome:
    """`rotate.is_retired@1`."""
    found = ctx.keyring.fingerprints(args["name"])
    good = _stands(found, args["old"], "retired") and "previous" not in found
    return _yes(_said(found)) if good else _no(_said(found))


def unretire(ctx: OpContext, args: Mapping[str, Any]) -> Outcome:
    """`rotate.unretire@1`: the undo of retiring."""
    keyring, name, old = ctx.keyring, args["name"], args["old"]
    found = keyring.fingerprints(name)
    if not _stands(found, old, "previous"):
        if not _stands(found, old, "retired"):
            return _changed(name, old, found)
        keyring.copy(name, "retired", "previous")
    if _stands(found, old, "retired"):
        keyring.drop(name, "retired")
    return _yes(f"{old} is previous again")


def _said(found: Mapping[Label, str]) -> str:
    return ", ".join(f"{label} is {fingerprint}" for label, fingerprint in sorted(found.items())) or "nothing is there"


def _changed(name: str, old: str, found: Mapping[Label, str]) -> Outcome:
    return _no(f"The keyring was changed by somebody else meanwhile: {_said(found)}; {name} was {old} when this began.")


def _yes(evidence: str, **outputs: str) -> Outcome:
    return Outcome(verdict="yes", evidence=evidence, outputs=dict(outputs))


def _no(evidence: str) -> Outcome:
    return Outcome(verdict="no", evidence=evidence)


OPS: Mapping[str, OpHandler] = {
    "rotate.mint@1": mint,
    "rotate.minted@1": minted,
    "rotate.discard@1": discard,
    "rotate.promote@1": promote,
    "rotate.promoted@1": promoted,
    "rotate.demote@1": demote,
    "rotate.retire@1": retire,
    "rotate.is_retired@1": is_retired,
    "rotate.unretire@1": unretire,
}
