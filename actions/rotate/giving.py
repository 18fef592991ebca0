"""The Ops by which a consumer gets a value: commands under the guard, and a file on this machine."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from console.runs.api import Command, OpContext, OpHandler, Outcome
from console.text.secret import labelled


def give(ctx: OpContext, args: Mapping[str, Any]) -> Outcome:
    """`rotate.give@1`: {commands, reload}. Each command in turn, then the services are made anew."""
    evidence: list[str] = []
    for body in args["commands"]:
        outcome = ctx.guarded(Command.model_validate(body))
        if outcome.verdict != "yes":
            return outcome
        evidence.append(outcome.evidence)
    return Outcome(verdict="yes", evidence="\n".join(one for one in evidence if one))


def file(ctx: OpContext, args: Mapping[str, Any]) -> Outcome:
    """`rotate.file@1`: {name, label, path}. The value alone, 0600, by a temporary file and a rename."""
    path = Path(args["path"])
    text = _content(ctx, args)
    aside = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    try:
        descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as written:
                written.write(text)
                written.flush()
                os.fsync(written.fileno())
            aside.replace(path)
        finally:
            aside.unlink(missing_ok=True)
    except OSError as error:
        return Outcome(verdict="no", evidence=f"{path} cannot be written: {error.strerror}.")
    return file_is(ctx, args)


def file_is(ctx: OpContext, args: Mapping[str, Any]) -> Outcome:
    """`rotate.file_is@1`: {name, label, path}. Does it hold the value of that label?"""
    path, word = Path(args["path"]), labelled(args["name"], args["label"])
    try:
        found = path.read_text("utf-8")
        mode = path.stat().st_mode & 0o777
    except FileNotFoundError:
        return Outcome(verdict="no", evidence=f"{path} is not there")
    except (OSError, UnicodeDecodeError) as error:
        return Outcome(verdict="unknown", evidence=f"{path} cannot be read: {error}")
    if found.rstrip("\n") != ctx.secret(word):
        return Outcome(verdict="no", evidence=f"{path} does not hold {word}")
    if mode & 0o077:
        return Outcome(verdict="no", evidence=f"{path} can be read by others ({mode:o})")
    return Outcome(verdict="yes", evidence=f"{path} holds {word}")


def _content(ctx: OpContext, args: Mapping[str, Any]) -> str:
    """A key of several lines ends with a line feed, which SSH wants; a value of one line stands alone."""
    value = ctx.secret(labelled(args["name"], args["label"]))
    return f"{value}\n" if "\n" in value else value


OPS: Mapping[str, OpHandler] = {"rotate.give@1": give, "rotate.file@1": file, "rotate.file_is@1": file_is}
