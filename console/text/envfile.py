"""How a value is written in an environment file so that whoever reads it gets back that value, and nothing else.

Three kinds of readers: Docker Compose (`env_file:`, `docker compose --env-file`), a POSIX shell (`set -a; . FILE`) and
Docker itself (`docker run --env-file`, which takes each line as it stands and knows no quotes). Where the readers of a
file agree on no way to write a value, it is refused: a password that one of them reads differently is an outage.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final, Literal

Reader = Literal["compose", "shell", "docker"]
DEFAULT_READERS: Final[tuple[Reader, ...]] = ("compose", "shell")

# Means itself to all three, unquoted. Not '~' (a shell expands it after '=' and ':'), not '#' (a comment in places).
_PLAIN: Final = re.compile(r"[A-Za-z0-9_./:@%+,=^-]*")
_NO_TEXT: Final = re.compile(r"[\ud800-\udfff]")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]")


class CannotBeWritten(ValueError):
    """A value that the readers of a file would not all read back as it is. Names what is in the way, not the value."""


def written(value: str, readers: Collection[Reader] = DEFAULT_READERS) -> str:
    """The value as it stands behind `KEY=`. Raises CannotBeWritten."""
    if _PLAIN.fullmatch(value):
        return value
    if _NO_TEXT.search(value):
        raise CannotBeWritten("it holds bytes that are not UTF-8, which nobody would read back alike")
    found = _CONTROL.search(value)
    if found:
        what = "an end of line" if found[0] in "\n\r" else "a control character"
        raise CannotBeWritten(f"it holds {what}, which an environment file has no way to write")
    if "docker" in readers:
        if set(readers) == {"docker"}:
            if value != value.strip():
                raise CannotBeWritten("it begins or ends with a space, which not every version of Docker keeps")
            return value
        odd = next(character for character in value if not _PLAIN.fullmatch(character))
        raise CannotBeWritten(
            f"it holds {_called(odd)}, which needs quotes for {_list(readers)}, and `docker run --env-file` takes "
            "quotes as part of the value"
        )
    if "'" in value:
        raise CannotBeWritten("it holds a single quote, which Docker Compose and a shell do not read alike in any form")
    if value.endswith("\\"):
        raise CannotBeWritten("it ends with a backslash, which Docker Compose takes to quote the quote behind it")
    return f"'{value}'"


def _called(character: str) -> str:
    return {" ": "a space", "'": "a single quote", '"': "a double quote"}.get(character, f"the character {character}")


def _list(readers: Collection[Reader]) -> str:
    names = {"compose": "Docker Compose", "shell": "a shell"}
    return " and ".join(names[one] for one in ("compose", "shell") if one in readers)
