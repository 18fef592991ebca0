"""The look-alike system on a host: installing it, starting a release by hand as a team would, and clearing a host."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import pwd
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from tests.lab import places as fixed
from tests.lab.host import LabHost
from tests.lab.images import SERVICES, base_reference
from tests.lab.places import APP_DIRECTORY, DEPLOY_USER, HERE, MONITORING_DIRECTORY
from tests.lab.processes import LabError
from tests.lab.servers import Database

PROJECT = "routing-ml"
"""The compose project's name, as the compose file itself gives it."""
JWT_SECRET = "lab-jwt-secret"
SMOKE_USER = "smoke"
SMOKE_PASSWORD = "lab-smoke-password"
READY_LINE = "Application startup complete"
PORTS = {
    "backend": fixed.BACKEND_PORT,
    "frontend-prediction": fixed.PREDICTION_PORT,
    "frontend-training": fixed.TRAINING_PORT,
}
HEALTH = {"backend": "/api/health", "frontend-prediction": "/health", "frontend-training": "/health"}


@dataclass(frozen=True)
class System:
    """The look-alike system as it stands in /opt/app of one host, with its database."""

    host: LabHost
    database: Database

    def start(self, release: str, wait: bool = True) -> None:
        """Put a release live by hand, as deploy, without Quarterdeck: migrate, then `docker compose up`.

        Raises LabError with Compose's output when it fails, as it does for a release that never gets healthy.
        """
        self.write_env(RELEASE=release)
        self.compose("run", "--rm", "--no-deps", "-T", "backend", "alembic", "upgrade", "head")
        waiting = ("--wait", "--wait-timeout", "60") if wait else ()
        self.compose("up", "-d", *waiting)

    def stop(self) -> None:
        """Take the system down by hand; its volume and database stay."""
        self.compose("down")

    def compose(self, *arguments: str) -> str:
        """Run `docker compose` in /opt/app as deploy and return what it printed."""
        return self.host.deploy("docker", "compose", *arguments, cwd=APP_DIRECTORY).stdout

    def env(self) -> dict[str, str]:
        """The variables in /opt/app/.env."""
        text = self.host.path(f"{APP_DIRECTORY}/.env").read_text()
        return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)

    def write_env(self, **changes: str) -> None:
        """Change variables in /opt/app/.env: RELEASE, MIGRATION_DELAY and START_DELAY (seconds), or any other."""
        _write(self.host, ".env", "".join(f"{k}={v}\n" for k, v in (self.env() | changes).items()), 0o600)

    def url(self, service: str = "backend", path: str = "") -> str:
        """Address of a service as the test machine reaches it."""
        return f"http://{self.host.ip}:{PORTS[service]}{path}"

    def request(
        self, method: str, path: str, body: dict[str, Any] | None = None, token: str | None = None, port: int = 8000
    ) -> tuple[int, Any]:
        """One HTTP request to the system: status and decoded body (JSON where it is JSON). Raises OSError."""
        connection = http.client.HTTPConnection(self.host.ip, port, timeout=10)
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            text = answer.read().decode()
            kind = answer.getheader("Content-Type") or ""
            return answer.status, json.loads(text) if kind.startswith("application/json") else text
        except http.client.HTTPException as error:
            raise ConnectionError(str(error)) from error
        finally:
            connection.close()

    def login(self) -> str:
        """A token of the smoke user."""
        status, body = self.request("POST", "/api/login", {"username": SMOKE_USER, "password": SMOKE_PASSWORD})
        if status != 200:
            raise LabError(f"login on {self.host.name} answered {status}: {body}")
        return str(body["token"])

    def live(self) -> dict[str, str]:
        """Service → release that its running container is of, whatever the project's name."""
        return {row["service"]: row["release"] for row in self.containers() if row["state"] == "running"}

    def containers(self) -> list[dict[str, str]]:
        """Every container of the system's images: id, name, service, release, state, health, image, digest, project.

        One-off containers (of a migration, say) and created ones that keep an image are included.
        """
        rows = []
        with contextlib.closing(self.host.engine()) as engine:
            digests = {row["Id"]: row["RepoDigests"] or [] for row in engine.images(all=True)}
            for found in engine.containers(all=True):
                try:
                    seen = engine.inspect_container(found["Id"])
                except LookupError:
                    continue
                labels = seen["Config"]["Labels"] or {}
                service = labels.get("com.docker.compose.service") or labels.get("org.opencontainers.image.title", "")
                if labels.get("org.opencontainers.image.title") not in SERVICES:
                    continue
                rows.append(
                    {
                        "id": seen["Id"],
                        "name": seen["Name"].lstrip("/"),
                        "service": service,
                        "release": labels.get("org.opencontainers.image.version", ""),
                        "state": seen["State"]["Status"],
                        "health": (seen["State"].get("Health") or {}).get("Status", ""),
                        "image": seen["Image"],
                        "digest": next((d.partition("@")[2] for d in digests.get(seen["Image"], [])), ""),
                        "project": labels.get("com.docker.compose.project", ""),
                        "oneoff": labels.get("com.docker.compose.oneoff", "False"),
                    }
                )
        return rows

    def live_digests(self) -> dict[str, str]:
        """Service → registry digest (sha256:…) of the image that its running container is of."""
        return {row["service"]: row["digest"] for row in self.containers() if row["state"] == "running"}

    def image_names(self) -> list[str]:
        """Every image on the host, by repository and digest."""
        rows = self.host.docker("image", "ls", "--digests", "--no-trunc", "--format", "{{.Repository}}@{{.Digest}}")
        return sorted(rows.stdout.split())

    def healthy(self) -> bool:
        """Whether all three services answer their health paths with 200 right now."""
        try:
            return all(self.request("GET", HEALTH[name], port=PORTS[name])[0] == 200 for name in SERVICES)
        except OSError:
            return False

    def snapshot(self, leave_out: tuple[str, ...] = ()) -> dict[str, Any]:
        """The host's snapshot and the database's, in one: equal before and after when nothing was changed."""
        return {"host": self.host.snapshot(leave_out), "database": self.database.snapshot()}


def install_system(host: LabHost, database: Database, release: str | None = None) -> System:
    """Write compose file and .env into /opt/app (as deploy, .env 0600); with `release`, start that one by hand."""
    _write(host, "docker-compose.yml", (HERE / "images" / "docker-compose.yml").read_text(), 0o644)
    values = {
        "REGISTRY": host.places.registry,
        "RELEASE": release or "1.0.0",
        "DATABASE_URL": database.url,
        "JWT_SECRET": JWT_SECRET,
        "SMOKE_PASSWORD": SMOKE_PASSWORD,
    }
    _write(host, ".env", "".join(f"{key}={value}\n" for key, value in values.items()), 0o600)
    system = System(host, database)
    if release is not None:
        system.start(release)
    return system


def clean_system(host: LabHost) -> None:
    """Remove every container, network, volume and image (but the common base), and the files of earlier tests.

    Detached commands of deploy are ended; files go below /opt/app, /opt/monitoring, /tmp and deploy's home (its
    authorized_keys stays).
    """
    import docker.errors

    host.end_orphans()
    with contextlib.closing(host.engine()) as engine:

        def remove(container: dict[str, Any]) -> None:
            with contextlib.suppress(docker.errors.NotFound):
                engine.remove_container(container["Id"], force=True, v=True)

        end = time.monotonic() + 30
        while rows := engine.containers(all=True):
            if time.monotonic() > end:
                raise LabError(f"{host.name}: containers that cannot be removed: {[row['Names'] for row in rows]}")
            with ThreadPoolExecutor(4) as pool:
                for outcome in pool.map(lambda row: _outcome(lambda: remove(row)), rows):
                    if outcome is not None and "already in progress" not in str(outcome):
                        raise LabError(f"{host.name}: {outcome}")
        for network in engine.networks():
            if network["Name"] not in ("bridge", "host", "none"):
                engine.remove_network(network["Id"])
        for volume in engine.volumes()["Volumes"] or []:
            engine.remove_volume(volume["Name"], force=True)
        base = base_reference(host.places)
        for image in engine.images(all=False):
            names = (image["RepoTags"] or []) + (image["RepoDigests"] or [])
            if base not in names:
                with contextlib.suppress(docker.errors.NotFound):
                    engine.remove_image(image["Id"], force=True)
    for folder in (APP_DIRECTORY, MONITORING_DIRECTORY, "/tmp"):
        _empty(host, folder, ())
    _empty(host, f"/home/{DEPLOY_USER}", (".ssh",))
    with contextlib.suppress(FileNotFoundError):
        for extra in host.path(f"/home/{DEPLOY_USER}/.ssh").iterdir():
            if extra.name != "authorized_keys":
                extra.unlink()


def _outcome(action: Any) -> Exception | None:
    import docker.errors

    try:
        action()
    except docker.errors.APIError as error:
        return Exception(str(error))
    return None


def _empty(host: LabHost, folder: str, keep: tuple[str, ...]) -> None:
    for entry in host.path(folder).iterdir():
        if entry.name in keep:
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink(missing_ok=True)


def _write(host: LabHost, name: str, text: str, mode: int) -> None:
    deploy = pwd.getpwnam(DEPLOY_USER)
    file = host.path(f"{APP_DIRECTORY}/{name}")
    file.write_text(text)
    os.chown(file, deploy.pw_uid, deploy.pw_gid)
    file.chmod(mode)
