"""The demo system: two environments of a small routing service, started, looked at, stopped. No Docker, no network.

Below its root (`default_root()`):

    demo.json       ports of each environment; the sign that this directory is a demo's
    password        the demo user's password, 0600
    lock            held while the demo is being started, stopped or reset
    releases/<version>/release.json
    traffic/        pid, log
    <environment>/  the deploy directory: laid out as `console.stacks.layout` says

Who runs is decided by the pid files, since a deploy replaces services: whatever stands there now is what `stop` ends
and what `start` starts again if it has died.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import http.client
import json
import os
import secrets
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from console.demo.ports import BLOCK, NoPorts, blocks, free
from console.demo.processes import NotStarted, alive, end, last_line, recorded, spawn, write
from console.demo.routing import SERVICES
from console.stacks import layout
from console.stacks.proxy_routes import parse_routes
from console.timing import DEFAULT

ENVIRONMENTS = ("staging", "production")
FIRST_RELEASE = "1.0.0"
PREFIXES = (
    ("/api", "backend"),
    ("/metrics", "backend"),
    ("/training", "frontend-training"),
    ("/", "frontend-prediction"),
)
"""The proxy's routes, in the order in which they are tried."""
NEEDED_MB = 64
LOCK_S = 30.0
AUDIT_LOG = "audit.log"
START_S = 20.0
"""How long a piece may take until it answers."""


class DemoError(Exception):
    """The demo cannot be started, looked at or stopped. The text is a whole sentence with what to do."""

    exit_code = 1


@dataclass(frozen=True, slots=True)
class Piece:
    """One process of the demo: `staging/backend`, `staging/proxy`, `traffic`."""

    name: str
    pid: int | None
    alive: bool
    port: int | None = None
    release: str = ""


@dataclass(frozen=True, slots=True)
class DemoStatus:
    """What there is of the demo, and what of it lives."""

    root: Path
    pieces: tuple[Piece, ...]
    addresses: dict[str, str]
    """Environment to its public address: `http://127.0.0.1:18000`."""
    notes: tuple[str, ...] = ()
    """Sentences about what was left alone, and why."""

    @property
    def running(self) -> bool:
        """True if every piece lives."""
        return bool(self.pieces) and all(piece.alive for piece in self.pieces)

    @property
    def any_alive(self) -> bool:
        """True if at least one piece lives: there is something to stop."""
        return any(piece.alive for piece in self.pieces)


def default_root() -> Path:
    """`$XDG_STATE_HOME/quarterdeck/demo`, by default below `~/.local/state`.

    Not QUARTERDECK_STATE_DIR: that is where one console keeps its records, and several may look at one demo.
    """
    state = os.environ.get("XDG_STATE_HOME", "")
    base = Path(state) if state.startswith("/") else Path.home() / ".local" / "state"
    return base / "quarterdeck" / "demo"


class DemoSystem:
    """The demo below one root. Every method is blocking and has a deadline; several consoles may use it at once."""

    def __init__(self, root: Path | None = None) -> None:
        self.root = (root or default_root()).absolute()

    @property
    def password_file(self) -> Path:
        """The file with the demo user's password; only its owner may read it."""
        return self.root / "password"

    @property
    def releases(self) -> Path:
        """The directory with one directory per release that can be deployed."""
        return self.root / "releases"

    def directory(self, environment: str) -> Path:
        """An environment's deploy directory."""
        return self.root / environment

    def password(self) -> str:
        """The demo user's password. Raises DemoError if the demo was never started."""
        try:
            return self.password_file.read_text("ascii").strip()
        except OSError as error:
            raise DemoError(f"The demo has no password yet ({self.password_file}): start it first.") from error

    def variables(self) -> dict[str, str]:
        """What the built-in profile `demo` is filled in with. Raises DemoError if the demo was never started.

        `demo` (the root), `python`, and for each environment `<environment>_port` (its proxy), `<environment>_admin`,
        `<environment>_first` and `<environment>_last` (ports for services).
        """
        values = {"demo": str(self.root), "python": sys.executable}
        for environment, first in self._blocks().items():
            values |= {
                f"{environment}_port": str(first),
                f"{environment}_admin": str(first + 1),
                f"{environment}_first": str(first + 2),
                f"{environment}_last": str(first + BLOCK - 1),
            }
        return values

    def status(self) -> DemoStatus:
        """What there is now. Reads only; a demo that was never started has no pieces."""
        if not (self.root / "demo.json").exists():
            return DemoStatus(self.root, (), {})
        pieces: list[Piece] = []
        for environment in ENVIRONMENTS:
            pieces.append(self._piece(f"{environment}/proxy", self._proxy(environment)))
            pieces.extend(self._piece(f"{environment}/{path.name}", path) for path in self._instances(environment))
        pieces.append(self._piece("traffic", self.root / "traffic"))
        return DemoStatus(self.root, tuple(pieces), self._addresses())

    def is_running(self) -> bool:
        """Whether at least one process of the demo lives, so that there is something to stop."""
        return self.status().any_alive

    def start(self, say: Callable[[str], None] = lambda sentence: None) -> DemoStatus:
        """Start what does not run yet, wait until it answers, and say what there is. Raises DemoError.

        What runs is left alone, releases that were deployed stay, and an environment in which a run holds the lock
        keeps its services as they are: they are that run's business.
        """
        with self._effects(), self._held():
            self._ground()
            notes: list[str] = []
            waiting: list[tuple[str, int, str, Path]] = []
            for environment in ENVIRONMENTS:
                waiting += self._start_environment(environment, say, notes)
            for name, port, path, log in waiting:
                self._until_answers(name, port, path, log)
            self._start_traffic(say)
        found = self.status()
        return DemoStatus(found.root, found.pieces, found.addresses, tuple(notes))

    def stop(self) -> tuple[str, ...]:
        """End every process of the demo and nothing else; the names of those that lived.

        Raises DemoError, also while a run is at work there: what it started, or takes back, would stay.
        """
        if not (self.root / "demo.json").exists():
            return ()
        with self._effects(), self._held():
            self._no_run()
            return self._stop()

    def reset(self) -> None:
        """Stop the demo and remove all of it; the next start begins with the first release. Raises DemoError as `stop`.

        Only each environment's audit.log stays, as it would on a host: the store's audit is compared with it.
        """
        if not (self.root / "demo.json").exists():
            return
        with self._effects(), self._held():
            self._no_run()
            self._stop()
            for name in ENVIRONMENTS:
                _remove_but_audit(self.directory(name))
            for name in ("traffic", "releases"):
                if (self.root / name).exists():
                    shutil.rmtree(self.root / name)
            self.password_file.unlink(missing_ok=True)
            (self.root / "demo.json").unlink(missing_ok=True)

    def _no_run(self) -> None:
        """Raise DemoError if a run is at work in an environment."""
        for environment in ENVIRONMENTS:
            lock = self.directory(environment) / ".quarterdeck" / "lock"
            try:
                run = str(json.loads((lock / "owner.json").read_text("utf-8")).get("run") or "")
                age_s = time.time() - (lock / "beat").stat().st_mtime
            except (OSError, ValueError, AttributeError):
                continue
            if run and age_s < DEFAULT.lock_dead_s:
                raise DemoError(
                    f"The run {run} is at work in {environment}; whatever it starts or takes back would stay after "
                    f"the demo's end. Wait for its end, or cancel it (`quarterdeck -p demo runs cancel {run}`); then "
                    f"stop the demo. Of a run that died that is said for {DEFAULT.lock_dead_s:.0f} s."
                )

    # -- where things are ----------------------------------------------------------------------------------------

    def _proxy(self, environment: str) -> Path:
        return Path(layout.proxy_dir(str(self.directory(environment))))

    def _instances(self, environment: str) -> list[Path]:
        """Directories of all services' instances that have been started, in a fixed order."""
        found = Path(layout.process_dir(str(self.directory(environment)))).glob(f"*/{layout.PID}")
        return sorted(path.parent for path in found)

    def _piece(self, name: str, directory: Path) -> Piece:
        identity = recorded(directory / layout.PID)
        port = _text(directory / layout.PORT) or _text(directory / layout.LISTEN).rpartition(":")[2]
        return Piece(
            name=name,
            pid=identity.pid if identity else None,
            alive=alive(identity),
            port=int(port) if port.isdecimal() else None,
            release=_text(directory / layout.RELEASE),
        )

    def _addresses(self) -> dict[str, str]:
        return {name: f"http://127.0.0.1:{first}" for name, first in self._blocks().items()}

    def _blocks(self) -> dict[str, int]:
        """First port of each environment's block. Raises DemoError."""
        path = self.root / "demo.json"
        try:
            found = json.loads(path.read_text("utf-8"))["ports"]
            return {name: int(found[name]) for name in ENVIRONMENTS}
        except FileNotFoundError as error:
            raise DemoError(f"There is no demo in {self.root} yet: start it with `quarterdeck demo`.") from error
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DemoError(
                f"{path} cannot be read ({error}). `quarterdeck demo --reset` stops what runs and begins anew."
            ) from error

    # -- effects -------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _effects(self) -> Iterator[None]:
        """Turn what the machine refuses into sentences."""
        try:
            yield
        except NoPorts as error:
            raise DemoError(f"The demo found {error}") from error
        except NotStarted as error:
            raise DemoError(f"The demo could not be started: {error}.") from error
        except OSError as error:
            self._refuse(error)

    def _refuse(self, error: OSError) -> NoReturn:
        where = error.filename or self.root
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DemoError(f"The disk is full: {where} cannot be written. Free some room and try again.") from error
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR):
            raise DemoError(
                f"{where} cannot be written ({error.strerror}). Point XDG_STATE_HOME to a directory of yours."
            ) from error
        raise DemoError(f"The demo met a problem with {where}: {error.strerror or error}.") from error

    @contextlib.contextmanager
    def _held(self) -> Iterator[None]:
        """Hold the demo's lock: another console may be starting it."""
        self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        with (self.root / "lock").open("a") as file:
            until = time.monotonic() + LOCK_S
            while True:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError as error:
                    if time.monotonic() > until:
                        raise DemoError(
                            f"Another console has been starting or stopping the demo for {LOCK_S:g} s "
                            f"({self.root / 'lock'} is held). Try again when it is done."
                        ) from error
                    time.sleep(0.05)
            yield

    def _ground(self) -> None:
        """Directories, releases, password and ports; what is there is kept."""
        free_mb = shutil.disk_usage(self.root).free // 1_000_000
        if free_mb < NEEDED_MB:
            raise DemoError(
                f"Only {free_mb} MB are free for {self.root} and the demo needs {NEEDED_MB} MB. Free some room, or "
                "point XDG_STATE_HOME to another disk."
            )
        shipped = Path(__file__).with_name("releases")
        for source in sorted(shipped.glob("*/release.json")):
            target = self.releases / source.parent.name / source.name
            if not target.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                write(target, source.read_text("utf-8"), 0o644)
        if not self.password_file.exists():
            write(self.password_file, secrets.token_urlsafe(18) + "\n")
        if not (self.root / "demo.json").exists():
            firsts = blocks(len(ENVIRONMENTS))
            self._write_blocks(dict(zip(ENVIRONMENTS, firsts, strict=True)))

    def _write_blocks(self, ports: dict[str, int]) -> None:
        write(self.root / "demo.json", json.dumps({"format": 1, "ports": ports}, indent=1) + "\n")

    def _start_environment(
        self, environment: str, say: Callable[[str], None], notes: list[str]
    ) -> list[tuple[str, int, str, Path]]:
        """Start what is missing. What must still answer: (name, port, path, log)."""
        directory = self.directory(environment)
        owner = directory / ".quarterdeck" / "lock" / "owner.json"
        routes = self._proxy(environment) / layout.ROUTES
        waiting: list[tuple[str, int, str, Path]] = []
        if owner.exists() and routes.exists():
            notes.append(f"A run holds the lock of {environment}: its services were left as they are.")
        else:
            before = _routes(routes)
            after: dict[str, int] = {}
            for service in SERVICES:
                port, started = self._start_service(
                    environment, service, before.get(service), {*before.values(), *after.values()}, notes
                )
                after[service] = port
                if started is not None:
                    say(f"{environment}: {service} started")
                    path = "/api/health" if service == "backend" else "/health"
                    waiting.append((f"{environment}/{service}", port, path, started / layout.LOG))
            if after != before:
                routes.parent.mkdir(parents=True, exist_ok=True)
                write(routes, layout.routes_text(layout.upstreams(after, PREFIXES)))
        if self._start_proxy(environment):
            say(f"{environment}: proxy started")
            admin = self._blocks()[environment] + 1
            waiting.append((f"{environment}/proxy", admin, "/routes", self._proxy(environment) / layout.LOG))
        return waiting

    def _start_service(
        self, environment: str, service: str, port: int | None, taken: set[int], notes: list[str]
    ) -> tuple[int, Path | None]:
        """See that the live instance of a service runs. Its port, and its directory if it had to be started."""
        directory = str(self.directory(environment))
        instance = Path(layout.service_dir(directory, service))
        for path in self._instances(environment):
            if path.name.partition(".")[0] == service and port and _text(path / layout.PORT) == str(port):
                instance = path
        if port is not None and alive(recorded(instance / layout.PID)):
            return port, None
        if port is not None and (instance / layout.STOPPED).exists():
            notes.append(f"A run stopped {service} of {environment}: it stays stopped until it is started there.")
            return port, None
        release = _text(instance / layout.RELEASE) or FIRST_RELEASE
        if not (self.releases / release / "release.json").exists():
            raise DemoError(
                f"{environment} ran the release {release} of {service}, which is not in {self.releases}. "
                "`quarterdeck demo --reset` begins again with the first release."
            )
        if port is None or not free(port):
            first = self._blocks()[environment]
            usable = (one for one in range(first + 2, first + BLOCK) if one not in taken and free(one))
            port = next(usable, None)
            if port is None:
                raise DemoError(
                    f"All service ports of {environment} ({first + 2} to {first + BLOCK - 1}) are taken by other "
                    "programs. `quarterdeck demo --reset` looks for others."
                )
        instance.mkdir(parents=True, exist_ok=True)
        argv = self.service_argv(service, str(self.releases / release), port)
        write(instance / layout.PORT, f"{port}\n")
        write(instance / layout.RELEASE, f"{release}\n")
        (instance / layout.STOPPED).unlink(missing_ok=True)
        spawn(argv, instance / layout.PID, instance / layout.LOG)
        return port, instance

    def service_argv(self, service: str, artifacts: str, port: int) -> tuple[str, ...]:
        """The words that start a service; the profile's `command` says the same."""
        argv = (sys.executable, "-P", "-m", "console.demo.service", service)
        words = (*argv, "--release", artifacts, "--port", str(port))
        return (*words, "--password-file", str(self.password_file)) if service == "backend" else words

    def _start_proxy(self, environment: str) -> bool:
        proxy = self._proxy(environment)
        if alive(recorded(proxy / layout.PID)):
            return False
        ports = self._blocks()
        if not (free(ports[environment]) and free(ports[environment] + 1)):
            # The proxy's port is in the profile: a new block, taken up when the profile is next loaded.
            ports[environment] = blocks(1, taken=set(ports.values()))[0]
            self._write_blocks(ports)
        listen, admin = (f"{layout.LOOPBACK}:{ports[environment] + more}" for more in (0, 1))
        write(proxy / layout.LISTEN, f"{listen}\n")
        write(proxy / layout.ADMIN, f"{admin}\n")
        argv = layout.proxy_argv(sys.executable, str(self.directory(environment)), listen, admin)
        spawn(argv, proxy / layout.PID, proxy / layout.LOG)
        return True

    def _start_traffic(self, say: Callable[[str], None]) -> None:
        traffic = self.root / "traffic"
        if alive(recorded(traffic / layout.PID)):
            return
        traffic.mkdir(exist_ok=True)
        argv = (sys.executable, "-P", "-m", "console.demo.traffic", "--root", str(self.root))
        spawn(argv, traffic / layout.PID, traffic / layout.LOG)
        say("traffic started")

    def _until_answers(self, name: str, port: int, path: str, log: Path) -> None:
        """Wait until something answers. Any answer will do: a release may be sick, and still be what is live."""
        until = time.monotonic() + START_S
        answers = False
        while True:
            # In this order: an answer counts only if the process still lives after it, since on a port that the
            # process could not get, somebody else answers.
            if not alive(recorded(log.with_name(layout.PID))):
                raise DemoError(f"The demo's {name} ended at once: {last_line(log) or 'it said nothing'} ({log}).")
            if answers:
                return
            if time.monotonic() > until:
                raise DemoError(f"The demo's {name} did not answer on port {port} within {START_S:g} s ({log}).")
            answers = _answers(port, path)
            if not answers:
                time.sleep(0.02)

    def _stop(self) -> tuple[str, ...]:
        """Traffic first, then the proxies, then the services, so that nobody asks what is going away."""
        directories = [("traffic", self.root / "traffic")]
        directories += [(f"{name}/proxy", self._proxy(name)) for name in ENVIRONMENTS]
        directories += [(f"{name}/{path.name}", path) for name in ENVIRONMENTS for path in self._instances(name)]
        living = {name: found for name, path in directories if alive(found := recorded(path / layout.PID)) and found}
        left = end(living.values())
        if left:
            pids = ", ".join(str(identity.pid) for identity in left)
            raise DemoError(f"These processes of the demo could not be ended: {pids}. Look at them with `ps -fp`.")
        return tuple(living)


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace").strip()
    except OSError:
        return ""


def _routes(path: Path) -> dict[str, int]:
    """Service to port as the routes file says; empty if it says nothing usable."""
    try:
        routes, _ = parse_routes(path.read_bytes())
    except (OSError, ValueError):
        return {}
    ports = {prefix: int(to.rpartition(":")[2]) for prefix, to in routes}
    return {service: ports[prefix] for prefix, service in reversed(PREFIXES) if prefix in ports}


def _answers(port: int, path: str) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", path, headers={"Connection": "close"})
        connection.getresponse().read()
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
    return True


def _remove_but_audit(directory: Path) -> None:
    """Remove all that is in an environment's directory but its audit.log, and the directory itself if it has none."""
    own = directory / ".quarterdeck"
    for folder in (own, directory):
        if not folder.exists():
            continue
        for one in folder.iterdir():
            if one == own or (folder == own and one.name == AUDIT_LOG):
                continue
            if one.is_dir() and not one.is_symlink():
                shutil.rmtree(one)
            else:
                one.unlink()
        with contextlib.suppress(OSError):  # not empty
            folder.rmdir()
