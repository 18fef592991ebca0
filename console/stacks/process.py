"""The process stack: one plain process a service, behind the small proxy. For demonstrations and single services.

A release is a directory that somebody put on the host (`artifacts`, with `{release}` in it) and that nobody changes
afterwards. There is no fetching, no keeping and no pruning: the directories are not ours.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from console.hosts.base import HostError
from console.hosts.command import Command
from console.stacks.around import SAME_FAILED, knows, recorded, same, then
from console.stacks.base import (
    QUICK_S,
    SWITCH_S,
    Fetch,
    FileText,
    Ground,
    Live,
    LiveService,
    Problem,
    ProcessSpec,
    ServiceSpec,
    StackError,
    why,
)
from console.stacks.process_scripts import (
    GROUND_SCRIPT,
    LIVE_SCRIPT,
    READY_SCRIPT,
    REMOVE_SCRIPT,
    SWITCH_SCRIPT,
    VERB_SCRIPT,
)
from console.stacks.registry import newest_first
from console.stacks.release import Release, StoredFile, parse_releases, place, release_dir, write_command
from console.stacks.scripts import RELEASES, sections

if TYPE_CHECKING:
    from console.hosts.base import Host

HEALTH_S = 1.5
"""How long one look at a service's health may take."""


class ProcessStack:
    """Implements `Stack` for a `ProcessSpec`."""

    def __init__(self, spec: ProcessSpec) -> None:
        self._spec = spec
        self._before, _, self._after = spec.artifacts.partition("{release}")

    @property
    def spec(self) -> ProcessSpec:
        return self._spec

    # --- reading ---------------------------------------------------------------------------------------------------

    def live(self, host: Host) -> Live:
        """What runs on `host` now, each asked for its health. Raises HostError, StackError."""
        words = ("sh", "-c", LIVE_SCRIPT, "quarterdeck-live", self._spec.directory, *self._spec.names)
        services = self._parse_live(self._read(host, words))
        return Live(host=host.name, services=tuple(self._asked(host, one) for one in services))

    def ground(self, host: Host, live: Callable[[], Live] | None = None) -> Ground:
        """What planning needs. Raises HostError, StackError."""
        spec = self._spec
        script = GROUND_SCRIPT + RELEASES
        words = ("sh", "-c", script, "quarterdeck-ground", spec.directory, spec.state, self._before, self._after)
        text = self._read(host, words)
        found = {title: body for title, body in sections(text) if not title.startswith(("release ", "images"))}
        artifacts = [body.strip() for title, body in sections(text) if title == "images"]
        images = tuple(sorted(line for body in artifacts for line in body.splitlines() if line))
        disk = found.get("disk", "").split()
        releases = parse_releases(text, where=f"{host.name}:{spec.state}")
        return Ground(
            host=host.name,
            live=place(self.live(host) if live is None else live(), releases),
            releases=releases,
            arch=found.get("info", "").strip(),
            disk_free_mb=int(disk[3]) // 1024 if len(disk) >= 4 and disk[3].isdecimal() else None,
            images=images,
            problems=tuple(self._problems(host.name, found.get("directory", "").strip())),
        )

    def candidates_here(self, host: Host) -> tuple[str, ...]:
        """Names of the release directories on the host, newest first."""
        return newest_first([self._release_of(path) for path in self.ground(host).images])

    def resolve_here(self, host: Host, candidate: str) -> dict[str, str]:
        """Every service runs from the candidate's directory. Raises StackError if there is none."""
        images = self.ground(host).images
        path = self._path(candidate)
        if path not in images:
            names = ", ".join(newest_first([self._release_of(image) for image in images])) or "none"
            raise StackError(
                f"{host.name} has no release {candidate}: {path} is not there.", (f"releases there: {names}",)
            )
        return dict.fromkeys(self._spec.names, path)

    def _read(self, host: Host, words: tuple[str, ...]) -> str:
        result = host.run(Command(argv=words, deadline_s=20))
        if result.rc != 0:
            raise StackError(f"{host.name} could not be looked at: {why(result)}.")
        return result.text()

    def _parse_live(self, text: str) -> list[LiveService]:
        """Services from what `LIVE_SCRIPT` printed. Pure."""
        found = []
        for title, body in sections(text):
            name = title.removeprefix("service ")
            values = dict(line.split(" ", 1) for line in body.splitlines() if " " in line)
            release = values.get("release", "").strip()
            found.append(
                LiveService.model_validate(
                    {
                        "service": name,
                        "image": self._path(release) if release else "",
                        "state": "running" if "alive" in values else "exited",
                        "health": "none" if "alive" in values else "unknown",
                        "since": values.get("since", ""),
                        "made": values.get("made", ""),
                        "release": values.get("label", "").strip(),
                        "container": values.get("alive", ""),
                        "name": name,
                        "ports": (values["port"],) if "port" in values else (),
                    }
                )
            )
        return found

    def _asked(self, host: Host, one: LiveService) -> LiveService:
        """The service with its health, where the profile says how to ask for it."""
        spec = self._spec.service(one.service)
        if spec is None or spec.health != "http" or one.state != "running":
            return one
        port = spec.port or next((int(port) for port in one.ports if port.isdecimal()), None)
        if port is None:
            return one
        try:
            status = _get(host, spec.address, port, spec.path)
        except (HostError, OSError, http.client.HTTPException) as error:
            return one.model_copy(update={"health": "unhealthy", "said": str(error)[:200] or type(error).__name__})
        good = status == spec.status
        said = f"{spec.path} answered {status}"
        return one.model_copy(update={"health": "healthy" if good else "unhealthy", "said": said})

    def _problems(self, host: str, writable: str) -> list[Problem]:
        directory = self._spec.directory
        if writable == "writable":
            return []
        what = "does not exist" if not writable else "cannot be written to by this account"
        return [
            Problem(
                id="directory",
                reason=f"The deploy directory {directory} {what} on {host}.",
                ways_out=(f"create it for the account that deploys: install -d -o USER {directory}",),
            )
        ]

    def _path(self, release: str) -> str:
        return f"{self._before}{release}{self._after}"

    def _release_of(self, path: str) -> str:
        end = len(path) - len(self._after)
        return path[len(self._before) : end]

    # --- files and images ------------------------------------------------------------------------------------------

    def stored_files(self, ground: Ground, uploads: Mapping[str, str]) -> tuple[StoredFile, ...]:
        return ()

    def commands(self, images: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
        """Kept with the release: who goes back to it one day starts it as it was, and not as the profile says then."""
        return {one.name: self._argv(one, images[one.name]) for one in self._spec.services if one.name in images}

    def release_files(self, release: Release) -> tuple[FileText, ...]:
        return ()

    def version_of(self, image: str) -> str:
        """The name of the release directory."""
        return self._release_of(image)

    def name_for(self, service: str, release: str, runs: str) -> str:
        return runs

    def write(self, ground: Ground, release: Release, uploads: Mapping[str, str]) -> Command:
        return write_command(self._spec.state, release, (), ())

    def ready_for(self, ground: Ground) -> Command:
        return Command(argv=("sh", "-c", READY_SCRIPT, "quarterdeck-ready", self._spec.directory), deadline_s=20)

    def validate(self, ground: Ground, release: Release) -> Command | None:
        return None

    def fetches(self, ground: Ground, release: Release) -> tuple[Fetch, ...]:
        return ()

    def present(self, ground: Ground, release: Release) -> Command:
        paths = sorted(set(release.images.values()))
        words = [word for path in paths for word in ("-d", path, "-a")]
        return Command(argv=("test", *words[:-1]), deadline_s=20)

    def keep(self, ground: Ground, release: Release) -> Command | None:
        return None

    def unkeep(self, ground: Ground, release: Release) -> Command:
        return Command(argv=("true",), deadline_s=20)

    def adopt(self, ground: Ground, release: Release) -> Command | None:
        return None

    def prune(
        self, ground: Ground, keep: Sequence[Release], drop: Sequence[Release], forget: Sequence[Release]
    ) -> Command | None:
        if not forget:
            return None
        words = ("rm", "-rf", "--", *(release_dir(self._spec.state, one.id) for one in forget))
        return Command(argv=words, writes=True, deadline_s=QUICK_S)

    # --- one-off programs ------------------------------------------------------------------------------------------

    def ask(self, ground: Ground, service: str, argv: Sequence[str]) -> Command | None:
        live = ground.live.service(service)
        if live is None or live.state != "running":
            return None
        return Command(argv=self._filled(argv, service, live.image), cwd=live.image, deadline_s=30)

    def task(
        self, ground: Ground, release: Release, service: str, argv: Sequence[str], *, deadline_s: float, into: str = ""
    ) -> Command:
        words = self._filled(argv, service, release.images[service])
        if into:
            words = recorded(f"{release_dir(self._spec.state, release.id)}/{into}", words)
        return self._in(release, service, words, deadline_s)

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
        words = [self._filled(argv, service, release.images[service]) for argv in (first, second)]
        return self._in(release, service, same(*words, say=True), deadline_s)

    def unchanged(
        self, ground: Ground, release: Release, service: str, argv: Sequence[str], *, note: str, deadline_s: float
    ) -> Command:
        words = self._filled(argv, service, release.images[service])
        kept = ("cat", "--", f"{release_dir(self._spec.state, release.id)}/{note}")
        command = self._in(release, service, same(kept, words, say=False), deadline_s)
        return command.model_copy(update={"no_answer": SAME_FAILED})

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
        file = f"{release_dir(self._spec.state, release.id)}/{into}"
        path = release.images[service]
        words = knows(file, revisions, self._filled(argv, service, path), self._filled(current, service, path))
        return self._in(release, service, words, deadline_s)

    def _in(self, release: Release, service: str, words: Sequence[str], deadline_s: float) -> Command:
        cwd = release.images[service]
        return Command(argv=tuple(words), writes=True, detach=True, deadline_s=deadline_s, cwd=cwd)

    def start_needed(self, ground: Ground, release: Release, services: Sequence[str]) -> Command:
        return self.switch(ground, release, services)

    # --- changing --------------------------------------------------------------------------------------------------

    def switch(self, ground: Ground, release: Release, services: Sequence[str]) -> Command:
        """Start the release's processes beside the old ones, route to them, end the old ones."""
        wanted = [one for one in self._spec.services if one.name in release.images]
        first, last = self._spec.ports or (1, 0)
        words: list[str] = [self._spec.directory, str(int(self._spec.drain_s)), str(first), str(last)]
        routes = self._routes()
        words += [str(len(routes)), *(word for route in routes for word in route)]
        for one in wanted:
            if services and one.name not in services:
                continue
            path = release.images[one.name]
            argv = release.commands.get(one.name) or self._argv(one, path)
            own = str(one.own_port) if one.own_port else "-"
            label = release.labels.get(one.name, release.id)
            words += [one.name, self._release_of(path), label, own, str(len(argv)), *argv]
        return self._changing(SWITCH_SCRIPT, "quarterdeck-switch", words)

    def switch_back(self, ground: Ground, target: Release | None, leaving: Release, services: Sequence[str]) -> Command:
        if target is None:
            return self._changing(REMOVE_SCRIPT, "quarterdeck-remove", [self._spec.directory, *sorted(leaving.images)])
        return self.switch(ground, target, services)

    def remove(self, ground: Ground, release: Release, services: Sequence[str]) -> Command:
        return self._changing(REMOVE_SCRIPT, "quarterdeck-remove", [self._spec.directory, *services])

    def start_anew(self, ground: Ground, release: Release, services: Sequence[str]) -> Command:
        first, *rest = (self._verb(ground, "restart", service) for service in services)
        for one in rest:
            first = first.model_copy(update={"argv": then(first.argv, one.argv)})
        return first

    def restart(self, ground: Ground, release: Release | None, service: str) -> Command:
        return self._verb(ground, "restart", service)

    def stop(self, ground: Ground, release: Release | None, service: str) -> Command:
        return self._verb(ground, "stop", service)

    def start(self, ground: Ground, release: Release | None, service: str) -> Command:
        return self._verb(ground, "start", service)

    def _verb(self, ground: Ground, verb: str, service: str) -> Command:
        live, spec = ground.live.service(service), self._spec.service(service)
        argv = self._argv(spec, live.image) if live is not None and spec is not None else ()
        return self._changing(VERB_SCRIPT, "quarterdeck-verb", [verb, self._spec.directory, service, *argv])

    def _changing(self, script: str, name: str, words: Sequence[str]) -> Command:
        return Command(argv=("sh", "-c", script, name, *words), writes=True, detach=True, deadline_s=SWITCH_S)

    def _argv(self, service: ServiceSpec, path: str) -> tuple[str, ...]:
        """The words that start a service from a release's directory; `{port}` stays for the host to fill in."""
        settings = (f"{name}={value}" for name, value in service.env)
        return self._filled((*settings, *service.argv), service.name, path)

    def _filled(self, words: Sequence[str], service: str, path: str) -> tuple[str, ...]:
        values = {
            "{release}": self._release_of(path),
            "{artifacts}": path,
            "{directory}": self._spec.directory,
            "{service}": service,
        }
        filled = []
        for word in words:
            for name, value in values.items():
                word = word.replace(name, value)
            filled.append(word)
        return tuple(filled)

    def _routes(self) -> list[tuple[str, str]]:
        """(prefix as JSON, service), the longest prefix first, as the proxy tries them in order."""
        if self._spec.proxy is None:
            return []
        pairs = [(prefix, one.name) for one in self._spec.services for prefix in one.routes]
        return [(json.dumps(prefix), name) for prefix, name in sorted(pairs, key=lambda pair: (-len(pair[0]), pair[0]))]


def _get(host: Host, address: str, port: int, path: str) -> int:
    """The status of one GET, over a connection that the host opens. Raises HostError, OSError, HTTPException."""
    opened = host.connect_to(address, port)
    try:
        opened.settimeout(HEALTH_S)
        connection = http.client.HTTPConnection(address, port, timeout=HEALTH_S)
        connection.sock = opened
        connection.request("GET", path, headers={"Connection": "close", "User-Agent": "quarterdeck"})
        response = connection.getresponse()
        response.read(65_536)
        return response.status
    finally:
        opened.close()
