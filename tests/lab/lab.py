"""The lab as a whole: bringing it up, finding a running one, taking it down, and what tests ask of it."""

from __future__ import annotations

import contextlib
import json
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.lab import compose_plugin, hosts, images, operators, servers
from tests.lab.host import LabHost, difference
from tests.lab.operators import Operator
from tests.lab.places import HOSTS, Places, images_version, places, version
from tests.lab.processes import LabError, alive, locked, wait_until
from tests.lab.servers import Database
from tests.lab.system import System, clean_system, install_system

__all__ = ["Database", "Lab", "LabError", "LabHost", "Operator", "System", "difference", "wait_until"]


@dataclass(frozen=True)
class Lab:
    """A running lab."""

    places: Places
    hosts: dict[str, LabHost]
    operators: dict[str, Operator]
    timings: dict[str, float] = field(default_factory=dict, compare=False)
    """Seconds that each part of bringing it up took; empty for a lab that was running already."""

    def host(self, name: str) -> LabHost:
        """One of lab1, lab2, lab3."""
        return self.hosts[name]

    @property
    def registry(self) -> str:
        """address:port of the registry that asks for nothing."""
        return self.places.registry

    @property
    def private_registry(self) -> str:
        """address:port of the registry that asks for REGISTRY_USER and REGISTRY_PASSWORD; the same images."""
        return self.places.private_registry

    # --- registry ------------------------------------------------------------------------------------------------

    def registry_tags(self, repository: str) -> list[str]:
        """The tags of a repository (`backend`), sorted; empty when there is none."""
        status, _, body = servers.registry_request(self.registry, "GET", f"/v2/{repository}/tags/list")
        return sorted(json.loads(body).get("tags") or []) if status == 200 else []

    def digest(self, repository: str, tag: str) -> str:
        """The digest (sha256:…) that a tag stands for in the registry. Raises LabError when there is no such tag."""
        path = f"/v2/{repository}/manifests/{tag}"
        status, headers, _ = servers.registry_request(self.registry, "HEAD", path)
        if status != 200:
            raise LabError(f"the registry answered {status} for {repository}:{tag}")
        return headers["docker-content-digest"]

    def digests(self, release: str) -> dict[str, str]:
        """Service → digest of one release in the registry."""
        return {service: self.digest(service, release) for service in images.SERVICES}

    @contextlib.contextmanager
    def moved_tag(self, repository: str, tag: str, source: str) -> Iterator[str]:
        """While inside, `tag` (new or existing) stands for the image of tag `source`; yields its digest."""
        before = self.digest(repository, tag) if tag in self.registry_tags(repository) else None
        try:
            yield self._point(repository, tag, self.digest(repository, source))
        finally:
            if before is not None:
                self._point(repository, tag, before)
            else:
                storage = self.places.folder / "registry/storage/docker/registry/v2/repositories"
                shutil.rmtree(storage / repository / "_manifests" / "tags" / tag)

    def _point(self, repository: str, tag: str, digest: str) -> str:
        path = f"/v2/{repository}/manifests/"
        status, _, manifest = servers.registry_request(self.registry, "GET", path + digest)
        if status == 200:
            status, _, _ = servers.registry_request(self.registry, "PUT", path + tag, manifest)
        if status != 201:
            raise LabError(f"the registry answered {status} when {repository}:{tag} was to become {digest}")
        return digest

    def stop_registry(self) -> None:
        """End both registries: connections are refused."""
        servers.stop_registries(self.places)

    def start_registry(self) -> None:
        servers.start_registries(self.places)

    # --- database, Prometheus ------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def database(self, name: str | None = None) -> Iterator[Database]:
        """A fresh, empty database, dropped at the end whoever is still connected."""
        database = servers.create_database(self.places, name)
        try:
            yield database
        finally:
            servers.start_postgres(self.places)
            servers.drop_database(database)

    def stop_postgres(self) -> None:
        servers.stop_postgres(self.places)

    def start_postgres(self) -> None:
        servers.start_postgres(self.places)

    def promql(self, query: str) -> list[dict[str, Any]]:
        """Result of an instant query, asked on lab1 itself (Prometheus listens on its loopback only)."""
        return servers.promql(self.host("lab1"), query)

    def stop_prometheus(self) -> None:
        servers.stop_prometheus(self.host("lab1"))

    def start_prometheus(self) -> None:
        servers.start_prometheus(self.host("lab1"))
        servers.wait_for_prometheus(self.host("lab1"))

    # --- the system ----------------------------------------------------------------------------------------------

    def install_system(self, host: LabHost | str, db: Database, release: str | None = None) -> System:
        """Compose file and .env in /opt/app of a host; with `release`, that release is started by hand."""
        return install_system(self.host(host) if isinstance(host, str) else host, db, release)

    def clean_system(self, host: LabHost | str) -> None:
        """Remove all containers, networks, volumes, images (but the base) and files of earlier tests from a host."""
        clean_system(self.host(host) if isinstance(host, str) else host)

    def recover(self) -> None:
        """Take back every fault that a test may have left: cables, servers, full disks, hidden compose."""
        self.start_registry()
        self.start_postgres()
        for host in self.hosts.values():
            host.recover()
        servers.start_prometheus(self.host("lab1"))

    def reset_operators(self) -> None:
        """End the processes of op1's and op2's OS users and give every operator a fresh home (keys stay)."""
        operators.reset(self.places)


def up(chosen: Places | None = None) -> Lab:
    """Return the running lab of this version, or bring one up (an older one is taken down first)."""
    chosen = chosen or places()
    with locked(chosen.folder / "up.lock", 600, "the lab is being brought up or down by another process"):
        running = attach(chosen)
        if running is not None:
            return running
        _down(chosen)
        try:
            return _up(chosen)
        except BaseException:
            _down(chosen)
            raise


def attach(chosen: Places | None = None) -> Lab | None:
    """The running lab of this version, if there is one."""
    chosen = chosen or places()
    try:
        state = json.loads(chosen.state.read_text())
        found = {host.name: host for host in hosts.attach(chosen)}
    except (OSError, ValueError, LabError):
        return None
    if state != _wanted(chosen):
        return None
    return Lab(chosen, found, operators.operators(chosen))


def down(chosen: Places | None = None) -> None:
    """Take the lab down; images, compose and keys stay in its folder, so that the next start is quick."""
    chosen = chosen or places()
    with locked(chosen.folder / "up.lock", 600, "the lab is being brought up or down by another process"):
        _down(chosen)


def purge(chosen: Places | None = None) -> None:
    """Take the lab down and remove its folder and the OS users that it made."""
    chosen = chosen or places()
    down(chosen)
    operators.remove_users(chosen)
    shutil.rmtree(chosen.folder)


@contextlib.contextmanager
def session(chosen: Places | None = None, wait_s: float = 1800) -> Iterator[None]:
    """Hold the lab for one test session; another session waits up to `wait_s` seconds for its end."""
    chosen = chosen or places()
    with locked(chosen.folder / "session.lock", wait_s, "another test session uses the lab"):
        yield


def _up(chosen: Places) -> Lab:
    timings: dict[str, float] = {}
    began = time.monotonic()

    def lap(what: str) -> None:
        timings[what] = round(time.monotonic() - began - sum(timings.values()), 2)

    _check_folder(chosen)
    operators.ensure_users(chosen)
    with locked(chosen.cache_lock, 600, "another lab fetches what both need"):
        compose_plugin.fetch(chosen.plugins)
    lap("users, compose")
    hosts.make_bridge(chosen)
    servers.start_postgres(chosen)
    servers.start_registries(chosen)
    lap("postgres, registries")
    for name in HOSTS:
        hosts.prepare(chosen, name)
    authorized_keys = operators.reset(chosen)
    running = hosts.up(chosen, authorized_keys)
    servers.start_prometheus(running[0])
    lap("hosts")
    images.ensure(chosen, running)
    lap("images")
    for host in running:
        clean_system(host)
    servers.wait_for_prometheus(running[0])
    lap("clean")
    chosen.state.write_text(json.dumps(_wanted(chosen)))
    return Lab(chosen, {host.name: host for host in running}, operators.operators(chosen), timings)


def _down(chosen: Places) -> None:
    chosen.state.unlink(missing_ok=True)
    operators.end_processes(chosen)
    hosts.down(chosen)
    servers.stop_registries(chosen)
    servers.stop_postgres(chosen)


def _wanted(chosen: Places) -> dict[str, str]:
    return {"version": version(), "images": images_version(), "net": chosen.net}


def status(chosen: Places | None = None) -> list[str]:
    """What runs, one line each."""
    chosen = chosen or places()
    lines = []
    for name in HOSTS:
        folder = chosen.host_folder(name)
        pid = alive(folder / "init.pid")
        if pid is None:
            lines.append(f"{name} {chosen.ip(name)}: down")
            continue
        host = LabHost(name, chosen, pid)
        names = ("sshd", "dockerd", "node", *(("prometheus",) if name == "lab1" else ()))
        found = [f"{server} {'up' if host.running(server) else 'DOWN'}" for server in names]
        lines.append(f"{name} {chosen.ip(name)}: process 1 is {pid}; " + ", ".join(found))
    for name, address in (("open", chosen.registry), ("private", chosen.private_registry)):
        running = alive(chosen.folder / "registry" / f"{name}.pid")
        lines.append(f"{name} registry {address}: " + (f"process {running}" if running else "down"))
    lines.append("postgres: " + ("up" if servers.postgres_running(chosen) else "down"))
    lines.append("this version" if attach(chosen) else "not a complete lab of this version")
    return lines


def _check_folder(chosen: Places) -> None:
    chosen.folder.mkdir(parents=True, exist_ok=True)
    for folder in (chosen.folder, *chosen.folder.parents):
        if not folder.stat().st_mode & 0o001:
            raise LabError(
                f"{folder} may not be entered by other users, but the lab in {chosen.folder} belongs to several; "
                "choose another folder with QUARTERDECK_LAB_DIR"
            )
