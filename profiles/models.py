"""A profile: one system, its environments, hosts, stack, feeds, checklists, credentials and policy.

This module is what the rest of the house imports. The parts live beside it: base, hosts, stack, web, feeds, probes.
`profiles.loader` makes a Profile of files; a Profile made by it is complete: `extends`, `defaults` and variables are
already worked in, paths are absolute. `Profile.model_validate(profile.model_dump(mode="json")) == profile`.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import Field, model_validator

from profiles.base import (
    Argv,
    Flag,
    HostPath,
    LocalFile,
    Name,
    Seconds,
    SecretName,
    Shape,
    Text,
    TextOrSecret,
    Url,
    names_into,
    secret_names,
    template_names,
)
from profiles.envfiles import EnvironmentFile, FileSecret, FileValue, FileVariable
from profiles.feeds import (
    AlertmanagerFeed,
    DockerLogs,
    Feeds,
    FileLogs,
    LogFile,
    LogsFeed,
    Metric,
    MetricsFeed,
    Panel,
    PrometheusFeed,
    ScrapeFeed,
    ScrapeTarget,
    Thresholds,
)
from profiles.hosts import Host
from profiles.probes import (
    CommandExpect,
    CommandProbe,
    ComposeProbe,
    HttpProbe,
    Poll,
    Probe,
    SmokeStep,
)
from profiles.rotations import (
    CommandRotation,
    Consumer,
    DatabaseRotation,
    GithubRotation,
    GithubSecret,
    GrafanaRotation,
    JwtProbe,
    JwtRotation,
    Rotation,
    Spoken,
    SshKeyRotation,
    WebhookRotation,
)
from profiles.stack import (
    ComposeStack,
    Health,
    Migrations,
    PortRange,
    ProcessService,
    ProcessStack,
    Proxy,
    Registry,
    Service,
    Stack,
)
from profiles.web import Auth, Basic, Expect, Match

__all__ = [
    "COMMAND_WORDS",
    "AlertmanagerFeed",
    "AuditSinks",
    "Auth",
    "Basic",
    "Checklist",
    "CommandExpect",
    "CommandProbe",
    "CommandRotation",
    "ComposeProbe",
    "ComposeStack",
    "Consumer",
    "Credential",
    "DatabaseRotation",
    "DockerLogs",
    "Environment",
    "EnvironmentFile",
    "Expect",
    "Feeds",
    "FileLogs",
    "FileSecret",
    "FileValue",
    "FileVariable",
    "GithubRotation",
    "GithubSecret",
    "GrafanaRotation",
    "Health",
    "Host",
    "HttpProbe",
    "JwtProbe",
    "JwtRotation",
    "LogFile",
    "LogsFeed",
    "Match",
    "Metric",
    "MetricsFeed",
    "Migrations",
    "Panel",
    "Policy",
    "Poll",
    "PortRange",
    "Probe",
    "ProcessService",
    "ProcessStack",
    "Profile",
    "PrometheusFeed",
    "Proxy",
    "Registry",
    "ReviewedCommand",
    "Rotation",
    "ScrapeFeed",
    "ScrapeTarget",
    "SecretName",
    "Service",
    "SmokeStep",
    "Source",
    "Spoken",
    "SshKeyRotation",
    "Stack",
    "TextOrSecret",
    "Thresholds",
    "WebhookRotation",
    "secret_names",
    "template_names",
]

COMMAND_WORDS: Final = frozenset(
    (
        *("plan", "run", "runs", "status", "releases", "lock", "unlock", "checklist", "credentials", "hosts"),
        *("audit", "profile", "doctor", "wake", "demo", "init", "version", "help"),
    )
)
"""Words of the command line. An environment may not be called so: `quarterdeck ENV` would be ambiguous."""


class Checklist(Shape):
    """A Markdown document with tasks."""

    file: LocalFile = Field(description="The document, relative to the profile.")
    title: Text = Field(default="", description="What people call it. Default: the document's first heading.")
    probes: dict[str, Name] = Field(
        default_factory=dict, description="Item (its text, or the beginning of it) to the probe that gives evidence."
    )


class ReviewedCommand(Shape):
    """A command that the team has reviewed, for the action `command`."""

    name: str = Field(default="", description="Its name: the key it stands under.")
    title: Text = Field(description="What it does.")
    argv: Argv = Field(description="The command, word by word. Variables: {directory}.")
    hosts: tuple[Name, ...] = Field(default=(), description="Hosts it runs on. Default: all of the environment.")
    danger: Literal["reads", "changes"] = Field(default="changes", description="Whether it can change anything.")
    become: Literal["none", "sudo"] = Field(default="none", description="`sudo`: under `sudo -n`.")
    deadline: Seconds = Field(default=60.0, description="How long it may take.")


class Policy(Shape):
    """Rules for changing an environment."""

    retain: Annotated[int, Field(ge=1, le=50)] = Field(
        default=5, description="How many verified releases are kept ready for a rollback."
    )
    confirm: Literal["name", "key"] | None = Field(
        default=None, description="name: type its name; key: one key. Default: name in production, else key."
    )
    wake: Literal["finish", "go-on"] = Field(
        default="finish",
        description="What `quarterdeck wake` may do, with nobody there, about a run whose runner died. finish: bring "
        "what was decided to its end; go-on: go on with the change too, within 15 minutes.",
    )


class Environment(Shape):
    """One place where the system runs."""

    name: str = Field(default="", description="Its name: the key it stands under.")
    title: Text = Field(default="", description="What people call it.")
    production: Flag = Field(default=False, description="Framed red; a change needs its name typed.")
    colour: Literal["red", "yellow", "green", "blue", "magenta", "cyan", "white"] | None = Field(
        default=None, description="Colour of its name. Default: red in production, else green."
    )
    hosts: tuple[Name, ...] = Field(min_length=1, description="Its hosts; the first one proves who owns the lock.")
    directory: HostPath = Field(description="Deploy directory on the hosts, such as /opt/routing-ml.")
    state: HostPath | None = Field(
        default=None,
        description="Where the console keeps its records on the hosts. Default: .quarterdeck in `directory`.",
    )
    stack: Stack = Field(description="How services run there.")
    urls: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,40}$")], Url] = Field(
        default_factory=dict,
        description="Public addresses by name; each name is a variable in feeds, probes and smoke.",
    )
    files: Annotated[dict[Name, EnvironmentFile], names_into] = Field(
        default_factory=dict, description="Environment files that the console writes on its hosts, by name."
    )
    feeds: Feeds = Field(default_factory=Feeds, description="Where live values come from.")
    panels: tuple[Panel, ...] = Field(default=(), description="Charts, in the order they are shown.")
    probes: Annotated[
        dict[Name, Probe],
        names_into,
    ] = Field(default_factory=dict, description="Read-only checks by name.")
    smoke: tuple[SmokeStep, ...] = Field(default=(), description="Requests that a new release must pass, in order.")
    checklists: tuple[Checklist, ...] = Field(default=(), description="Markdown documents with tasks.")
    commands: Annotated[dict[Name, ReviewedCommand], names_into] = Field(
        default_factory=dict, description="Reviewed commands by name."
    )
    rotations: Annotated[dict[Name, Rotation], names_into] = Field(
        default_factory=dict, description="How credentials are rotated, by name."
    )
    policy: Policy = Field(default_factory=Policy, description="Rules for changing it.")

    @property
    def state_directory(self) -> str:
        """Directory on the hosts for gate, fence, lock, runs and releases."""
        return self.state or f"{self.directory}/.quarterdeck"

    @property
    def shown_colour(self) -> str:
        """Its colour, with the default worked in."""
        return self.colour or ("red" if self.production else "green")

    @property
    def confirmation(self) -> Literal["name", "key"]:
        """How a change is confirmed, with the default worked in."""
        return self.policy.confirm or ("name" if self.production else "key")


class Credential(Shape):
    """A secret that the profile uses by name. Its value is in the keyring and never here."""

    name: str = Field(default="", description="Its name: the key it stands under.")
    title: Text = Field(default="", description="What it is.")
    kind: Literal["ssh", "registry", "http", "database", "other"] = Field(
        default="other", description="What it is for."
    )
    where: Text = Field(default="", description="Who issues it and where it is renewed.")
    fields: tuple[str, ...] = Field(
        default=(), description="Names of its fields, when the value is a JSON object and not one text."
    )
    rotate_after_days: Annotated[int, Field(ge=1, le=3650)] | None = Field(
        default=None, description="At this age it is due to be renewed."
    )
    breach_after_days: Annotated[int, Field(ge=1, le=3650)] | None = Field(
        default=None, description="At this age it is overdue. Default: as soon as it is due."
    )

    @model_validator(mode="after")
    def _ages(self) -> Credential:
        due, breach = self.rotate_after_days, self.breach_after_days
        if breach is not None and (due is None or breach < due):
            raise ValueError("needs `rotate_after_days` below its `breach_after_days`: it is due before it is overdue")
        return self


class AuditSinks(Shape):
    """Where else the head of this machine's audit goes at the end of each run: its number, hash and signature."""

    syslog: Flag = Field(default=False, description="To the system log of the machine that runs the console.")
    syslog_socket: Annotated[str, Field(pattern=r"^/")] = Field(
        default="/dev/log", description="The system log's socket."
    )
    webhook: SecretName | None = Field(
        default=None, description="`{secret: NAME}` of an address to POST to; the address itself is the credential."
    )


class Source(Shape):
    """Where a profile came from. Written by the loader, never in a file."""

    path: str = Field(description="The file that was asked for.")
    builtin: str | None = Field(default=None, description="Name of the built-in profile, if it is one.")
    files: tuple[str, ...] = Field(
        description="Every file that decides what it does: itself, what it extends, uploads."
    )
    digest: str = Field(description="SHA-256 over those files, for trusting a profile once.")


class Profile(Shape):
    """One system."""

    system: Name = Field(description="Short name of the system.")
    title: Text = Field(default="", description="What people call it.")
    keyring: Literal["auto", "system", "sealed", "demo"] = Field(
        default="auto", description="Where secrets are kept. auto: the system's keyring, else the sealed file."
    )
    hosts: Annotated[dict[Name, Host], names_into] = Field(min_length=1, description="Machines by name.")
    environments: Annotated[dict[Name, Environment], names_into] = Field(
        min_length=1, description="Environments by name, in the order they are shown."
    )
    credentials: Annotated[dict[Name, Credential], names_into] = Field(
        default_factory=dict, description="Every credential that the profile names."
    )
    audit: AuditSinks | None = Field(default=None, description="Where else the head of the audit goes.")
    source: Source | None = Field(default=None, description="Where it came from; written by the loader.")

    def dumped(self) -> dict[str, Any]:
        """The JSON form that a run stores; `Profile.model_validate` reads it back."""
        return self.model_dump(mode="json")
