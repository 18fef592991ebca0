"""Docker and Compose commands of a release, as words. Pure: the same release is the same words everywhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from console.hosts.command import Command, InputSecret
from console.stacks.around import recorded, then
from console.stacks.base import DIRECTORY_MB, PULL_S, QUICK_S, SWITCH_S, ComposeSpec, Ground
from console.stacks.registry import registry_of
from console.stacks.release import OVERRIDE, Release, release_dir
from console.stacks.scripts import (
    ADOPT_SCRIPT,
    KEEP_SCRIPT,
    PRUNE_SCRIPT,
    PULL_SCRIPT,
    READY_SCRIPT,
    REST_SCRIPT,
    UNKEEP_SCRIPT,
    UNREST_SCRIPT,
)

ONE_OFF_NAME = "qd-{run}-{step}-{attempt}"


def compose(spec: ComposeSpec, ground: Ground, release: Release) -> tuple[str, ...]:
    """The words with which every Compose command of a release begins.

    The files are the copies in `releases/<id>/`; the project directory stays the deploy directory, so that relative
    paths in them (`./nginx.conf`, `.env`) mean what they always meant.
    """
    directory = release_dir(spec.state, release.id)
    words = [*ground.compose, "--project-name", release.project, "--project-directory", spec.directory]
    if spec.env_file:
        words += ["--env-file", on_host(spec, spec.env_file)]
    for profile in spec.profiles:
        words += ["--profile", profile]
    for stored in release.files:
        words += ["--file", f"{directory}/{stored.name}"]
    return (*words, "--file", f"{directory}/{OVERRIDE}")


def on_host(spec: ComposeSpec, path: str) -> str:
    """A path on the host; a relative one begins at the deploy directory."""
    return path if path.startswith("/") else f"{spec.directory.rstrip('/')}/{path}"


def config(spec: ComposeSpec, ground: Ground, release: Release) -> Command:
    """Compose reads all files and says nothing, or what is wrong with them."""
    return Command(argv=(*compose(spec, ground, release), "config", "--quiet"), deadline_s=30)


def pull(spec: ComposeSpec, registry: str, images: Sequence[str]) -> Command:
    """Fetch images of one registry, after a login of its own if the profile names a credential."""
    login = spec.registry if spec.registry is not None and spec.registry.host == registry else None
    user = login.user or "" if login and login.credential else ""
    secret = InputSecret(name=login.credential, field=login.field) if login and login.credential and user else None
    return Command(
        argv=("sh", "-c", PULL_SCRIPT, "quarterdeck-pull", spec.state, registry, user, *images),
        stdin=secret,
        writes=True,
        detach=True,
        deadline_s=PULL_S,
    )


def by_registry(images: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """Registry to the images that come from it, sorted, each once. A local tag (`quarterdeck.local/…`) has none."""
    found: dict[str, set[str]] = {}
    for reference in images.values():
        if "@sha256:" in reference:
            found.setdefault(registry_of(reference), set()).add(reference)
    return {registry: tuple(sorted(found[registry])) for registry in sorted(found)}


def rest(spec: ComposeSpec, ground: Ground, release: Release) -> Command:
    """Fetch what else the compose files name (a database, a cache) and is not here; note what was fetched."""
    fetched = f"{release_dir(spec.state, release.id)}/fetched"
    words = compose(spec, ground, release)
    return Command(
        argv=("sh", "-c", REST_SCRIPT, "quarterdeck-rest", fetched, *words),
        writes=True,
        detach=True,
        deadline_s=PULL_S,
    )


def undo_rest(spec: ComposeSpec, release: Release) -> Command:
    """Remove the images that `rest` noted."""
    fetched = f"{release_dir(spec.state, release.id)}/fetched"
    return Command(argv=("sh", "-c", UNREST_SCRIPT, "quarterdeck-unrest", fetched), writes=True, deadline_s=300)


def remove_images(spec: ComposeSpec, images: Sequence[str]) -> Command:
    """Remove images that nothing uses; one that is in use stays."""
    words = tuple(word for image in images for word in ("image", image))
    return Command(
        argv=("sh", "-c", PRUNE_SCRIPT, "quarterdeck-prune", spec.state, *words), writes=True, deadline_s=300
    )


def ready_for(spec: ComposeSpec) -> Command:
    """Does the engine answer, can the deploy directory be written to, is there room?"""
    room = (str(DIRECTORY_MB), str(spec.disk_free_mb))
    return Command(argv=("sh", "-c", READY_SCRIPT, "quarterdeck-ready", spec.directory, *room), deadline_s=20)


def execute(container: str, argv: Sequence[str]) -> Command:
    """Run a program that only reads inside a running container."""
    return Command(argv=("docker", "exec", container, *argv), deadline_s=30)


def present(images: Sequence[str]) -> Command:
    """Exit code 0 if all these images are here."""
    words = ("docker", "image", "inspect", "--format", "{{.Id}}", *sorted(set(images)))
    return Command(argv=words, deadline_s=20)


def keep_name(environment: str, release: str, service: str) -> str:
    """The keep container of a service's image. One engine may serve several environments, so its name names one."""
    return f"qd-keep-{environment}-{release}-{service}"


def keep(spec: ComposeSpec, release: Release, services: Sequence[str]) -> Command:
    """Create, and never start, a container for each image: `docker image prune -a` then leaves it alone."""
    words: list[str] = []
    for service in services:
        words += [keep_name(spec.environment, release.id, service), release.images[service]]
    return Command(
        argv=("sh", "-c", KEEP_SCRIPT, "quarterdeck-keep", spec.environment, release.id, *words),
        writes=True,
        deadline_s=QUICK_S,
    )


def unkeep(spec: ComposeSpec, release: Release) -> Command:
    """Remove the keep containers of a release."""
    names = tuple(keep_name(spec.environment, release.id, service) for service in sorted(release.images))
    return Command(
        argv=("sh", "-c", UNKEEP_SCRIPT, "quarterdeck-unkeep", *names),
        writes=True,
        deadline_s=QUICK_S,
    )


def one_off(spec: ComposeSpec, ground: Ground, release: Release, service: str, argv: Sequence[str]) -> tuple[str, ...]:
    """Words that run `argv` in a one-off container of the service, named for run, step and attempt.

    `--no-deps`: nothing else is started or replaced. No terminal (`-T`), so that output is plain.
    """
    words = compose(spec, ground, release)
    return (*words, "run", "--rm", "--no-deps", "-T", "--name", ONE_OFF_NAME, service, *argv)


def in_container(words: Sequence[str], deadline_s: float) -> Command:
    """A command that starts a one-off container, and is ended by that container's name."""
    return Command(argv=tuple(words), writes=True, detach=True, deadline_s=deadline_s, container=ONE_OFF_NAME)


def task(
    spec: ComposeSpec,
    ground: Ground,
    release: Release,
    service: str,
    argv: Sequence[str],
    *,
    deadline_s: float,
    into: str = "",
) -> Command:
    """Run `argv` in a one-off container; its output also goes to `releases/<id>/<into>` if given."""
    words = one_off(spec, ground, release, service, argv)
    if into:
        words = recorded(f"{release_dir(spec.state, release.id)}/{into}", words)
    return in_container(words, deadline_s)


def up(
    spec: ComposeSpec, ground: Ground, release: Release, services: Sequence[str], *, deps: bool, wait: bool = False
) -> Command:
    """Make a release live. Nothing is built and nothing fetched: what is missing is an error, not a surprise."""
    return _changing(up_words(spec, ground, release, services, deps=deps, wait=wait), SWITCH_S)


def up_words(
    spec: ComposeSpec, ground: Ground, release: Release, services: Sequence[str], *, deps: bool, wait: bool = False
) -> tuple[str, ...]:
    """The words of `up`, for use inside another command."""
    words = (*compose(spec, ground, release), "up", "--detach", "--no-build", "--pull", "never")
    return (*words, *(("--wait",) if wait else ()), *(() if deps else ("--no-deps",)), *services)


def start_anew(spec: ComposeSpec, ground: Ground, release: Release, services: Sequence[str]) -> Command:
    """Create the containers of services anew, whether or not Compose sees a reason to; nothing else is touched."""
    words = up_words(spec, ground, release, (), deps=False)
    return _changing((*words, "--force-recreate", *services), SWITCH_S)


def up_and_remove(
    spec: ComposeSpec, ground: Ground, target: Release, leaving: Release, services: Sequence[str], extra: Sequence[str]
) -> Command:
    """Remove `extra`, the services that only `leaving` has, then make `target` live again."""
    first = (*compose(spec, ground, leaving), "rm", "--stop", "--force", *extra)
    second = up_words(spec, ground, target, services, deps=not services)
    return _changing(then(first, second), SWITCH_S)


def remove(spec: ComposeSpec, ground: Ground, release: Release, services: Sequence[str]) -> Command:
    """Stop and remove containers of services; volumes and networks stay."""
    return _changing((*compose(spec, ground, release), "rm", "--stop", "--force", *services), SWITCH_S)


def down(spec: ComposeSpec, ground: Ground, release: Release) -> Command:
    """Stop and remove every container and network of the project; volumes stay, data is never removed."""
    return _changing((*compose(spec, ground, release), "down"), SWITCH_S)


def service_verb(spec: ComposeSpec, ground: Ground, release: Release | None, verb: str, service: str) -> Command:
    """`restart`, `stop` or `start` of one service as it is; no container is created anew.

    Without a release the project's name is enough: Compose then finds the containers by their labels.
    """
    words = compose(spec, ground, release) if release else (*ground.compose, "--project-name", spec.project)
    return _changing((*words, verb, service), SWITCH_S)


def adopt(pairs: Sequence[tuple[str, str]]) -> Command:
    """Give images without a digest a name of ours: (image id, tag) each."""
    words = tuple(word for pair in pairs for word in pair)
    return Command(
        argv=("sh", "-c", ADOPT_SCRIPT, "quarterdeck-adopt", *words),
        writes=True,
        deadline_s=QUICK_S,
    )


def prune(
    spec: ComposeSpec,
    ground: Ground,
    keep: Sequence[Release],
    drop: Sequence[Release],
    forget: Sequence[Release],
) -> Command | None:
    """Remove keep containers and images of `drop` that are here, and records of `forget`; None if that is nothing.

    Never an image that a release of `keep` names, and never one that no release of ours names.
    """
    needed = {reference for release in keep for reference in release.images.values()}
    kept, here = set(ground.kept), set(ground.images)
    words: list[str] = []
    for release in drop:
        names = (keep_name(spec.environment, release.id, service) for service in sorted(release.images))
        words += [word for name in names if name in kept for word in ("container", name)]
    doomed = {ref for release in drop for ref in release.images.values()} - needed
    words += [word for reference in sorted(doomed & here) for word in ("image", reference)]
    words += [word for release in forget for word in ("release", release.id)]
    if not words:
        return None
    return Command(
        argv=("sh", "-c", PRUNE_SCRIPT, "quarterdeck-prune", spec.state, *words), writes=True, deadline_s=300
    )


def _changing(words: Sequence[str], deadline_s: float) -> Command:
    return Command(argv=tuple(words), writes=True, detach=True, deadline_s=deadline_s)
