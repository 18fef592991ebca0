"""Finds what looks like a secret in a compose or environment file, and masks it. The value is never repeated.

Such a file is uploaded with a release: what stands in it goes into the run's journal and to the hosts, so a secret
belongs into the environment file there, and `${NAME}` here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final, NamedTuple

from profiles.leaks import kind_of

if TYPE_CHECKING:
    from profiles.models import Profile

__all__ = ["Inline", "files_of", "inline_secrets", "masked", "masked_words", "templates_of"]

_WORDS: Final = (
    r"[A-Za-z0-9_.-]*(?:PASSWORD|PASSWD|PASSPHRASE|SECRET|TOKEN|(?<![A-Z])(?:API|ACCESS|PRIVATE|SECRET)?KEY(?![A-Z]))"
    r"[A-Za-z0-9_.-]*"
)
_NAME: Final = re.compile(
    rf"""(?P<name>{_WORDS})["']?\s*(?:=|:(?=\s))\s*(?P<value>\S.*)$""",
    re.IGNORECASE,
)
_WORD: Final = re.compile(
    rf"""(?:^[ \t]*(?:-[ \t]+)?["']?(?P<key>{_WORDS})["']?:[ \t]+["']?|(?P<name>{_WORDS})["']?=["']?)"""
    r"""(?P<value>[A-Za-z0-9_@%+=:,./~!?^*-]+)|://[^\s/:@"'<>]{0,256}:(?P<password>[A-Za-z0-9_%+=,.~!?^*-]+)(?=@)""",
    re.IGNORECASE | re.MULTILINE,
)
"""A value that is one plain word, which no shell and no YAML takes for anything but a value."""
_NOT_A_VALUE: Final = re.compile(
    r"(?i).*[_.-](FILE|PATH|DIR|TTL|SECONDS|MINUTES|HOURS|DAYS|LENGTH|SIZE|COUNT|ALG|ALGORITHM|TYPE|EXPIR\w*)"
)
_HARMLESS: Final = re.compile(r"(?i)(true|false|yes|no|null|~|none)?\s*(#.*)?|/run/secrets/\S+|[\[{*&!<].*")
_DEFAULT: Final = re.compile(r"\$\{[A-Za-z0-9_]+:?-[^}$]")
"""`${NAME:-value}`: written out after all."""
_MASK: Final = "<redacted>"


class Inline(NamedTuple):
    """A place that looks like a secret."""

    line: int
    name: str
    """The name of the setting, or what its value looks like."""


def inline_secrets(text: str) -> tuple[Inline, ...]:
    """Every line of a compose or environment file that holds what looks like a secret, in their order."""
    return tuple(found for number, line in enumerate(text.splitlines(), 1) if (found := _found(number, line)))


def masked(text: str) -> str:
    """The text for a person: the values that look like secrets are replaced, lines and names stay."""
    lines, below = [], -1
    for number, line in enumerate(text.splitlines(keepends=True), 1):
        indent = len(line) - len(line.lstrip())
        if below >= 0 and (indent > below or not line.strip()):
            lines.append(line if not line.strip() else line[:indent] + _MASK + line[len(line.rstrip("\r\n")) :])
            continue
        below = -1
        end = line[len(line.rstrip("\r\n")) :]
        found = _found(number, line.rstrip("\r\n"))
        if found is None:
            lines.append(line)
            continue
        match = _NAME.search(line.rstrip("\r\n"))
        if match is None or match["name"] != found.name:
            lines.append(f"{line[:indent]}{_MASK}{end}")
        else:
            lines.append(f"{line[: match.start('value')]}{_MASK}{end}")
            below = indent if match["value"][0] in "|>" else -1
    return "".join(lines)


def masked_words(text: str) -> str:
    """The same for what a person must be able to judge whole: hidden is a plain word at most, never a command."""

    def one(match: re.Match[str]) -> str:
        name, value = match["key"] or match["name"], match["value"] or match["password"]
        if name is not None and (_NOT_A_VALUE.fullmatch(name) or _HARMLESS.fullmatch(value)):
            return match[0]
        return match[0].removesuffix(value) + _MASK

    return _WORD.sub(one, text)


def files_of(texts: Mapping[str, str]) -> Iterable[str]:
    """A sentence for each such place in files by their path."""
    for path, text in texts.items():
        for found in inline_secrets(text):
            yield (
                f"{path}, line {found.line}: {found.name} looks like a secret that is written out. The file is "
                "uploaded: the value goes into the journal of every run and to the hosts. Put it into the "
                "environment file there and write ${NAME} here; renew it if this file was ever shared."
            )


def templates_of(profile: Profile) -> Iterable[str]:
    """A sentence for each setting of a template that looks like a secret which is written out."""
    for environment in profile.environments.values():
        for file in environment.files.values():
            for entry in file.entries:
                if all(isinstance(part, str) for part in entry.value) and inline_secrets(
                    f"{entry.key}={''.join(map(str, entry.value))}"
                ):
                    yield (
                        f"{file.template}: {entry.key} looks like a secret that is written out. Store it with "
                        "`quarterdeck credentials set NAME` and write {secret: NAME}; renew it if this file was ever "
                        "shared."
                    )


def _found(number: int, line: str) -> Inline | None:
    match = _NAME.search(line)
    if match is not None and not _NOT_A_VALUE.fullmatch(match["name"]):
        value = match["value"].strip().strip("\"'").strip()
        named = re.search(r"\$[{A-Za-z_]", value.replace("$$", "")) and not _DEFAULT.search(value)
        if not named and not _HARMLESS.fullmatch(value):
            return Inline(number, match["name"])
    what = kind_of(line)
    return Inline(number, what) if what else None
