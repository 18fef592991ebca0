"""Names, addresses and folders of the lab: constants and pure functions, nothing that starts anything."""

from __future__ import annotations

import hashlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

HOSTS = ("lab1", "lab2", "lab3")
DEPLOY_USER = "deploy"
APP_DIRECTORY = "/opt/app"
MONITORING_DIRECTORY = "/opt/monitoring"
SMALL_DISK_MIB = 48
"""Size of the file system below APP_DIRECTORY, small so that a test can fill it."""

REGISTRY_PORT = 5000
PRIVATE_REGISTRY_PORT = 5001
REGISTRY_USER = "lab"
REGISTRY_PASSWORD = "lab-registry-password"
POSTGRES_PORT = 25432
POSTGRES_USER = "lab"
POSTGRES_PASSWORD = "lab-database-password"
PROMETHEUS_PORT = 9090
"""On lab1's loopback only: it is reached through the host."""
NODE_EXPORTER_PORT = 9100
NODE_EXPORTER = (
    *("prometheus-node-exporter", f"--web.listen-address=:{NODE_EXPORTER_PORT}", "--collector.disable-defaults"),
    *(f"--collector.{name}" for name in ("cpu", "meminfo", "filesystem", "loadavg")),
)
"""What panels ask for; all of it, every second, would be a fiftieth of a core."""
ENGINE_METRICS_PORT = 9323
BACKEND_PORT = 8000
PREDICTION_PORT = 8081
TRAINING_PORT = 8082

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parent.parent


@dataclass(frozen=True)
class Places:
    """Where one lab lives. A second lab beside the first has another number, so another net and bridge."""

    folder: Path
    number: int = 0
    downloads: Path | None = None
    """Where another lab keeps what was downloaded and built, if this one shares it."""

    @property
    def net(self) -> str:
        """The first three parts of the lab's addresses: 10.77.0 for lab number 0."""
        return f"10.{77 + self.number}.0"

    @property
    def gateway(self) -> str:
        """Address of the test machine on the bridge, where registry and PostgreSQL listen."""
        return f"{self.net}.1"

    @property
    def bridge(self) -> str:
        return f"qdlab{self.number}"

    def namespace(self, host: str) -> str:
        return f"qd{self.number}-{host}"

    def link(self, host: str) -> str:
        """The test machine's end of a host's cable."""
        return f"v{self.number}-{host}"

    def ip(self, host: str) -> str:
        return f"{self.net}.{11 + HOSTS.index(host)}"

    def host_folder(self, host: str) -> Path:
        return self.folder / "hosts" / host

    @property
    def cache(self) -> Path:
        """What outlives the lab: compose, the base image, built images. Who fills it holds `cache_lock`."""
        return self.downloads or self.folder / "cache"

    @property
    def cache_lock(self) -> Path:
        return self.cache.with_name(f"{self.cache.name}.lock")

    @property
    def plugins(self) -> Path:
        return self.cache / "plugins"

    @property
    def state(self) -> Path:
        return self.folder / "state.json"

    @property
    def registry(self) -> str:
        return f"{self.gateway}:{REGISTRY_PORT}"

    @property
    def private_registry(self) -> str:
        return f"{self.gateway}:{PRIVATE_REGISTRY_PORT}"


def places() -> Places:
    """The lab that the environment asks for: QUARTERDECK_LAB_DIR (folder), QUARTERDECK_LAB_NUMBER (0 to 9).

    Every further worker of one test run has a lab of its own, ten numbers on, so that it meets no lab of another run,
    in a folder beside; downloads are shared.
    """
    number = int(os.environ.get("QUARTERDECK_LAB_NUMBER", "0"))
    if not 0 <= number <= 9:
        raise ValueError(f"QUARTERDECK_LAB_NUMBER is {number}; it must be 0 to 9")
    default = Path(tempfile.gettempdir()) / ("quarterdeck-lab" + (f"-{number}" if number else ""))
    folder = Path(os.environ.get("QUARTERDECK_LAB_DIR") or default).resolve()
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    first = Places(folder, number)
    if worker == 0:
        return first
    return Places(folder.with_name(f"{folder.name}-{worker + 1}"), number + 10 * worker, first.cache)


def version() -> str:
    """A digest of everything that shapes a running lab; a running lab of another version is replaced."""
    return _digest(
        [HERE / name for name in ("host-init.sh", "host.py", "hosts.py", "servers.py", "places.py", "operators.py")]
    )


def images_version() -> str:
    """A digest of everything that shapes the images; when it changes they are built anew."""
    return _digest([HERE / "images.py", *sorted(p for p in (HERE / "images").rglob("*") if p.is_file())])


def _digest(files: list[Path]) -> str:
    total = hashlib.sha256()
    for file in files:
        if "__pycache__" not in file.parts:
            total.update(file.name.encode() + b"\0" + hashlib.sha256(file.read_bytes()).digest())
    return total.hexdigest()[:16]
