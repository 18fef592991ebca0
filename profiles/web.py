"""What probes, smoke steps and feeds share about HTTP: who asks, and what is expected."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, JsonValue, model_validator

from profiles import jsonpath
from profiles.base import Flag, SecretName, Shape

__all__ = ["Auth", "Expect", "JsonPath", "Match", "Regex", "Status"]


def _path(value: str) -> str:
    jsonpath.parse(value)
    return value


def _regex(value: str) -> str:
    try:
        re.compile(value)
    except (re.error, OverflowError) as error:
        raise ValueError(f"is not a regular expression: {error}") from None
    return value


def _one_or_many(value: object) -> object:
    return (value,) if isinstance(value, int | str) and not isinstance(value, bool) else value


JsonPath = Annotated[str, Field(max_length=300), AfterValidator(_path)]
"""A place in a JSON document: `$.items[0].id`."""

Regex = Annotated[str, Field(min_length=1, max_length=500), AfterValidator(_regex)]

Status = Annotated[
    tuple[Annotated[int, Field(ge=100, le=599)], ...], BeforeValidator(_one_or_many), Field(min_length=1)
]
"""One HTTP status or a list of them."""

Texts = Annotated[tuple[Annotated[str, Field(min_length=1)], ...], BeforeValidator(_one_or_many)]


class Basic(Shape):
    """HTTP basic authentication."""

    username: str = Field(min_length=1, description="User name.")
    password: SecretName = Field(description="Password: {secret: NAME}.")


class Auth(Shape):
    """How a request says who asks: `basic` or `bearer`, one of them."""

    basic: Basic | None = Field(default=None, description="User name and password.")
    bearer: SecretName | None = Field(default=None, description="Token: {secret: NAME}.")

    @model_validator(mode="after")
    def _one(self) -> Auth:
        if (self.basic is None) == (self.bearer is None):
            raise ValueError("needs exactly one of `basic` and `bearer`")
        return self


class Match(Shape):
    """What one value of a JSON document must be. A plain value means `value`."""

    value: JsonValue = Field(default=None, description="It equals this.")
    regex: Regex | None = Field(default=None, description="It is a text in which this is found.")
    exists: Flag | None = Field(default=None, description="It is there (true), or is not (false).")
    at_least: float | None = Field(default=None, description="It is a number of at least this.")
    at_most: float | None = Field(default=None, description="It is a number of at most this.")

    @model_validator(mode="before")
    @classmethod
    def _plain(cls, value: Any) -> Any:
        return value if isinstance(value, dict | Match) else {"value": value}

    @model_validator(mode="after")
    def _says(self) -> Match:
        if not self.model_fields_set & {"value", "regex", "exists", "at_least", "at_most"}:
            raise ValueError("expects nothing: say `value`, `regex`, `exists`, `at_least` or `at_most`")
        return self

    def failure(self, found: bool, value: JsonValue) -> str | None:
        """None where the value is as expected, else what is wrong, as the end of a sentence."""
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if self.exists is False:
            return "is there and should not be" if found else None
        if not found:
            return "is not in the answer"
        if self.regex is not None and not (isinstance(value, str) and re.search(self.regex, value)):
            return f"is {_short(value)} and does not match {self.regex}"
        if self.at_least is not None and not (number and float(value) >= self.at_least):  # type: ignore[arg-type]
            return f"is {_short(value)} and should be at least {self.at_least:g}"
        if self.at_most is not None and not (number and float(value) <= self.at_most):  # type: ignore[arg-type]
            return f"is {_short(value)} and should be at most {self.at_most:g}"
        if "value" in self.model_fields_set and self._compares and (value != self.value or _kind(value, self.value)):
            return f"is {_short(value)} and should be {_short(self.value)}"
        return None

    @property
    def _compares(self) -> bool:
        """A stored match lists every key; `value: null` beside another demand then demands nothing."""
        others = (self.regex, self.exists, self.at_least, self.at_most)
        return self.value is not None or all(other is None for other in others)


def _kind(one: JsonValue, other: JsonValue) -> bool:
    """True and 1 are equal to Python and not to JSON."""
    return isinstance(one, bool) != isinstance(other, bool)


def _short(value: JsonValue) -> str:
    import json

    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "…"


class Expect(Shape):
    """What an answer must be."""

    status: Status = Field(default=(200,), description="Status, or a list of statuses that are all right.")
    values: dict[JsonPath, Match] = Field(
        default_factory=dict, description="Values in the JSON answer: {$.status: ok, $.id: {exists: true}}."
    )
    text: Texts = Field(default=(), description="Texts that the answer must contain.")
    max_ms: Annotated[float, Field(gt=0)] | None = Field(
        default=None, description="The whole answer must be there within so many milliseconds."
    )
