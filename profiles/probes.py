"""Read-only checks, and the smoke tests of a release."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, JsonValue, model_validator

from profiles.base import Argv, LocalFile, Name, Seconds, SecretName, Shape, Text, TextOrSecret, Url
from profiles.web import Auth, Expect, JsonPath, Match, Regex

__all__ = ["CommandExpect", "CommandProbe", "ComposeProbe", "HttpProbe", "Poll", "Probe", "SmokeStep"]

_Header = Annotated[str, Field(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$")]


class _Probe(Shape):
    name: str = Field(default="", description="Its name: the key it stands under.")
    title: Text = Field(default="", description="What passing means.")
    every: Seconds = Field(default=30.0, description="How often it is asked while a screen shows it.")


class HttpProbe(_Probe):
    """Asks an address."""

    kind: Literal["http"] = Field(description="An HTTP request.")
    url: Url = Field(description="The address. Variables: the names in `urls`.")
    method: Literal["GET", "HEAD"] = Field(default="GET", description="Method; a probe only reads.")
    headers: dict[_Header, TextOrSecret] = Field(default_factory=dict, description="Headers to send.")
    auth: Auth | None = Field(default=None, description="How to log in there.")
    via: Name | None = Field(default=None, description="Host through whose SSH connection it is asked.")
    ca: LocalFile | None = Field(default=None, description="Certificate authority file here.")
    expect: Expect = Field(default_factory=Expect, description="What the answer must be.")
    timeout: Seconds = Field(default=5.0, description="How long the answer may take.")


class CommandExpect(Shape):
    """What a command must answer."""

    code: Annotated[int, Field(ge=0, le=255)] = Field(default=0, description="Its exit code.")
    text: str | None = Field(default=None, description="Text that its output must contain.")
    regex: Regex | None = Field(default=None, description="Regular expression that its output must match somewhere.")


class CommandProbe(_Probe):
    """Runs a command that only reads."""

    kind: Literal["command"] = Field(description="A command on a host, which only reads.")
    argv: Argv = Field(description="The command, word by word. Variables: {directory}.")
    host: Name | None = Field(default=None, description="Host to ask. Default: every host of the environment.")
    stdin: SecretName | None = Field(
        default=None, description="Its standard input: {secret: NAME}. So a password is tried where it is used."
    )
    expect: CommandExpect = Field(default_factory=CommandExpect, description="What it must answer.")
    deadline: Seconds = Field(default=20.0, description="How long it may take.")


class ComposeProbe(_Probe):
    """Looks at the state of services."""

    kind: Literal["compose"] = Field(description="The state of services of the stack.")
    services: tuple[Name, ...] = Field(default=(), description="Services to look at. Default: all.")
    state: Literal["running", "healthy"] = Field(default="healthy", description="State they must all be in.")


Probe = Annotated[HttpProbe | CommandProbe | ComposeProbe, Field(discriminator="kind")]


class Poll(Shape):
    """Ask again until the answer says so."""

    until: dict[JsonPath, Match] = Field(min_length=1, description="What ends the waiting: {$.state: done}.")
    fail: dict[JsonPath, Match] = Field(
        default_factory=dict, description="What ends it as a failure at once: {$.state: failed}."
    )
    every: Seconds = Field(default=2.0, description="Seconds between two requests.")
    deadline: Seconds = Field(default=120.0, description="How long to go on asking.")


class SmokeStep(Shape):
    """One request of the smoke tests. Steps run in order; what one saves, the next may use."""

    name: Name = Field(description="Its name, unique in the list.")
    title: Text = Field(default="", description="What passing means.")
    method: Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"] = Field(default="GET", description="HTTP method.")
    url: Url = Field(description="The address. Variables: names in `urls`, {release}, and what earlier steps saved.")
    headers: dict[_Header, TextOrSecret] = Field(default_factory=dict, description="Headers to send, with variables.")
    body: JsonValue = Field(default=None, description="JSON to send; may hold variables and {secret: NAME}.")
    form: dict[str, TextOrSecret] | None = Field(default=None, description="Form fields to send instead of `body`.")
    auth: Auth | None = Field(default=None, description="How to log in there.")
    via: Name | None = Field(default=None, description="Host through whose SSH connection it is asked.")
    ca: LocalFile | None = Field(default=None, description="Certificate authority file here.")
    expect: Expect = Field(default_factory=Expect, description="What the answer must be.")
    save: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,40}$")], JsonPath] = Field(
        default_factory=dict, description="Variables for later steps, from the JSON answer: {token: $.access_token}."
    )
    poll: Poll | None = Field(default=None, description="Ask again until the answer says so.")
    timeout: Seconds = Field(default=10.0, description="How long one answer may take.")

    @model_validator(mode="after")
    def _one_body(self) -> SmokeStep:
        if self.body is not None and self.form is not None:
            raise ValueError("has both `body` and `form`: a request carries one of them")
        return self
