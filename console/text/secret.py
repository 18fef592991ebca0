"""Secrets and their names.

A `Secret` is a value that must not be seen: it masks itself wherever Python would print, format, pickle or
serialise it, and gives its value to nothing but `reveal()`. A `SecretRef` is the *name* of a credential in the
keyring: it may be printed, stored and compared freely. Profiles, plans and journals only ever hold references.

This module imports nothing heavy, so that every floor of the house can use it.
"""

from __future__ import annotations

import hmac
import re
from typing import Any, Final, Literal, NoReturn, get_args

MASK: Final = "<secret>"
SECRET_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
Label = Literal["pending", "current", "previous", "retired"]
"""What a value of a credential is: about to be used, in use, still accepted after a rotation, no longer accepted."""
LABELS: Final[tuple[Label, ...]] = get_args(Label)
_FIELD: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")


class SecretNameError(ValueError):
    """A credential's name, or a field of it, has a form that the keyring does not take."""


class SecretLeak(TypeError):
    """Something tried to copy a secret out by pickling or serialising it."""


def labelled(name: str, label: Label = "current") -> str:
    """The one word for a value of a credential: `jwt`, `jwt#pending`. So plans name it and resolvers are asked."""
    return name if label == "current" else f"{name}#{label}"


def name_and_label(word: str) -> tuple[str, Label]:
    """What `labelled` was given. Raises SecretNameError for a label that there is not."""
    name, mark, label = word.partition("#")
    if not mark:
        return name, "current"
    if label not in LABELS:
        raise SecretNameError(f"A value of a credential is labelled {', '.join(LABELS)}; nothing else.")
    return name, label


class Secret:
    """A value that shows itself to nobody who does not ask with `reveal()`.

    Not a `str` on purpose: it cannot be joined into a command line, written to a file or sent as JSON by
    mistake. Two secrets are compared in constant time; a secret never equals a plain string.
    """

    __slots__ = ("__value",)
    __value: str

    def __init__(self, value: str) -> None:
        if not isinstance(value, str):
            raise TypeError("A secret is made from text; got " + type(value).__name__ + ".")
        object.__setattr__(self, "_Secret__value", value)

    def reveal(self) -> str:
        """The value itself. Whoever calls this answers for where it goes: standard input or a 0600 file."""
        return self.__value

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError("A secret cannot be changed; make another one.")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError("A secret cannot be changed; make another one.")

    def __repr__(self) -> str:
        return MASK

    def __str__(self) -> str:
        return MASK

    def __format__(self, spec: str) -> str:
        return MASK

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        mine = self.__value.encode("utf-8", "surrogatepass")
        theirs = other.__value.encode("utf-8", "surrogatepass")
        return hmac.compare_digest(mine, theirs)

    # A hash of the value would be a fingerprint that anybody can test guesses against.
    __hash__ = None  # type: ignore[assignment]

    def __bool__(self) -> bool:
        return bool(self.__value)

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise SecretLeak("A secret cannot be pickled or copied out; pass its SecretRef instead.")

    def __getstate__(self) -> NoReturn:
        raise SecretLeak("A secret cannot be pickled or copied out; pass its SecretRef instead.")

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Secret:
        return self


class SecretRef:
    """The name of a credential in the keyring, and optionally one field of it (`field`, of a JSON value).

    Its plain form is `{"secret": "name"}` or `{"secret": "name", "field": "user"}`; see `to_json` and
    `from_json`. It is a valid pydantic field type (the schema is built only if pydantic asks for it) and is
    written in a profile as `{secret: name}`. A bare string is refused there, because a bare string in such a
    place is more often the secret itself than its name.

    Raises SecretNameError where the name does not match ``[a-z0-9][a-z0-9._-]{0,63}``.
    """

    __slots__ = ("field", "name")
    name: str
    field: str | None

    def __init__(self, name: str, field: str | None = None) -> None:
        # The rejected text is not repeated: it may be a secret that somebody put in the wrong place.
        if not isinstance(name, str) or SECRET_NAME.fullmatch(name) is None:
            raise SecretNameError(
                "The name of a credential is 1 to 64 characters of a-z, 0-9, '.', '_' and '-', and begins with "
                "a letter or a digit. (What was given is not repeated here: it may be the secret itself.)"
            )
        if field is not None and (not isinstance(field, str) or _FIELD.fullmatch(field) is None):
            raise SecretNameError(
                f"The field of credential '{name}' is 1 to 64 characters of letters, digits, '_', '.' and '-'."
            )
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "field", field)

    def to_json(self) -> dict[str, str]:
        """`{"secret": name}`, with `field` only where there is one."""
        return {"secret": self.name} if self.field is None else {"secret": self.name, "field": self.field}

    @classmethod
    def from_json(cls, value: object) -> SecretRef:
        """The reference that `to_json` wrote. Raises SecretNameError for anything else."""
        if isinstance(value, SecretRef):
            return value
        if not isinstance(value, dict) or "secret" not in value or not set(value) <= {"secret", "field"}:
            raise SecretNameError(
                "A credential is named as {secret: NAME}, or {secret: NAME, field: FIELD} for one field of it. "
                "Its value is never written here; it is stored with 'quarterdeck credentials set NAME'."
            )
        return cls(value["secret"], value.get("field"))

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError("A reference cannot be changed; make another one.")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError("A reference cannot be changed; make another one.")

    def __repr__(self) -> str:
        return f"SecretRef({self.name!r})" if self.field is None else f"SecretRef({self.name!r}, {self.field!r})"

    def __str__(self) -> str:
        """The name as shown to people: `name`, or `name#field`. This is not the value."""
        return self.name if self.field is None else f"{self.name}#{self.field}"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SecretRef):
            return NotImplemented
        return (self.name, self.field) == (other.name, other.field)

    def __lt__(self, other: SecretRef) -> bool:
        return (self.name, self.field or "") < (other.name, other.field or "")

    def __hash__(self) -> int:
        return hash((SecretRef, self.name, self.field))

    def __reduce__(self) -> tuple[type[SecretRef], tuple[str, str | None]]:
        return SecretRef, (self.name, self.field)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        from pydantic_core import core_schema

        shape = core_schema.typed_dict_schema(
            {
                "secret": core_schema.typed_dict_field(core_schema.str_schema(pattern=f"^{SECRET_NAME.pattern}$")),
                "field": core_schema.typed_dict_field(
                    core_schema.str_schema(pattern=f"^{_FIELD.pattern}$"), required=False
                ),
            },
            extra_behavior="forbid",
        )
        return core_schema.json_or_python_schema(
            json_schema=core_schema.no_info_after_validator_function(cls.from_json, shape),
            python_schema=core_schema.no_info_plain_validator_function(cls.from_json),
            serialization=core_schema.plain_serializer_function_ser_schema(cls.to_json),
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: Any, handler: Any) -> dict[str, Any]:
        return {
            "type": "object",
            "description": "Names a credential in the keyring; never its value.",
            "properties": {
                "secret": {"type": "string", "pattern": f"^{SECRET_NAME.pattern}$"},
                "field": {"type": "string", "pattern": f"^{_FIELD.pattern}$"},
            },
            "required": ["secret"],
            "additionalProperties": False,
        }
