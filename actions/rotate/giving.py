"""The Ops by which a consumer gets a value: commands under the guard, services anew, and a file on this machine."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from actions.rotate.ssh_key import public
from console.runs.api import Command, OpContext, OpHandler, Outcome
from console.text.sanitise import clean
from console.text.secret import labelled

Accepts = Callable[[OpContext, Mapping[str, Any]], Outcome]


def _give(accepts: Accepts, ctx: OpContext, args: Mapping[str, Any]) -> Outcome:
    """`rotate.give@1`: {commands, written, looks, anew}. Each command in turn, then the services are made anew.

    Where all of it is so already (this is the second attempt, say) nothing is done, and no service is stopped for it.
    A command of the profile has no such look: whether it was done before is not known, so it is done again.
    """
    seen = len(args["written"]) == len(args["commands"])
    if args["written"] and seen and _stands(ctx, args).verdict == "yes":
        return Outcome(verdict="yes", evidence="it is so already")
    evidence: list[str] = []
    for body in args["commands"]:
        outcome = ctx.guarded(Command.model_validate(body))
        if outcome.verdict != "yes":
            return outcome
        evidence.append(outcome.evidence)
    if args["anew"]["services"]:
        outcome = _anew(ctx, args["anew"])
        if outcome.verdict != "yes":
            return outcome
        evidence.append(outcome.evidence)
    return Outcome(verdict="yes", evidence="\n".join(one for one in evidence if one))


def _anew(ctx: OpContext, anew: Mapping[str, Any]) -> Outcome:
    """Make services anew, of whatever release is live by now: another one may have been deployed in between."""
    stack, host = ctx.environment.stack, ctx.host()
    ground = stack.ground(host)
    release = next((one for one in ground.releases if one.id == ground.live.release), None)
    if release is None:
        return Outcome(
            verdict="no",
            evidence=f"What runs on {host.name} is no release that is recorded there, so its services cannot be made "
            "anew as they are.",
        )
    names = tuple(anew["services"])
    outcome = ctx.guarded(stack.start_anew(ground, release, names))
    if outcome.verdict != "yes":
        return outcome
    healthy = _healthy(ctx, anew)
    if healthy.verdict != "yes":
        return healthy
    return Outcome(verdict="yes", evidence=f"{', '.join(names)} of {release.shown()} made anew. {healthy.evidence}")


def _healthy(ctx: OpContext, anew: Mapping[str, Any]) -> Outcome:
    from console.runs.handlers import HANDLERS

    outcome = HANDLERS["stack.healthy@1"](ctx, {"services": anew["services"], "release": None})
    if outcome.verdict == "yes" and anew["lines"]:
        return HANDLERS["log.ready@1"](ctx, {"lines": anew["lines"], "release": None})
    return outcome


def _given(accepts: Accepts, ctx: OpContext, args: Mapping[str, Any]) -> Outcome:
    """`rotate.given@1`: the same arguments. Is it written, services made anew since, and does what must work?"""
    standing = _stands(ctx, args)
    if standing.verdict != "yes":
        return standing
    evidence = [standing.evidence]
    if args["anew"]["services"]:
        healthy = _healthy(ctx, args["anew"])
        if healthy.verdict != "yes":
            return healthy
    for look in args["looks"]:
        outcome = accepts(ctx, look)
        if outcome.verdict != "yes":
            return outcome
        evidence.append(outcome.evidence)
    return Outcome(verdict="yes", evidence="\n".join(one for one in evidence if one))


def _stands(ctx: OpContext, args: Mapping[str, Any]) -> Outcome:
    """Are the files as they are to be, and the services' containers made since?"""
    host, anew = ctx.host(), args["anew"]
    for body in args["written"]:
        look = Command.model_validate(body)
        result = host.run(look, stdin=ctx.input(look))
        if result.rc != 0:
            said = clean((result.err or result.out).decode("utf-8", "replace").strip()[-400:])
            return Outcome(verdict="no" if result.rc == 1 else "unknown", evidence=said or f"exit code {result.rc}")
    if not anew["services"] or not anew["paths"]:
        return Outcome(verdict="yes", evidence="it is written" if args["written"] else "")
    become = anew.get("become", "none")
    result = host.run(Command(argv=("stat", "-c", "%Y", "--", *anew["paths"]), become=become, deadline_s=20.0))
    if result.rc != 0:
        return Outcome(verdict="no", evidence=clean(result.err.decode("utf-8", "replace").strip()[-400:]))
    newest = max(float(line) for line in result.text().split())
    live = ctx.environment.stack.live(host)
    for name in anew["services"]:
        service = live.service(name)
        if service is None or service.state != "running":
            return Outcome(verdict="no", evidence=f"{name} does not run")
        if not service.made or datetime.fromisoformat(service.made.replace("Z", "+00:00")).timestamp() < newest:
            return Outcome(verdict="no", evidence=f"{name} was made before its environment file was written")
    return Outcome(verdict="yes", evidence=f"written, and {', '.join(anew['services'])} made anew since")


def file(ctx: OpContext, args: Mapping[str, Any]) -> Outcome:
    """`rotate.file@1`: {name, label, path}. The value alone, 0600, by a temporary file and a rename.

    A KEY.pub that lies beside a private key is renewed as well: by one of before, a client would offer the old key.
    """
    path = Path(args["path"])
    try:
        _put(path, _content(ctx, args), 0o600)
        if line := _public_line(ctx, args):
            _put(_pub(path), line + "\n", 0o644)
    except OSError as error:
        return Outcome(verdict="no", evidence=f"{path} cannot be written: {error.strerror}.")
    return file_is(ctx, args)


def _put(path: Path, text: str, mode: int) -> None:
    """Raises OSError."""
    aside = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as written:
            written.write(text)
            written.flush()
            os.fsync(written.fileno())
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def _pub(path: Path) -> Path:
    return path.with_name(path.name + ".pub")


def _public_line(ctx: OpContext, args: Mapping[str, Any]) -> str:
    """What KEY.pub has to say; "" where there is none, or the value is no private key."""
    if not _pub(Path(args["path"])).exists():
        return ""
    try:
        return public(ctx.secret(labelled(args["name"], args["label"])))
    except ValueError:
        return ""


def file_is(ctx: OpContext, args: Mapping[str, Any]) -> Outcome:
    """`rotate.file_is@1`: {name, label, path}. Does it hold the value of that label?"""
    path, word = Path(args["path"]), labelled(args["name"], args["label"])
    try:
        found = path.read_text("utf-8")
        mode = path.stat().st_mode & 0o777
        line = _public_line(ctx, args)
        other = line and not _pub(path).read_text("utf-8").startswith(line)
    except FileNotFoundError:
        return Outcome(verdict="no", evidence=f"{path} is not there")
    except (OSError, UnicodeDecodeError) as error:
        return Outcome(verdict="unknown", evidence=f"{path} cannot be read: {error}")
    if found.rstrip("\n") != ctx.secret(word):
        return Outcome(verdict="no", evidence=f"{path} does not hold {word}")
    if other:
        return Outcome(verdict="no", evidence=f"{_pub(path)} is not of the key {word}")
    if mode & 0o077:
        return Outcome(verdict="no", evidence=f"{path} can be read by others ({mode:o})")
    return Outcome(verdict="yes", evidence=f"{path} holds {word}")


def _content(ctx: OpContext, args: Mapping[str, Any]) -> str:
    """A key of several lines ends with a line feed, which SSH wants; a value of one line stands alone."""
    value = ctx.secret(labelled(args["name"], args["label"]))
    return f"{value}\n" if "\n" in value else value


def ops(accepts: Accepts) -> Mapping[str, OpHandler]:
    """The handlers; `accepts` is that of `rotate.accepts@1`."""
    return {
        "rotate.give@1": partial(_give, accepts),
        "rotate.given@1": partial(_given, accepts),
        "rotate.file@1": file,
        "rotate.file_is@1": file_is,
    }
