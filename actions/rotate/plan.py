"""The plan of a rotation: one order for every kind. Pure.

guard       what the keyring has works, and a made-up value does not
mint        the new value is stored as pending, before anything outside is changed
accept …    it is made to be accepted
give …      every consumer gets it, host after host
prove …     it works, seen from where it is used
promote     in the keyring: it is current, the old one previous
overlap     both are accepted; the run is parked, the environment is free
retire …    the old one is made worthless: asked for before
dead …      the old one is refused, the new one accepted
retired     in the keyring: the old one is retired, and kept so that all of this can be undone by value
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from actions.change import smoke_op
from actions.rotate import by_command, by_database, by_jwt, by_reaching, by_ssh_key, consumers, github
from actions.rotate.facts import ROTATION, RotateFacts
from actions.rotate.labels import mint_step, promote_step, retire_step
from actions.rotate.params import RotateParams
from actions.rotate.parts import Parts, in_a_row
from actions.rotate.roles import made
from console.runs.api import Block, Park, Plan, Refusal, Step, TableBlock, TextBlock
from console.runs.shown import duration
from profiles.models import Rotation

KINDS: Mapping[str, Callable[[RotateFacts, Any, RotateParams], Parts | Refusal]] = {
    "command": by_command.parts,
    "database": by_database.parts,
    "jwt": by_jwt.parts,
    "ssh-key": by_ssh_key.parts,
    "grafana": by_reaching.grafana,
    "github": github.parts,
    "webhook": by_reaching.webhook,
}


def plan(facts: RotateFacts, params: RotateParams) -> Plan | Refusal:
    """All of it."""
    refusal = _not_known(facts, params)
    if refusal is not None:
        return refusal
    rotation = ROTATION.validate_python(facts.rotation)
    refusal = _wrong(facts, params, rotation) or consumers.problems(facts, rotation)
    if refusal is not None:
        return refusal
    parts = KINDS[rotation.kind](facts, rotation, params)
    if isinstance(parts, Refusal):
        return parts
    if parts.form.form == "given" and ("pending" not in facts.fingerprints or params.discard):
        return _nothing_pending(facts)
    steps, overlap = _steps(facts, params, rotation, parts)
    name = facts.credential
    return Plan(
        action="rotate",
        environment=facts.environment,
        title=f"Rotate {facts.name} of {facts.environment}" + (" (emergency)" if params.emergency else ""),
        claims=(f"credential:{name}", f"environment:{facts.environment}"),
        hosts=facts.hosts,
        steps=tuple(steps),
        blocks=_blocks(facts, params, rotation, parts, overlap),
        credentials=tuple(
            dict.fromkeys((name, *parts.credentials, *consumers.other_credentials(facts, rotation), *_smoke(facts)))
        ),
        makes=made(name),
        as_before=f"the old value of {name} ({facts.fingerprints.get('current', '')}) is used everywhere again",
    )


def _steps(facts: RotateFacts, params: RotateParams, rotation: Rotation, parts: Parts) -> tuple[list[Step], float]:
    name, old = facts.credential, facts.fingerprints["current"]
    mint = mint_step(
        name,
        parts.form.model_dump(mode="json"),
        old=old,
        pending=facts.fingerprints.get("pending", ""),
        discard=params.discard,
    )
    given = consumers.give(facts, rotation) if parts.give is None else parts.give
    first = [
        *parts.guard,
        *consumers.as_planned(facts, rotation),
        mint,
        *parts.accept,
        *given,
        *parts.prove,
        promote_step(name, old),
    ]
    if facts.site is not None and facts.site.smoke and (version := _version(facts)) is not None:
        title = f"smoke tests ({len(facts.site.smoke)} requests)"
        first.append(Step(id="smoke", title=title, run=smoke_op(facts.site, version), cancel="now"))
    overlap = rotation.overlap or 0.0 if parts.overlap and not params.emergency else 0.0
    if overlap:
        first.append(
            Step(
                id="overlap",
                title=f"old and new are both accepted for {duration(overlap)}; the environment is free meanwhile",
                run=Park(seconds=overlap, still=_still(first)),
            )
        )
    last = [step for step in parts.retire if not (params.emergency and step.id in parts.patient)]
    if last and (params.ask or parts.always_asks):
        last[0] = last[0].model_copy(update={"asks": parts.question or _question(facts, rotation)})
    proved = bool(parts.prove or parts.dead or any(step.id.startswith(("works.", "workflow.")) for step in given))
    return in_a_row([*first, *last, *parts.dead, retire_step(name, old, proved=proved)]), overlap


def _version(facts: RotateFacts) -> str | None:
    site = facts.site
    release = site.release(site.in_front[0].live.release) if site is not None else None
    return release.candidate if release is not None else None


def _smoke(facts: RotateFacts) -> tuple[str, ...]:
    return facts.site.credentials() if facts.site is not None else ()


def _still(steps: list[Step]) -> tuple[str, ...]:
    """What must still hold after the overlap: that the keyring is as it was left."""
    return tuple(step.id for step in steps if step.id == "promote")


def _question(facts: RotateFacts, rotation: Rotation) -> str:
    return (
        f"The new value of {facts.credential} is used by every consumer that the profile names. From here on the old "
        "one is made worthless: whoever else still uses it fails then. Go on, undo, or leave both accepted?"
    )


def _not_known(facts: RotateFacts, params: RotateParams) -> Refusal | None:
    if facts.name:
        return None
    known = ", ".join(facts.known) or "none"
    return Refusal(
        reason=f"The profile does not say how {params.credential} is rotated on {facts.environment}.",
        ways_out=(f"it has rotations for: {known}", "write one under `rotations` (docs/profile.md)"),
    )


def _wrong(facts: RotateFacts, params: RotateParams, rotation: Rotation) -> Refusal | None:
    name, found = facts.credential, facts.fingerprints
    if "current" not in found:
        return Refusal(
            reason=f"There is no credential {name} in the keyring, so there is nothing to rotate from.",
            ways_out=(f"store the value that works now: quarterdeck credentials set {name}",),
        )
    if "previous" in found:
        return Refusal(
            reason=f"The value of {name} before the present one ({found['previous']}) is still accepted: a rotation of "
            "it has not come to its end.",
            ways_out=(
                "bring that to its end: quarterdeck runs, then quarterdeck runs resume ID or undo ID",
                f"if its run is gone and the old value is known to be worthless: quarterdeck credentials remove {name} "
                "--label previous",
            ),
        )
    if facts.elsewhere:
        return Refusal(
            reason=f"{name} is used by {', '.join(facts.elsewhere)} as well, which this rotation does not reach: there "
            "the old value would stay, and fail once it is worthless.",
            ways_out=("give each environment a credential of its own",),
        )
    return None


def _nothing_pending(facts: RotateFacts) -> Refusal:
    name = facts.credential
    return Refusal(
        reason=f"A person makes the new value of {name}, and none is stored as pending.",
        ways_out=(
            f"make it{f' ({facts.where})' if facts.where else ''}, and store it: quarterdeck credentials set {name} "
            "--label pending",
        ),
    )


def _blocks(
    facts: RotateFacts, params: RotateParams, rotation: Rotation, parts: Parts, overlap: float
) -> tuple[Block, ...]:
    found = facts.fingerprints
    blocks: list[Block] = []
    if params.emergency:
        text = "There is no overlap: whoever uses the old value from the moment it is made worthless fails."
        blocks.append(TextBlock(title="Emergency", text=parts.emergency or text, tone="bad"))
    blocks += [TextBlock(title="Attention", text=text, tone="warn") for text in parts.warnings]
    if not rotation.consumers:
        text = "The profile names no consumer: nobody but the keyring gets the new value."
        blocks.append(TextBlock(title="Attention", text=text, tone="warn"))
    pending = found.get("pending")
    new = f"{pending}, kept from before" if pending and not params.discard else "made by this run"
    discarded = ((f"discarded: {pending}", ""),) if pending and params.discard else ()
    blocks.append(
        TableBlock(
            title=f"Values of {facts.credential}, by their fingerprints",
            columns=("value", "fingerprint"),
            rows=(("old", found["current"]), ("new", new), *discarded),
        )
    )
    rows = tuple(
        (consumer.name, ", ".join(consumers.places(facts, consumer)), consumers.how(consumer))
        for consumer in rotation.consumers.values()
    )
    if rows:
        blocks.append(TableBlock(title="Who uses it", columns=("consumer", "hosts", "gets it by"), rows=rows))
    if overlap:
        text = f"{duration(overlap)}. The environment is free for other work; {facts.credential} is not."
        blocks.append(TextBlock(title="Overlap", text=text))
    return tuple(blocks)
