"""The compose stack: Docker Compose v2 over the user's own files."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from console.hosts.command import Command
from console.stacks import commands
from console.stacks.around import SAME_FAILED, knows, same
from console.stacks.base import (
    DIRECTORY_MB,
    ComposeSpec,
    Fetch,
    FileText,
    Ground,
    Live,
    Problem,
    StackError,
    why,
)
from console.stacks.commands import on_host
from console.stacks.detect import MEND_ENGINE, MEND_V1, compose_found, engine_version
from console.stacks.live import read_live
from console.stacks.override import override_text
from console.stacks.release import OVERRIDE, Release, StoredFile, parse_releases, place, release_dir, write_command
from console.stacks.scripts import GROUND_SCRIPT, sections

if TYPE_CHECKING:
    from console.hosts.base import Host

LOCAL_REPOSITORY = "quarterdeck.local"
"""Names of images that were built on a host and have no digest: `quarterdeck.local/<environment>/<service>:<release>`.

No registry answers to it, so that nothing can be fetched under such a name by mistake.
"""


class ComposeStack:
    """Implements `Stack` for a `ComposeSpec`."""

    def __init__(self, spec: ComposeSpec) -> None:
        self._spec = spec

    @property
    def spec(self) -> ComposeSpec:
        return self._spec

    # --- reading ---------------------------------------------------------------------------------------------------

    def live(self, host: Host) -> Live:
        """What runs on `host` now. Raises HostError, StackError."""
        return read_live(host, self._spec.project, self._spec.names)

    def ground(self, host: Host, live: Callable[[], Live] | None = None) -> Ground:
        """What planning needs, in one command and a few reads of the engine. Raises HostError, StackError."""
        spec = self._spec
        paths = tuple(on_host(self._spec, file.path) for file in spec.files if not file.upload)
        env = on_host(self._spec, spec.env_file) if spec.env_file else ""
        words = ("sh", "-c", GROUND_SCRIPT, "quarterdeck-ground", spec.directory, spec.state, env, *paths)
        result = host.run(self._docker(host.name, Command(argv=words, deadline_s=30)))
        if result.rc != 0:
            raise StackError(f"{host.name} could not be looked at: {why(result)}.")
        ground = read_ground(spec, host.name, result.text())
        if not ground.engine:
            return ground
        found = self.live(host) if live is None else live()
        return ground.model_copy(update={"live": place(found, ground.releases)})

    def candidates_here(self, host: Host) -> tuple[str, ...] | None:
        """Compose images come from a registry."""
        return None

    def resolve_here(self, host: Host, candidate: str) -> dict[str, str] | None:
        """Compose images come from a registry."""
        return None

    # --- files -----------------------------------------------------------------------------------------------------

    def commands(self, images: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
        return {}

    def stored_files(self, ground: Ground, uploads: Mapping[str, str]) -> tuple[StoredFile, ...]:
        """The compose files of a new release with their digests: on the host as `ground` saw them, uploads as given."""
        found = []
        for number, file in enumerate(self._spec.files, start=1):
            name = f"files/{number}.{file.path.rsplit('/', 1)[-1]}"
            if file.upload:
                digest = hashlib.sha256(uploads[file.path].encode()).hexdigest()
                found.append(StoredFile(name=name, origin=file.path, sha256=digest, upload=True))
            else:
                path = on_host(self._spec, file.path)
                found.append(StoredFile(name=name, origin=path, sha256=ground.files[path]))
        return tuple(found)

    def release_files(self, release: Release) -> tuple[FileText, ...]:
        """The override file."""
        text = override_text(self._spec.environment, release.id, release.images, release.labels)
        return (FileText(name=OVERRIDE, text=text),)

    def write(self, ground: Ground, release: Release, uploads: Mapping[str, str]) -> Command:
        """Write `releases/<id>/`: record, override, and the compose files as used.

        A release that goes back to an older one takes its files from there, not from the deploy directory.
        """
        texts = [(file.name, file.text) for file in self.release_files(release)]
        copies = []
        for stored in release.files:
            if release.of is not None:
                origin = f"{release_dir(self._spec.state, release.of)}/{stored.name}"
                copies.append((stored.name, origin, stored.sha256))
            elif stored.upload:
                texts.append((stored.name, uploads[stored.origin]))
            else:
                copies.append((stored.name, stored.origin, stored.sha256))
        return write_command(self._spec.state, release, texts, copies)

    def ready_for(self, ground: Ground) -> Command:
        return self._docker(ground.host, commands.ready_for(self._spec))

    def validate(self, ground: Ground, release: Release) -> Command | None:
        return self._docker(ground.host, commands.config(self._spec, ground, release))

    # --- images ----------------------------------------------------------------------------------------------------

    def fetches(self, ground: Ground, release: Release) -> tuple[Fetch, ...]:
        """A pull for each registry, then what else the compose files need."""
        found = []
        here = set(ground.images)
        for number, (registry, images) in enumerate(commands.by_registry(release.images).items(), start=1):
            missing = [image for image in images if image not in here]
            found.append(
                Fetch(
                    suffix="" if number == 1 else f"-{number}",
                    title=f"fetch {len(images)} image{'s' if len(images) > 1 else ''} from {registry}",
                    run=self._docker(ground.host, commands.pull(self._spec, registry, images)),
                    check=self._docker(ground.host, commands.present(images)),
                    undo=self._docker(ground.host, commands.remove_images(self._spec, missing)),
                    shown="" if missing else "all of them are on the host already: nothing will be fetched",
                )
            )
        found.append(
            Fetch(
                suffix="-rest",
                title="fetch what other services of the compose files need",
                run=self._docker(ground.host, commands.rest(self._spec, ground, release)),
                undo=self._docker(ground.host, commands.undo_rest(self._spec, release)),
                certainty="conditional",
                shown="only images that are not on the host",
            )
        )
        return tuple(found)

    def present(self, ground: Ground, release: Release) -> Command:
        return self._docker(ground.host, commands.present(tuple(release.images.values())))

    def keep(self, ground: Ground, release: Release) -> Command | None:
        names = [
            service
            for service in sorted(release.images)
            if commands.keep_name(self._spec.environment, release.id, service) not in ground.kept
        ]
        return self._docker(ground.host, commands.keep(self._spec, release, names)) if names else None

    def unkeep(self, ground: Ground, release: Release) -> Command:
        return self._docker(ground.host, commands.unkeep(self._spec, release))

    def adopt(self, ground: Ground, release: Release) -> Command | None:
        pairs = []
        for service, reference in sorted(release.images.items()):
            live = ground.live.service(service)
            if reference.startswith(f"{LOCAL_REPOSITORY}/") and live is not None and live.image_id:
                pairs.append((live.image_id, reference))
        return self._docker(ground.host, commands.adopt(pairs)) if pairs else None

    def version_of(self, image: str) -> str:
        """The tag, if it has one."""
        return image.split("@")[0].rsplit("/", 1)[-1].partition(":")[2]

    def name_for(self, service: str, release: str, runs: str) -> str:
        """By its digest, or by a tag of ours if it has none."""
        if "@sha256:" in runs:
            return runs
        return f"{LOCAL_REPOSITORY}/{self._spec.environment}/{service}:{release}"

    def prune(
        self, ground: Ground, keep: Sequence[Release], drop: Sequence[Release], forget: Sequence[Release]
    ) -> Command | None:
        command = commands.prune(self._spec, ground, keep, drop, forget)
        return None if command is None else self._docker(ground.host, command)

    # --- changing --------------------------------------------------------------------------------------------------

    def ask(self, ground: Ground, service: str, argv: Sequence[str]) -> Command | None:
        live = ground.live.service(service)
        if live is None or live.state != "running":
            return None
        return self._docker(ground.host, commands.execute(live.container, argv))

    def task(
        self, ground: Ground, release: Release, service: str, argv: Sequence[str], *, deadline_s: float, into: str = ""
    ) -> Command:
        command = commands.task(self._spec, ground, release, service, argv, deadline_s=deadline_s, into=into)
        return self._docker(ground.host, command)

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
        words = [commands.one_off(self._spec, ground, release, service, argv) for argv in (first, second)]
        return self._docker(ground.host, commands.in_container(same(*words, say=True), deadline_s))

    def unchanged(
        self, ground: Ground, release: Release, service: str, argv: Sequence[str], *, note: str, deadline_s: float
    ) -> Command:
        words = commands.one_off(self._spec, ground, release, service, argv)
        kept = ("cat", "--", f"{release_dir(self._spec.state, release.id)}/{note}")
        command = self._docker(ground.host, commands.in_container(same(kept, words, say=False), deadline_s))
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
        known, now = (
            commands.one_off(self._spec, ground, release, service, one) if one else () for one in (argv, current)
        )
        words = knows(file, revisions, known, now)
        return self._docker(ground.host, commands.in_container(words, deadline_s))

    def start_needed(self, ground: Ground, release: Release, services: Sequence[str]) -> Command:
        return self._docker(ground.host, commands.up(self._spec, ground, release, services, deps=True, wait=True))

    def switch(self, ground: Ground, release: Release, services: Sequence[str]) -> Command:
        return self._docker(ground.host, commands.up(self._spec, ground, release, services, deps=not services))

    def switch_back(self, ground: Ground, target: Release | None, leaving: Release, services: Sequence[str]) -> Command:
        if target is None:
            if ground.live.services or ground.live.others:
                command = commands.remove(self._spec, ground, leaving, sorted(leaving.images))
            else:
                command = commands.down(self._spec, ground, leaving)
            return self._docker(ground.host, command)
        extra = [name for name in sorted(leaving.images) if ground.live.service(name) is None]
        stay = tuple(name for name in services if name not in extra)
        if extra:
            command = commands.up_and_remove(self._spec, ground, target, leaving, stay, extra)
        else:
            command = commands.up(self._spec, ground, target, stay, deps=not stay)
        return self._docker(ground.host, command)

    def remove(self, ground: Ground, release: Release, services: Sequence[str]) -> Command:
        return self._docker(ground.host, commands.remove(self._spec, ground, release, services))

    def start_anew(self, ground: Ground, release: Release, services: Sequence[str]) -> Command:
        return self._docker(ground.host, commands.start_anew(self._spec, ground, release, services))

    def restart(self, ground: Ground, release: Release | None, service: str) -> Command:
        return self._docker(ground.host, commands.service_verb(self._spec, ground, release, "restart", service))

    def stop(self, ground: Ground, release: Release | None, service: str) -> Command:
        return self._docker(ground.host, commands.service_verb(self._spec, ground, release, "stop", service))

    def start(self, ground: Ground, release: Release | None, service: str) -> Command:
        return self._docker(ground.host, commands.service_verb(self._spec, ground, release, "start", service))

    def _docker(self, host: str, command: Command) -> Command:
        """The command as this host wants it: under `sudo -n` where the account may not use the engine itself."""
        return command.model_copy(update={"become": "sudo"}) if host in self._spec.sudo else command


def read_ground(spec: ComposeSpec, host: str, text: str) -> Ground:
    """A `Ground`, without what is live, from what `GROUND_SCRIPT` printed. Pure. Raises StackError for a bad record."""
    found: dict[str, str] = {}
    free: dict[str, int] = {}
    files: dict[str, str] = {}
    for title, body in sections(text):
        if title.startswith("disk "):
            words = body.split()
            if len(words) >= 4 and words[3].isdecimal():
                free[title[5:]] = int(words[3]) // 1024
        elif title.startswith("file "):
            files[title[5:]] = body.split()[0] if body.split() else ""
        elif not title.startswith("release "):
            found[title] = body
    engine = engine_version(found.get("engine", ""))
    compose = compose_found(found.get("plugin", ""), found.get("standalone", ""), host)
    keys = tuple(dict.fromkeys(found["keys"].split())) if "keys" in found else None
    problems = tuple(_problems(spec, host, found, engine, compose.reason, compose.kind, files, keys, free))
    return Ground(
        host=host,
        live=Live(host=host),
        releases=parse_releases(text, where=f"{host}:{spec.state}"),
        engine=engine,
        arch=(found.get("info", "").split() or [""])[0],
        compose=compose.argv,
        compose_version=compose.version,
        disk_free_mb=free.get("engine"),
        images=image_names(found.get("images", "")),
        kept=tuple(sorted(found.get("kept", "").split())),
        files=files,
        env_keys=keys,
        env_fingerprint=(found.get("fingerprint", "").split() or [""])[0],
        problems=problems,
    )


def image_names(listing: str) -> tuple[str, ...]:
    """Every name of every image from `docker image ls` lines of `REPOSITORY TAG DIGEST ID`, sorted, each once."""
    names: set[str] = set()
    for line in listing.splitlines():
        words = line.split()
        if len(words) != 4:
            continue
        repository, tag, digest, image_id = words
        names.add(image_id)
        if repository != "<none>" and tag != "<none>":
            names.add(f"{repository}:{tag}")
        if repository != "<none>" and digest != "<none>":
            names.add(f"{repository}@{digest}")
    return tuple(sorted(names))


def _problems(
    spec: ComposeSpec,
    host: str,
    found: Mapping[str, str],
    engine: str,
    compose_reason: str,
    compose_kind: str,
    files: Mapping[str, str],
    keys: Sequence[str] | None,
    free: Mapping[str, int],
) -> list[Problem]:
    problems = []
    if not engine:
        said = found.get("engine", "").strip().splitlines()
        words = f" It said: {said[-1].strip()}" if said else ""
        problems.append(
            Problem(id="engine", reason=f"The Docker engine on {host} does not answer.{words}", ways_out=MEND_ENGINE)
        )
    elif compose_reason:
        mend = MEND_V1 if compose_kind == "v1" else MEND_V1[:1]
        problems.append(Problem(id="compose", reason=compose_reason, ways_out=mend))
    writable = found.get("directory", "").strip()
    if not writable:
        problems.append(
            Problem(
                id="directory",
                reason=f"The deploy directory {spec.directory} does not exist on {host}.",
                ways_out=(f"create it for the account that deploys: install -d -o USER {spec.directory}",),
            )
        )
    elif writable != "writable":
        problems.append(
            Problem(
                id="directory",
                reason=f"The deploy directory {spec.directory} on {host} cannot be written to by this account.",
                ways_out=(f"give it to the account that deploys: chown USER {spec.directory}",),
            )
        )
    if writable:
        problems += _missing_files(spec, host, files, keys)
    if free.get("directory", DIRECTORY_MB) < DIRECTORY_MB:
        problems.append(
            Problem(
                id="disk",
                reason=f"Only {free['directory']} MB are free below {spec.directory} on {host}; {DIRECTORY_MB} MB are "
                "needed for records and output.",
                ways_out=(f"look what fills it: du -xh {spec.directory} | sort -h | tail",),
            )
        )
    if free.get("engine", spec.disk_free_mb) < spec.disk_free_mb:
        problems.append(
            Problem(
                id="disk",
                reason=f"Only {free['engine']} MB are free where the engine on {host} keeps its images; "
                f"{spec.disk_free_mb} MB are needed.",
                ways_out=("docker system df shows what takes the space", "docker builder prune frees build caches"),
            )
        )
    return problems


def _missing_files(spec: ComposeSpec, host: str, files: Mapping[str, str], keys: Sequence[str] | None) -> list[Problem]:
    problems = []
    for file in spec.files:
        if not file.upload and on_host(spec, file.path) not in files:
            problems.append(
                Problem(
                    id="files",
                    reason=f"The compose file {on_host(spec, file.path)} is not on {host}.",
                    ways_out=("put it there, or name it as an upload in the profile",),
                )
            )
    ours = any(spec.env_file and on_host(spec, spec.env_file) == one.path and one.on(host) for one in spec.env_files)
    if spec.env_file and keys is None and not ours:
        problems.append(
            Problem(
                id="env",
                reason=f"The environment file {on_host(spec, spec.env_file)} is not on {host}, or cannot be read.",
                ways_out=("create it there with mode 0600 for the account that deploys",),
            )
        )
    return problems
