"""A command as data: what is run on a host, and nothing about how.

Lives on the floor of the hosts. Actions and stacks build Commands, plans store them, the engine hands them to a Host.
A Command is a list of words, never a line of shell: nothing is quoted because nothing is parsed. A secret cannot get
into `argv` or `env`: both hold plain strings that the plan shows, and a secret is named, by its name in the keyring,
only as standard input, alone or inside a file that the runner fills in (`InputTemplate`).
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from console.text.envfile import DEFAULT_READERS, Reader
from console.text.secret import Label, labelled

MAX_ARGV_BYTES = 100_000
"""Linux refuses a single word above 128 KiB (MAX_ARG_STRLEN); a long text belongs on standard input."""


class Frozen(BaseModel):
    """A strict, immutable value: unknown keys are refused, so that an old journal cannot be half understood."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class InputText(Frozen):
    """Standard input that the plan shows: a file's content, a query."""

    kind: Literal["text"] = "text"
    text: str


class InputSecret(Frozen):
    """Standard input read from the keyring at the moment of use, by the runner, and journalled nowhere."""

    kind: Literal["secret"] = "secret"
    name: str
    """The credential's name in the keyring."""
    field: str | None = None
    """One field of it, where its value is a JSON object."""
    label: Label = "current"
    """Which of its values: a rotation keeps several."""

    @property
    def credential(self) -> str:
        """What a plan lists and a resolver is asked for: `jwt`, `jwt#pending`."""
        return labelled(self.name, self.label)

    @property
    def shown(self) -> str:
        """In words."""
        of = f"field {self.field} of " if self.field else ""
        which = "" if self.label == "current" else f", its {self.label} value"
        return f"{of}the credential {self.name}{which}"

    @model_serializer(mode="wrap")
    def _short(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Without the label where it is the current value: a plan of before there were labels keeps its digest."""
        body: dict[str, Any] = handler(self)
        if self.label == "current":
            body.pop("label", None)
        return body


class TemplateSecret(InputSecret):
    """A secret in the middle of a text."""

    encode: Literal["raw", "url"] = "raw"
    """`url`: percent-encoded, for the password in an address."""
    missing: Literal["refused", "empty"] = "refused"
    """`empty`: where the keyring has no such value, nothing stands there (the previous key before a first rotation)."""


class TemplateValue(Frozen):
    """A value of an environment file: quoted as a whole once its secrets are known, or refused (`text.envfile`).

    It stands behind `KEY=` and does not hold the end of the line.
    """

    kind: Literal["value"] = "value"
    parts: tuple[Annotated[InputText | TemplateSecret, Field(discriminator="kind")], ...]
    readers: tuple[Reader, ...] = DEFAULT_READERS
    """Who reads the file, and so which quoting all of them understand."""


class InputTemplate(Frozen):
    """Standard input of text with secrets in it, put together by the runner at the moment of use.

    Plan, journal and digest hold the texts and the names and labels of the secrets.
    """

    kind: Literal["template"] = "template"
    parts: tuple[Annotated[InputText | TemplateSecret | TemplateValue, Field(discriminator="kind")], ...]

    @property
    def secrets(self) -> tuple[TemplateSecret, ...]:
        """Every secret in it, in order."""
        flat = (inner for part in self.parts for inner in (part.parts if isinstance(part, TemplateValue) else (part,)))
        return tuple(part for part in flat if isinstance(part, TemplateSecret))

    @property
    def shown(self) -> str:
        """The text with `{secret: NAME}` where the runner puts a value."""
        return "".join(_shown(part) for part in self.parts)


class InputOutput(Frozen):
    """Standard input taken from what an earlier step of the same run put into its outputs."""

    kind: Literal["output"] = "output"
    step: str
    name: str


Input = Annotated[InputText | InputSecret | InputTemplate | InputOutput, Field(discriminator="kind")]


def _shown(part: InputText | TemplateSecret | TemplateValue) -> str:
    if isinstance(part, InputText):
        return part.text
    if isinstance(part, TemplateValue):
        return "".join(_shown(inner) for inner in part.parts)
    marks = (
        f", field: {part.field}" if part.field else "",
        f", label: {part.label}" if part.label != "current" else "",
        f", encode: {part.encode}" if part.encode != "raw" else "",
        f", missing: {part.missing}" if part.missing != "refused" else "",
    )
    return "{secret: " + part.name + "".join(marks) + "}"


def secrets_of(stdin: Input | None) -> Iterator[InputSecret]:
    """Every secret that a standard input names."""
    if isinstance(stdin, InputSecret):
        yield stdin
    elif isinstance(stdin, InputTemplate):
        yield from stdin.secrets


class Command(Frozen):
    """One program on one host.

    `writes` says whether it can change the host: a Host's `run` refuses such a command, and `guarded` runs it under
    the fence. `detach` lets it live on when the connection does not. `container` is the name of the one-off container
    that it starts, if it starts one: cancel, take-over and deadline stop and kill by that name, since killing a
    client does not end what Docker runs. In `argv` and `container`, and nowhere else, the three words `{run}`,
    `{step}` and `{attempt}` stand for the running step's own names, when `container` is given.
    """

    kind: Literal["command"] = "command"
    argv: tuple[str, ...] = Field(min_length=1)
    stdin: Input | None = None
    writes: bool = False
    detach: bool = False
    become: Literal["none", "sudo"] = "none"
    deadline_s: float = Field(default=60.0, gt=0, le=86_400)
    ok: tuple[int, ...] = (0,)
    """Exit codes that mean success."""
    no_answer: tuple[int, ...] = ()
    """Exit codes by which something that only looks says that what it asks did not answer: neither yes nor no."""
    env: tuple[tuple[str, str], ...] = ()
    """Extra environment, shown in the plan: settings, never secrets."""
    cwd: str | None = None
    container: str | None = None

    @model_validator(mode="after")
    def _sound(self) -> Command:
        if not self.argv[0]:
            raise ValueError("a command needs the name of a program as its first word")
        for word in self.argv:
            if "\0" in word:
                raise ValueError("a word of a command cannot hold a NUL byte")
        if sum(len(word.encode()) + 1 for word in self.argv) > MAX_ARGV_BYTES:
            raise ValueError(
                f"the command's words are longer than {MAX_ARGV_BYTES} bytes; hand long text over as standard input"
            )
        if (self.detach or self.container) and not self.writes:
            raise ValueError("a detached command and a one-off container need `writes`: they leave traces on the host")
        return self

    @model_serializer(mode="wrap")
    def _stored(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """As it was stored before there was `no_answer`, where there is none: a plan of then keeps its digest."""
        found: dict[str, Any] = dump(self)
        if not self.no_answer:
            found.pop("no_answer", None)
        return found

    def shown(self) -> str:
        """The command as a person would type it, for plans and logs. Never handed to a shell."""
        words = [f"{name}={shlex.quote(value)}" for name, value in self.env]
        words += [shlex.quote(word) for word in (("sudo", "-n") if self.become == "sudo" else ())]
        argv, lines = self.argv, 0
        if argv[:2] == ("sh", "-c") and len(argv) > 3 and "\n" in argv[2]:
            lines, argv = argv[2].strip().count("\n") + 1, argv[3:]
        words += [shlex.quote(word) if len(word) <= 400 else f"'{word[:40]}…'" for word in argv]
        line = " ".join(words)
        if lines:
            line += f"  # a fixed script of {lines} lines: `quarterdeck plan --json` shows it"
        if self.cwd:
            line = f"cd {shlex.quote(self.cwd)} && {line}"
        if isinstance(self.stdin, InputSecret):
            line += f"  # standard input: {self.stdin.shown}"
        elif isinstance(self.stdin, InputTemplate):
            names = ", ".join(dict.fromkeys(one.credential for one in self.stdin.secrets))
            line += f"  # standard input: a file, filled in with {names or 'no credentials'}"
        elif isinstance(self.stdin, InputText):
            line += f"  # standard input: {len(self.stdin.text.encode())} bytes"
        elif isinstance(self.stdin, InputOutput):
            line += f"  # standard input: {self.stdin.name} of step {self.stdin.step}"
        return line

    def for_attempt(self, run: str, step: str, attempt: int) -> Command:
        """The command with its one-off container named for this run, step and attempt; itself if it has none."""
        if self.container is None:
            return self

        def named(word: str) -> str:
            # `migrate~check` is how the engine calls the check of a step; Docker takes no tilde in a name.
            name = step.replace("~", ".")
            return word.replace("{run}", run).replace("{step}", name).replace("{attempt}", str(attempt))

        return self.model_copy(
            update={"argv": tuple(named(word) for word in self.argv), "container": named(self.container)}
        )
