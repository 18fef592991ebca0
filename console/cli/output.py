"""What the command line prints, and the code it ends with.

People's text goes to standard error, except for what was asked for; with `--json` standard output holds one JSON
document and nothing else. What comes from outside was sanitised below, and once more here: this is the last door.
Secrets that the command has read are taken out here as well. What only looks like one stays, in a plan say: a command
could stand behind it. It was masked where it was read.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NoReturn

from console.text.times import clock as clock
from console.text.times import clock_of as clock_of

if TYPE_CHECKING:
    from console.text.redact import Redactor

DONE, FAILED, USAGE, HUMAN, REFUSED, UNREACHABLE, UNFINISHED, CANCELLED = 0, 1, 2, 3, 4, 5, 6, 130


class Exit(Exception):
    """Ends the command line with a code; with a sentence where something has still to be said."""

    def __init__(self, code: int, sentence: str = "", ways_out: Sequence[str] = ()) -> None:
        super().__init__(sentence)
        self.code = code
        self.ways_out = tuple(ways_out)


_redactors: list[Redactor] = []
"""Of the sessions of this process, nearly always one."""


def redact_with(redactor: Redactor) -> None:
    """From now on nothing is printed that this redactor knows, whenever it learns it."""
    from console.text.writer import SafeWriter

    _redactors.append(redactor)
    if isinstance(sys.stderr, SafeWriter):
        sys.stderr.redact_with(redactor)


def redacted(text: str) -> str:
    """The text without secrets, and without what looks like one: for traces, which quote anything."""
    for redactor in _redactors:
        text = redactor.text(text)
    return text


def _known(text: str) -> str:
    for redactor in _redactors:
        text = redactor.known(text)
    return text


_profile: list[str] = []
"""The profile that this command was told to take, if it was told."""
_COMMAND = re.compile(
    r"\bquarterdeck (?=(?:status|plan|run|runs|releases|lock|unlock|checklist|credentials|hosts|audit|doctor)\b)"
)
"""One of our own commands that needs a profile, in a sentence that says what to do."""


def told_profile(profile: str | None) -> None:
    """From now on every command of ours that is printed for a person to type names this profile, as he named it."""
    _profile[:] = [profile] if profile else []


def typed(sentence: str, otherwise: str = "") -> str:
    """A sentence of ours, its commands with the `-p` without which they would be about something else.

    `otherwise`: the profile that they are about, where none was told.
    """
    named = _profile[0] if _profile else otherwise
    return _COMMAND.sub(lambda _: f"quarterdeck -p {shlex.quote(named)} ", sentence) if named else sentence


def say(text: str = "") -> None:
    """A line for the person, on standard error. Where nobody listens any more, nothing is said."""
    out = getattr(sys.stderr, "below", sys.stderr)  # made safe here: see console.text.writer
    with suppress(OSError, ValueError):
        out.write(_safe(typed(text)) + "\n")
        out.flush()


def _safe(text: str) -> str:
    """The text with nothing in it that steers a terminal, and no secret."""
    from console.text.sanitise import clean_text

    return _known(clean_text(text))


def give(text: str) -> None:
    """What was asked for, on standard output.

    A reader that has enough (`| head`) changes nothing, least of all the exit code. Where it cannot be written for
    another reason (a full disk) the command ends with 6: what it did is done, and its answer is lost.
    """
    _print(typed(text))


def _print(text: str) -> None:
    try:
        sys.stdout.write(_safe(text) + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        # What is left in the buffer would be tried again when the interpreter ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        fail(UNFINISHED, f"Standard output cannot be written: {error.strerror}.")


def give_json(value: Any) -> None:
    """The one JSON document, in ASCII: any reader takes it, whatever its locale."""
    from console.live.masked import masked

    plain = json.loads(json.dumps(value, default=str))
    _print(json.dumps(masked(plain, _known), indent=1))


def fail(code: int, sentence: str, ways_out: Sequence[str] = ()) -> NoReturn:
    """End with `code`; the sentence and what to do are said at the edge, as text or as JSON."""
    raise Exit(code, sentence, ways_out)


def end(ended: Exit, *, as_json: bool) -> int:
    """Say what is still to be said, and the exit code. With `as_json` it is the one document as well."""
    sentence = str(ended)
    if not sentence:
        return ended.code
    from console.text.sanitise import clean_lines

    for line in clean_lines(sentence):
        say(line)
    for way in ended.ways_out:
        say("\n    ".join(clean_lines(f"  - {way}")))
    if as_json:
        try:
            ways = [typed(way) for way in ended.ways_out]
            give_json({"error": typed(sentence), "ways_out": ways, "exit_code": ended.code})
        except Exit as lost:
            return lost.code
    return ended.code


def told(error: Exception) -> Exit | None:
    """How an expected error ends the command line; None for an error that nobody expected."""
    from console.live.door import as_asked

    known = as_asked(error)
    return Exit(known.exit_code, str(known), known.ways_out) if known is not None else None


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Plain columns, two spaces apart, as wide as what is in them."""
    every = [list(columns), *[[str(cell) for cell in row] for row in rows]]
    widths = [max(len(row[index]) for row in every) for index in range(len(columns))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in every
    )


def iso(at: float) -> str | None:
    """RFC 3339 in UTC for machines; None for 0."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds") if at else None


def ago(seconds: float) -> str:
    """`12 s`, `4 min`, `3 h`, `5 d`."""
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(0.0, seconds):.0f} s"


def ask_tty(question: str, otherwise: str = "") -> str:
    """A line typed by a person on the terminal itself, whatever standard input and output are joined to.

    Where there is no terminal nobody can confirm: exit code 4, and `otherwise` says how it is done without one. At
    the end of input (Ctrl-D) exit code 130.
    """
    try:
        terminal = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY)
    except OSError:
        fail(REFUSED, "There is no terminal to ask on, so nobody has confirmed.", (otherwise,) if otherwise else ())
    # Two streams: a terminal cannot be sought in, so that Python opens none for reading and writing.
    with (
        open(os.dup(terminal), "w", encoding="utf-8", errors="replace") as out,  # noqa: PTH123
        open(terminal, encoding="utf-8", errors="replace") as typed,  # noqa: PTH123
    ):
        out.write(_safe(question))
        out.flush()
        line = typed.readline()
    if not line:
        raise Exit(CANCELLED, "Nothing was typed; nothing was changed.")
    return line.rstrip("\n")


def yes_typed(question: str, otherwise: str = "") -> bool:
    """Whether a person typed yes. Anything else is no."""
    return ask_tty(question, otherwise).strip().lower() in ("y", "yes")
