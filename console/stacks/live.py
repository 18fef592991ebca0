"""What a compose project runs on a host, read through the engine's API and nothing else.

Containers are found by the labels that Compose puts on them (`com.docker.compose.project`, `.service`,
`com.docker.compose.oneoff`), never by their names: a user's `container_name:` changes those.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, cast

from console.stacks.base import LABEL_RELEASE, Live, LiveService

if TYPE_CHECKING:
    from docker import APIClient

    from console.hosts.base import Host

PROJECT = "com.docker.compose.project"
SERVICE = "com.docker.compose.service"
ONE_OFF = "com.docker.compose.oneoff"

STATES = ("running", "restarting", "paused", "exited", "dead", "created")
SIDE_BY_SIDE = 4
"""So many containers are looked at at once: each answer takes a round trip of its own."""
NEVER = "0001-01-01T00:00:00Z"
"""The engine's way to say that a container was never started."""


def read_live(host: Host, project: str, services: Sequence[str]) -> Live:
    """What runs of `project` on `host`; `services` are those of the profile that belong there.

    Raises HostError if the host is not reached, went away meanwhile, or its engine does not answer.
    """
    import requests
    from docker.errors import DockerException

    try:
        return from_engine(host.docker(), host.name, project, services)
    except (DockerException, requests.RequestException) as error:
        from console.hosts.docker_api import engine_error

        raise engine_error(host.name, f"what runs of the project {project}", error) from error


def from_engine(client: APIClient, host: str, project: str, services: Sequence[str]) -> Live:
    """The same, from a client of the engine's API. Only GET requests are made."""
    listed = client.containers(all=True, filters={"label": [f"{PROJECT}={project}"]})
    digests: dict[str, str] = {}
    found: dict[str, list[LiveService]] = {}
    labelled = [(entry.get("Labels") or {}, entry["Id"]) for entry in listed]
    wanted = [(labels, id_) for labels, id_ in labelled if labels.get(ONE_OFF) != "True" and SERVICE in labels]
    with ThreadPoolExecutor(SIDE_BY_SIDE, thread_name_prefix="inspect") as pool:
        looked = list(pool.map(lambda one: _inspected(client, one[1]), wanted))
    for (labels, _), inspected in zip(wanted, looked, strict=True):
        if inspected is None:
            continue
        image_id = str(inspected.get("Image", ""))
        configured = str((inspected.get("Config") or {}).get("Image", ""))
        if image_id not in digests:
            digests[image_id] = _digest(client, image_id, configured)
        found.setdefault(labels[SERVICE], []).append(live_service(inspected, digests[image_id]))
    ours = tuple(_chosen(found[name]) if name in found else LiveService(service=name) for name in services)
    return Live(
        host=host,
        services=tuple(one for one in ours if one.state != "absent"),
        others=tuple(sorted(name for name in found if name not in services)),
    )


def _inspected(client: APIClient, container: str) -> Mapping[str, Any] | None:
    from docker.errors import NotFound

    try:
        return cast("Mapping[str, Any]", client.inspect_container(container))
    except NotFound:  # removed between the two requests
        return None


def _digest(client: APIClient, image_id: str, configured: str) -> str:
    """`repo@sha256:…` of an image: as configured where that is a digest, else the engine's, else ""."""
    from docker.errors import NotFound

    if "@sha256:" in configured:
        return configured
    try:
        inspected = cast("Any", client).inspect_image(image_id)
    except NotFound:
        return ""
    return digest_for(inspected.get("RepoDigests") or (), configured)


def digest_for(repo_digests: Sequence[str], configured: str) -> str:
    """Of an image's digests the one of the repository that the container was started from; else the first; else ""."""
    from console.stacks.registry import parse_reference

    try:
        repository = parse_reference(configured).repository
    except ValueError:
        repository = configured
    usable = sorted(one for one in repo_digests if "@sha256:" in one and not one.startswith("<none>"))
    return next((one for one in usable if one.split("@")[0] == repository), usable[0] if usable else "")


def live_service(inspected: Mapping[str, Any], digest: str) -> LiveService:
    """One service from what `inspect` says of its container. Pure."""
    config = inspected.get("Config") or {}
    labels = config.get("Labels") or {}
    state = inspected.get("State") or {}
    health = state.get("Health") or {}
    status = str(state.get("Status", ""))
    started = str(state.get("StartedAt", ""))
    log = health.get("Log") or ()
    health_word = str(health.get("Status", "")) or "none"
    return LiveService.model_validate(
        {
            "service": labels.get(SERVICE, ""),
            "image": str(config.get("Image", "")),
            "digest": digest,
            "image_id": str(inspected.get("Image", "")),
            "state": status if status in STATES else "dead",
            "health": health_word if health_word in ("healthy", "starting", "unhealthy", "none") else "unknown",
            "since": "" if started == NEVER else started,
            "made": str(inspected.get("Created", "")),
            "restarts": int(inspected.get("RestartCount", 0)),
            "release": str(labels.get(LABEL_RELEASE, "")),
            "container": str(inspected.get("Id", "")),
            "name": str(inspected.get("Name", "")).lstrip("/"),
            "ports": _ports((inspected.get("NetworkSettings") or {}).get("Ports") or {}),
            "exit_code": int(state["ExitCode"]) if status in ("exited", "dead") and "ExitCode" in state else None,
            "said": str(log[-1].get("Output", "")).strip()[-500:] if log else "",
        }
    )


def _ports(ports: Mapping[str, Any]) -> tuple[str, ...]:
    """`127.0.0.1:8000->80/tcp` for each published port, in a stable order, each once."""
    found = {
        f"{binding.get('HostIp', '')}:{binding.get('HostPort', '')}->{inner}"
        for inner, bindings in ports.items()
        for binding in bindings or ()
    }
    return tuple(sorted(found))


def _chosen(replicas: Sequence[LiveService]) -> LiveService:
    """The one of several containers of a service that tells most: the worst of those that run, else the newest."""
    trouble = {"unhealthy": 3, "unknown": 2, "starting": 1, "none": 0, "healthy": 0}
    running = [one for one in replicas if one.state in ("running", "restarting", "paused")]
    if running:
        return max(running, key=lambda one: (one.state == "restarting", trouble[one.health], one.since))
    return max(replicas, key=lambda one: one.since)
