"""A command as data: what is run on a host, and nothing about how.

Lives on the floor of the hosts. Actions and stacks build Commands, plans store them, the engine hands them to a Host.
A Command is a list of words, never a line of shell: nothing is quoted because nothing is parsed. A secret cannot get
into `argv` or `env`: both hold plain strings that the plan shows, and a secret is named, by its name in the keyring,
only as standard input.
"""

from __future__ import annotations

import shlex
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

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


class InputOutput(Frozen):
    """Standard input taken from what an earlier step of the same run put into its outputs."""

    kind: Literal["output"] = "output"
    step: str
    name: str


Input = Annotated[InputText | InputSecret | InputOutput, Field(discriminator="kind")]


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
            line += f"  # a fixed script of {lines} lines; --json shows it"
        if self.cwd:
            line = f"cd {shlex.quote(self.cwd)} && {line}"
        if isinstance(self.stdin, InputSecret):
            of = f"field {self.stdin.field} of " if self.stdin.field else ""
            line += f"  # standard input: {of}the credential {self.stdin.name}"
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
