"""Environment files that the console writes on hosts: their model, and the template beside the profile.

    # a comment stands on its own line
    LOG_LEVEL=info
    PUBLIC_URL=https://{domain}/          {environment}, {directory}, {host}, `urls` and `variables` of the profile
    JWT_SECRET={secret: jwt}
    DATABASE_URL=postgresql://app:{secret: db, field: password, encode: url}@db/app
    JWT_SECRET_PREVIOUS={secret: jwt, label: previous, missing: empty}
    BRACES={{as they are}}

Values are written without quotes: the console quotes them as the readers of the file need it. The loader reads the
template once; a run has its lines in the profile that is stored with it, and never looks at the file again.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import Discriminator, Field, Tag

from profiles.base import LocalFile, Name, SecretName, Shape, nearest
from profiles.errors import Mark, ProfileProblem
from profiles.leaks import kind_of

__all__ = ["EnvironmentFile", "FileSecret", "FileValue", "FileVariable", "is_placeholder", "read_template"]

MAX_LINES: Final = 500
_KEY: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PART: Final = re.compile(r"\{\{|\}\}|\{\s*secret\s*:([^{}]*)\}|\{([A-Za-z_][A-Za-z0-9_.-]*)\}|[{}]")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_PLACEHOLDER: Final = re.compile(
    r"(?i)<[^<>]*>|change[-_ ]?(me|it|this)|todo|fixme|tbd|x{3,}|\*{3,}|\.{3,}|(replace|fill)[-_ ]?(me|this|in)|"
    r"your[-_ ].*|(put|insert|enter)[-_ ].*[-_ ]here"
)


def is_placeholder(value: str) -> bool:
    """Whether a value is what people write where the real one is still to come: `changeme`, `TODO`, `<password>`."""
    return _PLACEHOLDER.fullmatch(value.strip()) is not None


class FileSecret(SecretName):
    """A secret inside a value."""

    label: Literal["pending", "current", "previous", "retired"] = Field(
        default="current", description="Which of its values: a rotation keeps several."
    )
    encode: Literal["raw", "url"] = Field(default="raw", description="url: percent-encoded, inside an address.")
    missing: Literal["refused", "empty"] = Field(
        default="refused", description="empty: where the keyring has no such value, nothing stands there."
    )


class FileVariable(Shape):
    """A variable whose value is known for each host only."""

    variable: Literal["host"] = Field(description="The host's name in the profile.")


def _kind(value: object) -> Literal["text", "secret", "variable"]:
    if isinstance(value, str):
        return "text"
    keys = value if isinstance(value, Mapping) else getattr(value, "__dict__", {})
    return "variable" if "variable" in keys else "secret"


FilePart = Annotated[
    Annotated[str, Tag("text")] | Annotated[FileSecret, Tag("secret")] | Annotated[FileVariable, Tag("variable")],
    Discriminator(_kind),
]


class FileValue(Shape):
    """One line of a template: the key, and what its value is put together of."""

    key: str = Field(description="Name of the setting.")
    value: tuple[FilePart, ...] = Field(default=(), description="Texts, secrets and variables, in order.")


class EnvironmentFile(Shape):
    """A file of KEY=VALUE lines on the hosts, written from a template with credentials of the keyring."""

    name: str = Field(default="", description="Its name: the key it stands under.")
    path: Annotated[str, Field(min_length=1, max_length=1000, pattern=r"^[^-\x00-\x1f\x7f][^\x00-\x1f\x7f]*$")] = Field(
        description="Where it lies on the hosts, absolute or relative to `directory`."
    )
    template: LocalFile = Field(description="The template here, relative to the profile.")
    mode: Literal["0600", "0640", "0400", "0440"] = Field(default="0600", description="Its mode.")
    owner: Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_.-]{0,31}(:[a-z_][a-z0-9_.-]{0,31})?$")] | None = Field(
        default=None, description="USER or USER:GROUP. Default: whose it is, else the account that deploys."
    )
    hosts: tuple[Name, ...] = Field(default=(), description="Hosts that have it. Default: all of the environment.")
    services: tuple[Name, ...] = Field(
        default=(), description="Services that read it when they start: a change starts them anew."
    )
    readers: Annotated[tuple[Literal["compose", "shell", "docker"], ...], Field(min_length=1)] = Field(
        default=("compose", "shell"),
        description="Who reads it, and so which quoting all of them take. docker: `docker run --env-file`.",
    )
    entries: tuple[FileValue, ...] = Field(
        default=(), description="The lines of the template. Written by the loader, never in a file."
    )


def read_template(
    text: str, file: str, values: Mapping[str, str], path: str
) -> tuple[tuple[FileValue, ...], list[ProfileProblem], list[tuple[Mark, FileSecret]]]:
    """The lines of a template, the mistakes in it, and where each secret is named.

    `values`: what stands for each variable. `path`: of the file's entry in the profile, for the mistakes.
    """
    reader = _Reader(file, values, path)
    entries: dict[str, FileValue] = {}
    lines = text.split("\n")
    if len(lines) > MAX_LINES:
        reader.say(MAX_LINES + 1, 1, f"The template has more than {MAX_LINES} lines.", "Is it the right file?")
        lines = []
    for number, line in enumerate(lines, 1):
        line = line.removesuffix("\r")
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        entry = reader.line(number, line)
        if entry is not None and entry.key in entries:
            reader.say(number, 1, f"`{entry.key}` is set twice.", "Keep one of the lines.")
        elif entry is not None:
            entries[entry.key] = entry
    if not entries and not reader.problems:
        reader.say(1, 1, "The template sets nothing.", "Write a line KEY=value, or KEY={secret: NAME}.")
    return tuple(entries.values()), reader.problems, reader.secrets


class _Reader:
    def __init__(self, file: str, values: Mapping[str, str], path: str) -> None:
        self._file, self._values, self._path = file, values, path
        self.problems: list[ProfileProblem] = []
        self.secrets: list[tuple[Mark, FileSecret]] = []

    def say(self, line: int, column: int, wrong: str, right: str = "") -> None:
        self.problems.append(ProfileProblem(Mark(self._file, line, column), self._path, wrong, right))

    def line(self, number: int, line: str) -> FileValue | None:
        """One line that is neither empty nor a comment; None where it is wrong."""
        found = _CONTROL.search(line)
        if found:
            self.say(number, found.start() + 1, "A control character stands in this line.", "Remove it.")
            return None
        indent = len(line) - len(line.lstrip())
        head, equals, tail = line.partition("=")
        key = head.strip()
        if key.startswith("export "):
            self.say(number, indent + 1, "`export` is not part of an environment file.", "Leave it out.")
            return None
        if not equals:
            self.say(number, indent + 1, "This line has no `=`.", "Write KEY=value; a comment begins with #.")
            return None
        if not _KEY.fullmatch(key):
            self.say(number, indent + 1, f"`{key[:60]}` cannot be the name of a setting.", "Use A-Z, 0-9 and '_'.")
            return None
        at = len(head) + 1 + len(tail) - len(tail.lstrip())
        value = tail.strip()
        before = len(self.problems)
        parts = tuple(self._parts(number, at, value))
        self._checked(number, at, key, value, parts)
        return FileValue(key=key, value=parts) if len(self.problems) == before else None

    def _parts(self, number: int, at: int, value: str) -> Iterator[str | FileSecret | FileVariable]:
        texts: list[str] = []
        last = 0
        for match in _PART.finditer(value):
            texts.append(value[last : match.start()])
            last = match.end()
            column = at + match.start() + 1
            made: FileSecret | FileVariable | None = None
            if match[0] in ("{{", "}}"):
                texts.append(match[0][0])
            elif match[0] in ("{", "}"):
                self.say(number, column, f"A single `{match[0]}` means nothing here.", "Write it twice for itself.")
            elif match[2] is not None:
                if match[2] == "host":
                    made = FileVariable(variable="host")
                else:
                    texts.append(self._variable(number, column, match[2]))
            else:
                made = self._secret(number, column, match[1])
            if made is not None:
                if "".join(texts):
                    yield "".join(texts)
                texts = []
                yield made
        texts.append(value[last:])
        if "".join(texts):
            yield "".join(texts)

    def _variable(self, number: int, column: int, name: str) -> str:
        if name in self._values:
            return self._values[name]
        known: Collection[str] = ("host", *self._values)
        near = nearest(name, known)
        listed = " ".join(f"{{{one}}}" for one in known)
        right = f"Did you mean {{{near}}}?" if near else f"Known here: {listed}. A secret is {{secret: NAME}}."
        self.say(number, column, f"The variable {{{name}}} is not known here.", right)
        return ""

    def _secret(self, number: int, column: int, text: str) -> FileSecret | None:
        from pydantic import ValidationError

        name, *rest = (part.strip() for part in text.split(","))
        body: dict[str, Any] = {"secret": name}
        for part in rest:
            key, colon, value = (piece.strip() for piece in part.partition(":"))
            if key not in ("field", "label", "encode", "missing") or not colon or key in body:
                right = "Write {secret: NAME}, and if need be field, label, encode or missing behind it, once each."
                self.say(number, column, f"`{part[:60]}` means nothing here.", right)
                return None
            body[key] = value
        try:
            made = FileSecret.model_validate(body)
        except ValidationError as error:
            place = str(error.errors()[0]["loc"][0])
            right = {
                "label": "A label is pending, current, previous or retired.",
                "encode": "`encode` is raw or url.",
                "missing": "`missing` is refused or empty.",
                "field": "A field is 1 to 64 of A-Z, a-z, 0-9, '_', '.' and '-'.",
            }.get(place, "The name of a credential is 1 to 64 of a-z, 0-9, '.', '_' and '-'.")
            self.say(number, column, f"This `{place}` cannot be.", right)
            return None
        self.secrets.append((Mark(self._file, number, column), made))
        return made

    def _checked(
        self, number: int, at: int, key: str, value: str, parts: tuple[str | FileSecret | FileVariable, ...]
    ) -> None:
        column = at + 1
        if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
            self.say(number, column, f"The value of `{key}` stands in quotes.", "Leave them out: they are put there.")
        if re.search(r"(^|\s)#", value):
            right = "Put it on a line of its own. A value may not hold ' #': readers do not agree on what it means."
            self.say(number, column, "A comment does not stand behind a value.", right)
        text = "".join(part if isinstance(part, str) else "{secret}" for part in parts)
        if all(isinstance(part, str) for part in parts) and is_placeholder(text):
            right = "Write the value, or {secret: NAME}."
            self.say(number, column, f"`{key}` has a placeholder for a value.", right)
        what = kind_of(text)
        if what:
            right = (
                "Store it with `quarterdeck credentials set NAME`, declare NAME under `credentials:`, and write "
                "{secret: NAME} here. If this file was ever shared, renew the secret."
            )
            self.say(number, column, f"This looks like {what}. A template holds no secret.", right)
