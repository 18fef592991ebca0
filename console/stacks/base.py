"""What a stack is: what the profile says of it, what is live, and the commands that change it.

A stack is how services run on hosts: `compose` (Docker Compose v2) or `process` (plain processes, the demo). Actions
see only the `Stack` protocol, so that deploy and rollback are written once. A stack reads (`live`, `ground`) through a
Host; everything else in it is a pure builder: the same data in, the same `Command` out.

All of it is data that survives JSON, because facts and plans are stored: a plan is made again from stored facts by
another process, perhaps on another machine.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Literal, Protocol

from pydantic import Field

from console.hosts.command import Command, Frozen
from console.stacks.envfiles import FileTemplate

if TYPE_CHECKING:
    from console.hosts.base import Host, Result
    from console.stacks.release import Release, StoredFile

LABEL_RELEASE = "quarterdeck.release"
LABEL_ENVIRONMENT = "quarterdeck.environment"

DIRECTORY_MB = 8
"""A deploy needs so much free below its directory: records, compose files and the output of steps."""
QUICK_S = 60.0
"""Deadline of a step that only writes small files or removes containers."""
PULL_S = 1800.0
"""Deadline of fetching images: a large image over a slow line."""
SWITCH_S = 600.0
"""Deadline of starting all services of an environment on one host."""


class StackError(Exception):
    """What was read of a stack cannot be used. The text is a whole sentence, sanitised; `ways_out` say what to do."""

    exit_code = 5

    def __init__(self, sentence: str, ways_out: Sequence[str] = ()) -> None:
        from console.text.sanitise import clean_text

        super().__init__(clean_text(sentence))
        self.ways_out = tuple(clean_text(way) for way in ways_out)


def why(result: Result) -> str:
    """Why a command that reads gave nothing, to follow a colon: its last words, else how it ended."""
    if result.ended == "exited":
        return result.err.decode("utf-8", "replace").strip() or f"it ended with {result.rc}"
    return f"it was not done within {result.took_s:.0f} s" if result.ended == "deadline" else f"it was {result.ended}"


class ServiceSpec(Frozen):
    """One service of the profile."""

    name: str
    image: str = ""
    """Where its releases come from: `registry/repo:{release}`; "" for one that the console only looks after (a
    database). In a process stack every service is released together, from the stack's `artifacts`."""
    health: Literal["container", "http", "none"] = "container"
    address: str = "127.0.0.1"
    port: int | None = None
    path: str = "/"
    status: int = 200
    """`http` health: what is asked on the host, and the status that means healthy."""
    start_s: float = Field(default=120.0, gt=0)
    """How long it may take from its start until it is healthy and ready."""
    ready: str | None = None
    """The text that its log shows once it is ready, looked for since this start."""
    argv: tuple[str, ...] = ()
    """Process stack: the words that start it. `{release}`, `{artifacts}`, `{port}`, `{directory}` and `{service}` are
    filled in."""
    env: tuple[tuple[str, str], ...] = ()
    """Process stack: settings, with the same variables."""
    own_port: int | None = None
    """Process stack: its fixed port; None: one is taken from the range."""
    routes: tuple[str, ...] = ()
    """Process stack: path prefixes that the proxy sends to it."""


class MigrationsSpec(Frozen):
    """How the database's schema is asked and changed; the words run inside the service's image."""

    service: str
    tool: Literal["alembic", "plain"] = "alembic"
    current: tuple[str, ...] = ("python", "-m", "alembic", "current")
    known: tuple[str, ...] = ("python", "-m", "alembic", "history")
    heads: tuple[str, ...] | None = ("python", "-m", "alembic", "heads")
    """Prints the revision that the image wants; None where the tool cannot say."""
    upgrade: tuple[str, ...] = ("python", "-m", "alembic", "upgrade", "head")
    deadline_s: float = Field(default=600.0, gt=0)
    backward_compatible: bool = False
    """The team's promise that code from before a migration runs on the schema after it."""
    needs: tuple[str, ...] = ()
    """Services of the same stack that must run first: those that the migrating service depends on."""


class RegistrySpec(Frozen):
    """How a registry is reached. The password stays in the keyring; `credential` is its name there."""

    host: str
    user: str | None = None
    credential: str | None = None
    field: str | None = None
    """The field of the credential that is the password, where its value is a JSON object."""
    insecure: bool = False
    """Plain HTTP allowed although the registry is not on the loopback."""
    ca: str | None = None
    """Certificate authority file on this machine."""
    via: str | None = None
    """Host of the profile through which it is reached from here."""


class ComposeFile(Frozen):
    """One compose file: on the host at `path`, or uploaded from `path` on this machine."""

    path: str
    upload: bool = False


class _Spec(Frozen):
    """What every stack has."""

    environment: str
    directory: str
    """The deploy directory on each host: relative paths in the compose files begin here."""
    state: str
    """The console's own directory on each host."""
    services: tuple[ServiceSpec, ...] = Field(min_length=1)
    migrations: MigrationsSpec | None = None
    retain: int = Field(default=5, ge=1)
    """How many verified releases stay ready to go back to."""
    env_files: tuple[FileTemplate, ...] = ()
    """Environment files that the console writes."""

    def become(self, host: str) -> Literal["none", "sudo"]:
        """Under which account environment files are written on a host."""
        return "sudo" if host in getattr(self, "sudo", ()) else "none"

    def service(self, name: str) -> ServiceSpec | None:
        """The service called `name`, or None."""
        return next((one for one in self.services if one.name == name), None)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all services, in the profile's order."""
        return tuple(one.name for one in self.services)


class ComposeSpec(_Spec):
    """A compose stack of one environment, as its profile describes it."""

    kind: Literal["compose"] = "compose"
    project: str
    files: tuple[ComposeFile, ...] = Field(min_length=1)
    env_file: str | None = None
    """Path on the host. Only the names of its keys are ever read out of it, and a fingerprint."""
    profiles: tuple[str, ...] = ()
    """Compose profiles to enable."""
    registry: RegistrySpec | None = None
    sudo: tuple[str, ...] = ()
    """Hosts on which Docker needs `sudo -n`."""
    disk_free_mb: int = Field(default=512, ge=0)
    """A deploy needs at least so much free where the engine keeps its images."""


class ProcessSpec(_Spec):
    """A process stack of one environment: single processes behind the small proxy. For demos and single services."""

    kind: Literal["process"] = "process"
    artifacts: str
    """Directory of one release on the host, with `{release}` in it."""
    proxy: str | None = None
    """`address:port` where users reach the environment; None: no proxy, and no route to switch."""
    ports: tuple[int, int] | None = None
    """First and last port for services without one of their own."""
    drain_s: float = Field(default=10.0, ge=0)
    """How long requests under way at the old process may take after the switch."""


StackSpec = Annotated[ComposeSpec | ProcessSpec, Field(discriminator="kind")]


class LiveService(Frozen):
    """One service as it runs now."""

    service: str
    image: str = ""
    """What it was started from, as the engine says: `repo@sha256:…`, `repo:tag`; a directory in a process stack."""
    digest: str = ""
    """`repo@sha256:…` of what runs, or "" if the image has none (built on the host)."""
    image_id: str = ""
    state: Literal["running", "starting", "restarting", "paused", "exited", "dead", "created", "absent"] = "absent"
    health: Literal["healthy", "starting", "unhealthy", "none", "unknown"] = "unknown"
    """`none`: the image has no health check, so running is all that is known."""
    since: str = ""
    """When this start began, RFC 3339, by the host's clock."""
    made: str = ""
    """When its container was made, or its process started: what it read from environment files is from then. A
    container that is only started again has not read them again."""
    restarts: int = 0
    release: str = ""
    """Our label on it, or "" if something else started it."""
    container: str = ""
    """Container id, or process id."""
    name: str = ""
    ports: tuple[str, ...] = ()
    exit_code: int | None = None
    said: str = ""
    """The last words of its health check."""

    @property
    def runs(self) -> str:
        """The reference by which this image can be named again: digest, else image id, else what started it."""
        return self.digest or self.image_id or self.image


class Live(Frozen):
    """What runs on one host."""

    host: str
    services: tuple[LiveService, ...] = ()
    release: str | None = None
    """The release that is live as a whole, or None: nothing is, or what runs is no release that we know."""
    differs: tuple[str, ...] = ()
    """Sentences: what differs from the last release, and since when. Empty: nothing does, or there is no release."""
    others: tuple[str, ...] = ()
    """Services of the same project that the profile does not name."""

    def service(self, name: str) -> LiveService | None:
        """The service called `name`, or None if nothing of it is there."""
        return next((one for one in self.services if one.service == name), None)

    @property
    def images(self) -> dict[str, str]:
        """Service to what it runs, for all that are there."""
        return {one.service: one.runs for one in self.services}


class Problem(Frozen):
    """Why this host cannot be deployed to as it is, and what to do."""

    id: str
    reason: str
    ways_out: tuple[str, ...] = ()


class Ground(Frozen):
    """What planning needs to know of one host, read in one or two round trips."""

    host: str
    live: Live
    releases: tuple[Release, ...] = ()
    """All releases recorded there, oldest first."""
    engine: str = ""
    """The engine's version, or "" for a stack without one."""
    arch: str = ""
    compose: tuple[str, ...] = ()
    """How Compose v2 is called there: `docker compose` or `docker-compose`."""
    compose_version: str = ""
    disk_free_mb: int | None = None
    """Where the engine keeps its images; below the deploy directory for a stack without an engine."""
    images: tuple[str, ...] = ()
    """References (`repo@sha256:…`, image ids, `repo:tag`) of what is here and needs no fetching."""
    kept: tuple[str, ...] = ()
    """Names of the keep containers that exist."""
    files: dict[str, str] = Field(default_factory=dict)
    """SHA-256 of the compose files on the host, by path; a missing file is not in it."""
    env_keys: tuple[str, ...] | None = None
    """Names in the environment file; None if there is no such file or none is configured."""
    env_fingerprint: str = ""
    problems: tuple[Problem, ...] = ()


class FileText(Frozen):
    """A file that a release writes: its name below `releases/<id>/` and its text."""

    name: str
    text: str


class Fetch(Frozen):
    """One command that brings images to a host, and the look whether they are there."""

    suffix: str
    title: str
    run: Command
    undo: Command
    """Removes what it brought, and nothing that was there already."""
    check: Command | None = None
    certainty: Literal["certain", "conditional"] = "certain"
    shown: str = ""


class Stack(Protocol):
    """One way in which services run. `live` and `ground` read; all else is pure."""

    @property
    def spec(self) -> ComposeSpec | ProcessSpec: ...

    def live(self, host: Host) -> Live:
        """What runs on `host` now, without looking at releases. Raises HostError, StackError."""
        ...

    def ground(self, host: Host, live: Callable[[], Live] | None = None) -> Ground:
        """What planning needs to know of `host`; `live`: gives what `live` said, for one who is looking already.

        Raises HostError, StackError.
        """
        ...

    def candidates_here(self, host: Host) -> tuple[str, ...] | None:
        """Candidates that the host itself holds, newest first; None if this stack's images come from a registry."""
        ...

    def resolve_here(self, host: Host, candidate: str) -> dict[str, str] | None:
        """Images of a candidate that the host itself holds; None if they come from a registry. Raises StackError."""
        ...

    def stored_files(self, ground: Ground, uploads: Mapping[str, str]) -> tuple[StoredFile, ...]:
        """The files of a new release, as `ground` saw them on the host and as `uploads` gives them."""
        ...

    def commands(self, images: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
        """Service to the words that start it from these images, where no file of the release says so."""
        ...

    def version_of(self, image: str) -> str:
        """What people call the version that `image` is of, as far as its name tells; else ""."""
        ...

    def name_for(self, service: str, release: str, runs: str) -> str:
        """How `release` names an image that runs: by its digest, or by a name of ours if it has none."""
        ...

    def release_files(self, release: Release) -> tuple[FileText, ...]:
        """The files of a release that we write ourselves: what the plan shows."""
        ...

    def write(self, ground: Ground, release: Release, uploads: Mapping[str, str]) -> Command:
        """Write `releases/<id>/` as a whole, with copies of the files as used."""
        ...

    def ready_for(self, ground: Ground) -> Command:
        """Just before anything is changed: does the engine answer, is there room? Exit code 0 if so."""
        ...

    def validate(self, ground: Ground, release: Release) -> Command | None:
        """Let the stack's own tool judge the files. Reads only."""
        ...

    def fetches(self, ground: Ground, release: Release) -> tuple[Fetch, ...]:
        """What brings everything of `release` to the host."""
        ...

    def present(self, ground: Ground, release: Release) -> Command:
        """Are all images of `release` on the host? Exit code 0 if so."""
        ...

    def keep(self, ground: Ground, release: Release) -> Command | None:
        """Protect the images of `release` from being pruned; None if all of them are protected already."""
        ...

    def unkeep(self, ground: Ground, release: Release) -> Command:
        """Give that protection up."""
        ...

    def ask(self, ground: Ground, service: str, argv: Sequence[str]) -> Command | None:
        """Run `argv` beside the running `service`, for reading; None if it does not run."""
        ...

    def task(
        self, ground: Ground, release: Release, service: str, argv: Sequence[str], *, deadline_s: float, into: str = ""
    ) -> Command:
        """Run `argv` once in `release`'s image of `service`; its output goes to `releases/<id>/<into>` if given."""
        ...

    def compare(
        self,
        ground: Ground,
        release: Release,
        service: str,
        first: Sequence[str],
        second: Sequence[str],
        *,
        deadline_s: float,
    ) -> Command:
        """Run two programs in `release`'s image of `service`: exit code 0 if they name the same revisions."""
        ...

    def unchanged(
        self, ground: Ground, release: Release, service: str, argv: Sequence[str], *, note: str, deadline_s: float
    ) -> Command:
        """Like `compare`, of what `task` kept in `note` and what the program names now; prints the latter.

        That the program fails is no answer: the engine that is to start it may be restarting.
        """
        ...

    def knows(
        self,
        ground: Ground,
        release: Release,
        service: str,
        argv: Sequence[str],
        revisions: Sequence[str],
        *,
        current: Sequence[str] = (),
        into: str,
        deadline_s: float,
    ) -> Command:
        """Like `task`, and fails if one of `revisions` is not among what the program prints.

        `current`: a program that is run before it and prints further ones; it has to succeed.
        """
        ...

    def start_needed(self, ground: Ground, release: Release, services: Sequence[str]) -> Command:
        """Start services that a migration needs, and nothing else, and wait until they are healthy."""
        ...

    def switch(self, ground: Ground, release: Release, services: Sequence[str]) -> Command:
        """Make `release` live: these services of it, or all if none is named."""
        ...

    def switch_back(self, ground: Ground, target: Release | None, leaving: Release, services: Sequence[str]) -> Command:
        """Make live what was live before `leaving`: `target`, or nothing."""
        ...

    def remove(self, ground: Ground, release: Release, services: Sequence[str]) -> Command:
        """Stop and remove these services of `release`."""
        ...

    def start_anew(self, ground: Ground, release: Release, services: Sequence[str]) -> Command:
        """Replace these services by themselves, so that they read their settings again. `release`: what is live."""
        ...

    def restart(self, ground: Ground, release: Release | None, service: str) -> Command:
        """Stop and start one service as it is. `release`: what is live, if that is known."""
        ...

    def stop(self, ground: Ground, release: Release | None, service: str) -> Command:
        """Stop one service; it stays stopped."""
        ...

    def start(self, ground: Ground, release: Release | None, service: str) -> Command:
        """Start one stopped service as it is."""
        ...

    def adopt(self, ground: Ground, release: Release) -> Command | None:
        """Make what is live nameable again where it has no digest (a baseline of images built on the host)."""
        ...

    def prune(
        self, ground: Ground, keep: Sequence[Release], drop: Sequence[Release], forget: Sequence[Release]
    ) -> Command | None:
        """Remove what only `drop` needs, and the records of `forget`; None if that is nothing. Never fails."""
        ...


def stack_of(spec: ComposeSpec | ProcessSpec) -> Stack:
    """The stack that `spec` describes; its modules are imported only now."""
    if isinstance(spec, ComposeSpec):
        from console.stacks.compose import ComposeStack

        return ComposeStack(spec)
    from console.stacks.process import ProcessStack

    return ProcessStack(spec)
