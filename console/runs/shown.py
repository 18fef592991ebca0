"""Effects in words, for plans, journals and differences. Pure."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Set
from contextlib import suppress
from typing import Any

from console.hosts.command import Command, InputText
from console.runs.api import Op, Park
from profiles.inline import masked_words

LONGEST = 600
"""Characters of what an Op was given, in a plan; `--json` shows all of it."""
FOLD = 1600
"""Characters of a line, so that not even the longest form of each is cut where it is shown."""
_CONTROLS = {
    **{code: chr(0x2400 + code) for code in range(0x20) if chr(code) not in "\t\n"},
    0x7F: "\u2421",
    **{code: f"<U+{code:04X}>" for code in range(0x80, 0xA0)},
}


def duration(seconds: float) -> str:
    """A duration that was chosen by somebody, in words, exactly: `2 d 3 h`, `90 s` is `1 min 30 s`."""
    left, words = seconds, []
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if left >= size:
            words.append(f"{left // size:.0f} {unit}")
            left %= size
    if left or not words:
        words.append(f"{left:g} s")
    return " ".join(words)


def effect_text(effect: Command | Op | Park | None) -> str:
    """What an effect is, as a person would type it; for an Op its name and arguments."""
    if effect is None:
        return ""
    if isinstance(effect, Park):
        again = f"; then look again at {', '.join(effect.still)}" if effect.still else ""
        return f"wait {duration(effect.seconds)}, in which the environment is free{again}"
    if isinstance(effect, Command):
        return effect.shown()
    arguments = _inside(effect.args)
    return f"{effect.name} {arguments if len(arguments) <= LONGEST else arguments[: LONGEST - 1] + '…'}"


def _inside(args: Mapping[str, Any]) -> str:
    """What an Op was given, without what is empty: `label=pending wanted=false look=(by=command …)`."""
    return " ".join(f"{name}={_value(one)}" for name, one in sorted(args.items()) if one not in (None, "", [], {}, ()))


def _value(value: Any) -> str:
    """A command as a person would type it; other values plainly."""
    if isinstance(value, dict):
        if value.get("kind") == "command":
            with suppress(ValueError):
                return f"[{Command.model_validate(value).shown()}]"
        return f"({_inside(value)})"
    if isinstance(value, list | tuple):
        return ",".join(map(_value, value))
    if isinstance(value, str):
        return shlex.quote(value)
    return json.dumps(value)


def effect_whole(effect: Command | Op | Park | None, scripts: Set[str]) -> str:
    """The same with nothing left out, on several lines: for a plan that was not made here.

    Only plain words that look like secrets are masked: whatever can be a command, a person must see. So nothing of it
    is taken for a terminal's sequence, and no line is too long to be shown.
    `scripts`: texts of this program's own fixed scripts, which need not be read again; any other one is given whole.
    """
    if effect is None:
        return ""
    text = masked_words(_whole(effect, scripts)).translate(_CONTROLS)
    return "\n".join(line[at : at + FOLD] for line in text.split("\n") for at in range(0, len(line) or 1, FOLD))


def _whole(effect: Command | Op | Park, scripts: Set[str]) -> str:
    if isinstance(effect, Park):
        return effect_text(effect)
    if not isinstance(effect, Command):
        return f"{effect.name} {json.dumps(effect.args, ensure_ascii=False, sort_keys=True)}"
    argv, words = effect.argv, [f"{name}={shlex.quote(value)}" for name, value in effect.env]
    words += ["sudo", "-n"] if effect.become == "sudo" else []
    if argv[:2] == ("sh", "-c") and len(argv) > 3 and argv[2] in scripts:
        # No word of a command can look like this one: it would be quoted.
        words, argv = [*words, f"{{fixed script of {argv[2].count(chr(10))} lines}}"], argv[3:]
    line = " ".join([*words, *(shlex.quote(word) for word in argv)])
    if effect.cwd:
        line = f"cd {shlex.quote(effect.cwd)} && {line}"
    if effect.ok != (0,):
        line += f"\nsuccess: exit code {', '.join(map(str, effect.ok))}"
    if effect.no_answer:
        line += f"\nneither yes nor no: exit code {', '.join(map(str, effect.no_answer))}"
    if isinstance(effect.stdin, InputText):
        line += f"\nstandard input, {len(effect.stdin.text.encode())} bytes:\n{effect.stdin.text}"
    elif effect.stdin is not None:
        line += "\nstandard input: " + json.dumps(effect.stdin.model_dump(mode="json"), sort_keys=True)
    return line
