"""The small types that every part of a profile is made of: names, durations, paths, templates, names of secrets.

All models are frozen and refuse unknown keys. Every field has a description: `profile schema` and the documentation
are made from it. A duration is a number of seconds in Python and a number or '30s', '5m', '2h', '1d' in the file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    StrictBool,
    Tag,
    WithJsonSchema,
)

__all__ = [
    "Argv",
    "Flag",
    "HostPath",
    "LocalFile",
    "Name",
    "Placed",
    "Seconds",
    "SecretName",
    "Shape",
    "Text",
    "TextOrSecret",
    "Url",
    "names_into",
    "nearest",
    "secret_names",
    "template_names",
]

_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)")
_UNIT: Final[Mapping[str, float]] = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86_400}
_TEMPLATE: Final = re.compile(r"(?<!\{)\{([A-Za-z_][A-Za-z0-9_.-]*)\}(?!\})")


class Shape(BaseModel):
    """A strict, immutable piece of a profile."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, hide_input_in_errors=True, defer_build=True
    )


class Placed(str):
    """Text from a file that remembers the directory of that file, so that a path in it can be resolved."""

    __slots__ = ("base",)
    base: Path

    def __new__(cls, text: str, base: Path) -> Placed:
        made = super().__new__(cls, text)
        made.base = base
        return made


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that `word` was most likely meant to be, or None where none is near."""
    import difflib

    choices = sorted(known)
    found = difflib.get_close_matches(word.lower(), [choice.lower() for choice in choices], n=1, cutoff=0.6)
    return next((choice for choice in choices if choice.lower() == found[0]), None) if found else None


def template_names(text: str) -> tuple[str, ...]:
    """The names of the variables `{name}` in a text, in order. `{{name}}` is not one."""
    return tuple(_TEMPLATE.findall(text))


def _seconds(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("is a duration: write seconds, or a text such as 30s, 5m, 2h or 1d")
    if isinstance(value, str):
        match = _DURATION.fullmatch(value.strip())
        if match:
            return float(match[1]) * _UNIT[match[2]]
        if re.fullmatch(r"\d+(\.\d+)?", value.strip()):
            return float(value)
        raise ValueError("is not a duration: write seconds, or a text such as 30s, 5m, 2h or 1d")
    return value


def local_file(value: object) -> object:
    """An absolute path on this machine: `~` is expanded, a relative path starts at the file that names it."""
    if isinstance(value, str):
        if not value.strip():
            raise ValueError("is an empty path")
        path = Path(value).expanduser() if value.startswith("~") else Path(value)
        if isinstance(value, Placed) and not path.is_absolute():
            path = value.base / path
        return str(path)
    return value


def _host_path(value: str) -> str:
    if not value.startswith("/"):
        raise ValueError("is a path on the host: it begins with /")
    if ".." in value.split("/"):
        raise ValueError("is a path on the host and may not contain '..'")
    if value.rstrip("/") == "":
        raise ValueError("may not be / itself")
    return value.rstrip("/")


def _url(value: str) -> str:
    from urllib.parse import urlsplit

    if value.startswith("{"):
        return value
    try:
        parts = urlsplit(value)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise ValueError(f"is not an address that can be read ({error})") from None
    if parts.scheme not in ("http", "https") or not host:
        raise ValueError("is an address: it begins with http:// or https:// and names a host")
    return value


def _words(value: object) -> object:
    if isinstance(value, str):
        raise ValueError("is a list of words, one for each argument: no shell reads it (write [docker, ps])")
    return value


def _no_nul(value: tuple[str, ...]) -> tuple[str, ...]:
    if not value[0]:
        raise ValueError("needs the name of a program as its first word")
    if any("\0" in word for word in value):
        raise ValueError("has a word with a NUL byte in it")
    return value


Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$")]
"""a-z, 0-9, '.', '_' and '-', beginning with a letter or digit, at most 63 characters."""

Text = Annotated[str, Field(max_length=4000)]

Flag = StrictBool

Seconds = Annotated[
    float,
    BeforeValidator(_seconds),
    Field(gt=0, le=31 * 86_400),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "exclusiveMinimum": 0},
                {"type": "string", "pattern": r"^\d+(\.\d+)?(ms|s|m|h|d)$"},
            ]
        }
    ),
]

LocalFile = Annotated[str, BeforeValidator(local_file)]
"""A file on this machine: absolute once loaded."""

HostPath = Annotated[str, AfterValidator(_host_path), Field(max_length=1000)]
"""An absolute path on the hosts."""

Url = Annotated[str, AfterValidator(_url), Field(max_length=2000)]

Argv = Annotated[tuple[str, ...], BeforeValidator(_words), Field(min_length=1), AfterValidator(_no_nul)]


SECRET_KEYS: Final = frozenset(("secret", "field", "label", "encode", "missing"))
"""Keys of a mapping that names a secret; all but the first two only inside an environment file."""


class SecretName(Shape):
    """Names a credential in the keyring; never its value. Written `{secret: NAME}`.

    The same plain form as `console.text.secret.SecretRef`, which `SecretRef.from_json(name.model_dump())` makes of it:
    profiles stand on the lowest floor and know no keyring.
    """

    secret: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")] = Field(
        description="Name of the credential, as in `quarterdeck credentials set NAME`."
    )
    field: Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$")] | None = Field(
        default=None, description="One field of a credential whose value is a JSON object (user name and password)."
    )


def _text_or_secret(value: object) -> Literal["text", "name of a secret"]:
    return "name of a secret" if isinstance(value, dict | SecretName) else "text"


TextOrSecret = Annotated[
    Annotated[str, Tag("text")] | Annotated[SecretName, Tag("name of a secret")], Discriminator(_text_or_secret)
]
"""A text that may hold {variables}, or `{secret: NAME}`."""


def secret_names(value: object) -> tuple[SecretName, ...]:
    """Every `{secret: NAME}` inside a part of a profile, or a JSON value, in order: they may stand anywhere."""
    if isinstance(value, SecretName):
        return (value,)
    if isinstance(value, BaseModel):
        return secret_names(value.model_dump(mode="json"))
    if isinstance(value, Mapping):
        if "secret" in value and set(value) <= SECRET_KEYS and isinstance(value["secret"], str):
            return (SecretName.model_validate({key: value[key] for key in ("secret", "field") if key in value}),)
        return tuple(name for inner in value.values() for name in secret_names(inner))
    if isinstance(value, list | tuple):
        return tuple(name for inner in value for name in secret_names(inner))
    return ()


def _put_names(value: object) -> object:
    if not isinstance(value, Mapping):
        return value
    named: dict[Any, Any] = {}
    for key, body in value.items():
        if isinstance(body, dict) and "name" not in body:
            named[key] = {**body, "name": str(key)}
        elif isinstance(body, BaseModel) and not getattr(body, "name", key):
            named[key] = body.model_copy(update={"name": key})
        else:
            named[key] = body
    return named


names_into: Final = BeforeValidator(_put_names)
"""On a mapping of named things: each value learns its own name from its key."""
