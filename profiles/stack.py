"""How services run: Docker Compose, or plain processes behind a small proxy."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from profiles.base import Argv, Flag, HostPath, LocalFile, Name, Seconds, SecretName, Shape, Text, names_into

__all__ = [
    "ComposeStack",
    "Health",
    "Migrations",
    "PortRange",
    "ProcessService",
    "ProcessStack",
    "Proxy",
    "Registry",
    "Service",
    "Stack",
]

Port = Annotated[int, Field(ge=1, le=65_535)]
_ImageTemplate = Annotated[str, Field(min_length=1, max_length=500, pattern=r"^[A-Za-z0-9{][A-Za-z0-9._:/@{}-]*$")]
_ALEMBIC = ("python", "-m", "alembic")

# What a stack must be as a whole. A model says so only where each of its keys is right; `profiles.envcheck` looks for
# the same in the plain data, so that it is told together with what else is wrong.
BOTH = "needs both `username` and `password`, or neither"
ONCE = "needs its compose files once: `files` (on the hosts) or `upload` (from here)"
OF_A_RELEASE = "needs {release} in `artifacts`: each release has a directory of its own"
PORTS = "needs `ports`: {first: …, last: …} for the services without a `port` of their own"


class Health(Shape):
    """How to see that a service is healthy. `container` and `none` may be written as a single word."""

    kind: Literal["container", "http", "none"] = Field(
        default="container", description="container: its Docker health check; http: a request; none: that it runs."
    )
    path: Annotated[str, Field(pattern=r"^/[^\s]*$", max_length=1000)] = Field(
        default="/", description="Path of the request (http)."
    )
    port: Port | None = Field(default=None, description="Port on the host (http). Process services: their own port.")
    address: str = Field(default="127.0.0.1", description="Address on the host that the request goes to (http).")
    status: Annotated[int, Field(ge=100, le=599)] = Field(default=200, description="Status that means healthy (http).")

    @model_validator(mode="before")
    @classmethod
    def _word(cls, value: Any) -> Any:
        return {"kind": str(value)} if isinstance(value, str) else value


class Service(Shape):
    """One part of a compose stack."""

    name: str = Field(default="", description="Its name in the compose files: the key it stands under.")
    title: Text = Field(default="", description="What people call it.")
    health: Health = Field(default_factory=Health, description="How to see that it is healthy.")
    ready_line: Annotated[str, Field(min_length=1, max_length=500)] | None = Field(
        default=None, description="Plain text that its log must hold since this start, before it counts as ready."
    )
    depends: tuple[str, ...] = Field(default=(), description="Services that must be healthy before this one starts.")
    deadline: Seconds = Field(default=120.0, description="How long it may take to become healthy and ready.")


class Migrations(Shape):
    """The database's schema. Commands run in a one-off container of the new image; Alembic is the default."""

    service: str = Field(description="Service whose image carries the migrations.")
    tool: Literal["alembic", "plain"] = Field(
        default="alembic",
        description="How output is read. plain: `current` prints the revision, `known` one revision a line.",
    )
    current: Argv = Field(default=(*_ALEMBIC, "current"), description="Prints the database's revision; reads only.")
    known: Argv = Field(default=(*_ALEMBIC, "history"), description="Prints the revisions the image knows; reads only.")
    heads: Argv | None = Field(
        default=(*_ALEMBIC, "heads"), description="Prints the revision the image wants; reads only."
    )
    upgrade: Argv = Field(default=(*_ALEMBIC, "upgrade", "head"), description="Brings the database to that revision.")
    deadline: Seconds = Field(default=600.0, description="How long the upgrade may take.")
    backward_compatible: Flag = Field(
        default=False,
        description="The team's promise that code from before a migration runs on the schema after it.",
    )


class Registry(Shape):
    """Where images come from."""

    host: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9.-]*(:\d{1,5})?$")] = Field(
        description="Host and port, as in an image's name."
    )
    username: Annotated[str, Field(min_length=1, max_length=200)] | None = Field(
        default=None, description="Account for the login."
    )
    password: SecretName | None = Field(default=None, description="Password or token: {secret: NAME}.")
    insecure: Flag = Field(default=False, description="Plain HTTP; for a registry inside, never for one outside.")
    ca: LocalFile | None = Field(default=None, description="Certificate authority file here for listing its tags.")
    via: Name | None = Field(default=None, description="Host through which its tags are listed.")

    @model_validator(mode="after")
    def _both(self) -> Registry:
        if (self.username is None) != (self.password is None):
            raise ValueError(BOTH)
        return self


class ComposeStack(Shape):
    """Docker Compose v2. The compose files are used as they are; digests and names come from an override file."""

    kind: Literal["compose"] = Field(description="Docker Compose v2.")
    project: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")] = Field(
        description="Compose project name: a-z, 0-9, '_' and '-'."
    )
    files: tuple[Annotated[str, Field(min_length=1, pattern=r"^[^-]")], ...] = Field(
        default=(), description="Compose files on the hosts, absolute or relative to `directory`."
    )
    upload: tuple[LocalFile, ...] = Field(
        default=(), description="Or: compose files here, relative to the profile, copied to the hosts at each deploy."
    )
    env_file: str | None = Field(
        default=None, description="Environment file on the hosts, absolute or relative to `directory`. Never uploaded."
    )
    compose_profiles: tuple[Name, ...] = Field(default=(), description="Compose profiles to enable.")
    services: Annotated[dict[Name, Service], names_into] = Field(
        min_length=1, description="The services that the console looks after, in the order they are shown."
    )
    images: dict[Name, _ImageTemplate] = Field(
        default_factory=dict,
        description="Service to image: 'repo:{release}'. Services left out run what the compose files name.",
    )
    registry: Registry | None = Field(default=None, description="Login and tag list of the registry.")
    migrations: Migrations | None = Field(default=None, description="Schema of the database, if the stack has one.")

    @model_validator(mode="after")
    def _files(self) -> ComposeStack:
        if bool(self.files) == bool(self.upload):
            raise ValueError(ONCE)
        return self


class ProcessService(Service):
    """One process of a process stack."""

    health: Health = Field(
        default_factory=lambda: Health(kind="none"),
        description="How to see that it is healthy: http on its port, or none.",
    )
    command: Argv = Field(
        description="Program and arguments. Variables: {release} {artifacts} {port} {directory} {service}."
    )
    port: Port | None = Field(default=None, description="Port of its own. Default: one is drawn from `ports`.")
    routes: tuple[Annotated[str, Field(pattern=r"^/[^\s]*$")], ...] = Field(
        default=(), description="Path prefixes that the proxy sends to it; the longest match wins."
    )
    env: dict[Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")], str] = Field(
        default_factory=dict, description="Settings, never secrets. The same variables as `command`."
    )


class PortRange(Shape):
    """Ports that processes may be given."""

    first: Port = Field(description="First port.")
    last: Port = Field(description="Last port, itself included.")

    @model_validator(mode="after")
    def _order(self) -> PortRange:
        if self.last < self.first:
            raise ValueError("ends before it begins: `last` is smaller than `first`")
        return self


class Proxy(Shape):
    """The small reverse proxy in front of the processes: one stable port for the environment."""

    address: str = Field(default="127.0.0.1", description="Address it listens on.")
    port: Port = Field(description="Port it listens on.")
    admin_port: Port | None = Field(
        default=None, description="Port on 127.0.0.1 that answers how many requests are under way. Default: port + 1."
    )

    @property
    def admin(self) -> int:
        """The admin port, with the default worked in."""
        return self.admin_port or self.port + 1


class ProcessStack(Shape):
    """Plain processes in release directories. For demonstrations and single-process services."""

    kind: Literal["process"] = Field(description="Plain OS processes.")
    artifacts: HostPath = Field(description="Directory of one release on the host, with {release} in it.")
    services: Annotated[dict[Name, ProcessService], names_into] = Field(
        min_length=1, description="The processes, in the order they are shown."
    )
    proxy: Proxy | None = Field(default=None, description="The proxy in front of them.")
    ports: PortRange | None = Field(default=None, description="Ports to draw from for services without `port`.")
    migrations: Migrations | None = Field(default=None, description="Schema of the database, if the stack has one.")

    @model_validator(mode="after")
    def _sound(self) -> ProcessStack:
        if "{release}" not in self.artifacts:
            raise ValueError(OF_A_RELEASE)
        if self.ports is None and any(service.port is None for service in self.services.values()):
            raise ValueError(PORTS)
        return self


Stack = Annotated[ComposeStack | ProcessStack, Field(discriminator="kind")]
