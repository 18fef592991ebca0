"""One running host of the lab: what a test may do to it, break on it and find out about it."""

from __future__ import annotations

import contextlib
import hashlib
import os
import pwd
import shutil
import socket
import stat
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.lab import places as fixed
from tests.lab.places import APP_DIRECTORY, DEPLOY_USER, HERE, Places
from tests.lab.prerequisites import PATH
from tests.lab.processes import LabError, run, wait_until

FILL = ".lab-fill"
"""Name of the file with which fill_disk fills a file system; snapshots leave it out."""


@dataclass(frozen=True)
class LabHost:
    """One running host, with everything a test may do to it. The product itself only gets `ssh_config`."""

    name: str
    places: Places = field(repr=False)
    init: int
    """Number, in the test machine, of the host's process 1."""

    # --- who and where -------------------------------------------------------------------------------------------

    @property
    def ip(self) -> str:
        return self.places.ip(self.name)

    @property
    def ssh_config(self) -> Path:
        """The test user's ssh_config; it knows lab1, lab2 and lab3 and logs in as deploy."""
        return self.places.folder / "operators" / "tester" / ".ssh" / "config"

    @property
    def known_hosts(self) -> Path:
        return self.ssh_config.with_name("known_hosts")

    @property
    def key(self) -> Path:
        return self.ssh_config.with_name("id_ed25519")

    @property
    def folder(self) -> Path:
        """The host's own folder on the test machine: logs, number files, the engine's data."""
        return self.places.host_folder(self.name)

    @property
    def host_key(self) -> str:
        """The public half of the host's SSH key: kind and base64, as in a known_hosts file."""
        return " ".join((self.folder / "hostkey.pub").read_text().split()[:2])

    @property
    def fingerprint(self) -> str:
        """The host key's fingerprint as ssh-keygen prints it: SHA256:…"""
        return run("ssh-keygen", "-l", "-f", str(self.folder / "hostkey.pub")).stdout.split()[1]

    def path(self, inside: str) -> Path:
        """A path of the host as the test run (root) can read and write it from outside."""
        return Path(f"/proc/{self.init}/root") / inside.lstrip("/")

    # --- commands ------------------------------------------------------------------------------------------------

    def root(
        self, *argv: str, stdin: str | None = None, timeout_s: float = 60, check: bool = False
    ) -> subprocess.CompletedProcess[str]:
        """Run a command on the host as root, past SSH. Raises LabError if `check` and it fails, or on overrun."""
        return run(*self.enter(*argv), stdin=stdin, timeout_s=timeout_s, check=check, env=inside_env("/root"), cwd="/")

    def deploy(
        self, *argv: str, cwd: str = APP_DIRECTORY, stdin: str | None = None, timeout_s: float = 120, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run a command on the host as deploy, past SSH."""
        command = ("runuser", "-u", DEPLOY_USER, "--", "env", "-C", cwd, *argv)
        home = f"/home/{DEPLOY_USER}"
        return run(*self.enter(*command), stdin=stdin, timeout_s=timeout_s, check=check, env=inside_env(home), cwd="/")

    def enter(self, *argv: str) -> tuple[str, ...]:
        """`argv`, to be started by root of the test machine, wrapped so that it runs inside the host."""
        return ("nsenter", "-t", str(self.init), "-m", "-u", "-n", "-p", "--", *argv)

    def docker(self, *arguments: str, timeout_s: float = 120, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run the Docker client on the host as root."""
        return self.root("/usr/bin/docker", *arguments, timeout_s=timeout_s, check=check)

    def engine(self) -> Any:
        """A docker.APIClient on the host's engine, past SSH."""
        import docker

        return docker.APIClient(base_url=f"unix:///proc/{self.init}/root/run/docker.sock", timeout=60)

    # --- faults --------------------------------------------------------------------------------------------------

    def cut(self) -> None:
        """Pull the host's cable: packets vanish, connections hang."""
        run("ip", "link", "set", self.places.link(self.name), "down")

    def heal(self) -> None:
        """Put the cable back."""
        run("ip", "link", "set", self.places.link(self.name), "up")

    def stop_sshd(self) -> None:
        """End sshd and every session: the port refuses."""
        self._signal_sshd("KILL")
        wait_until(f"{self.name}: end of sshd", lambda: not self._sshd_pids(), 10)

    def start_sshd(self) -> None:
        if not self.running("sshd"):
            self.start_server("sshd", "/usr/sbin/sshd", "-D", "-e", "-f", "/run/lab/sshd_config")
        wait_until(f"{self.name}: sshd", self._sshd_answers, 15, self.folder / "sshd.log")

    def freeze_sshd(self) -> None:
        """Stop sshd and every session where they stand: connections open but nothing answers."""
        self._signal_sshd("STOP")

    def thaw_sshd(self) -> None:
        self._signal_sshd("CONT")

    def stop_docker(self) -> None:
        """End the engine; its containers are stopped by it first (no live-restore)."""
        self.stop_server("dockerd", 30)

    def start_docker(self) -> None:
        if not self.running("dockerd"):
            self.root("rm", "-f", "/run/docker.pid", "/run/docker/containerd/containerd.pid")
            self.start_server("dockerd", "/usr/sbin/dockerd", "--config-file", "/run/lab/daemon.json")
        wait_until(f"{self.name}: docker", self._docker_answers, 60, self.folder / "dockerd.log")

    def fill_disk(self, path: str = APP_DIRECTORY) -> None:
        """Fill the file system that holds `path` (meant for the small one below /opt/app) to the last byte."""
        target = f"{path}/{FILL}"
        for size in ("1M", "4k", "1"):
            self.root("sh", "-c", 'dd if=/dev/zero bs="$2" >>"$1" 2>/dev/null', "sh", target, size)

    def free_disk(self, path: str = APP_DIRECTORY) -> None:
        self.root("rm", "-f", f"{path}/{FILL}", check=True)

    def hide_compose(self) -> None:
        """Take Docker Compose away, under either of its names."""
        self._compose("none")

    def fake_compose_v1(self) -> None:
        """Leave only a `docker-compose` that says it is version 1.29.2 (a stand-in script)."""
        self._compose("v1")

    def standalone_compose(self) -> None:
        """Leave Compose v2 only under the name `docker-compose`, not as a plugin."""
        self._compose("standalone")

    def restore_compose(self) -> None:
        """Compose v2 as the plugin `docker compose`, and nothing else."""
        self._compose("plugin")

    def recover(self) -> None:
        """Take back every fault above, whatever state the host is in."""
        self.heal()
        self.thaw_sshd()
        self.start_sshd()
        self.start_docker()
        self.free_disk()
        self.restore_compose()
        if not self.running("node"):
            self.start_server("node", *fixed.NODE_EXPORTER)

    # --- what is there -------------------------------------------------------------------------------------------

    def running(self, server: str) -> int | None:
        """The number, inside the host, of a server (sshd, dockerd, node, prometheus), if it runs."""
        try:
            pid = int((self.folder / f"{server}.pid").read_text())
            fields = self.path(f"/proc/{pid}/stat").read_text()
        except (OSError, ValueError):
            return None
        name = fields[fields.index("(") + 1 : fields.rindex(")")]
        expected = {"node": "prometheus-node", "prometheus": "prometheus"}.get(server, server)
        return pid if name == expected and fields.rpartition(")")[2].split()[0] not in "ZX" else None

    def events(self, since: float, until: float | None = None) -> list[dict[str, Any]]:
        """The engine's events from `since` to `until` (seconds since 1970; now when left out), oldest first.

        The engine remembers its last 256 only, and health checks make three each: see `container_starts`.
        """
        # The engine answers up to `until` at once and waits for later ones; 1 ms keeps what has just happened.
        last = time.time() + 0.001 if until is None else until
        with contextlib.closing(self.engine()) as engine:
            return list(engine.events(since=f"{since:.6f}", until=f"{last:.6f}", decode=True))

    @contextlib.contextmanager
    def container_starts(self) -> Iterator[list[dict[str, str]]]:
        """A list that gets the labels and the `name` of every container as the engine tells that it was started."""
        seen: list[dict[str, str]] = []
        with contextlib.closing(self.engine()) as engine:
            stream = engine.events(filters={"type": "container", "event": "start"}, decode=True)

            def listen() -> None:
                for event in stream:
                    seen.append(event["Actor"]["Attributes"])

            listener = threading.Thread(target=listen, daemon=True)
            listener.start()
            try:
                yield seen
            finally:
                stream.close()
                listener.join(5)

    def effects(self) -> list[dict[str, str]]:
        """One entry for every start of an image of the look-alike system since the host was cleaned.

        Each has `at`, `service`, `release`, `container` (its host name) and `command`; the images
        themselves write it.
        """
        import docker.errors

        try:
            with contextlib.closing(self.engine()) as engine:
                mountpoint = engine.inspect_volume("routing-ml-effects")["Mountpoint"]
            text = self.path(f"{mountpoint}/starts.tsv").read_text()
        except (docker.errors.NotFound, FileNotFoundError):
            return []
        found = []
        for line in text.splitlines():
            at, image, container, command = line.split("\t")
            service, _, release = image.partition(":")
            found.append({"at": at, "service": service, "release": release, "container": container, "command": command})
        return found

    def end_orphans(self) -> None:
        """End deploy's processes that no SSH session owns: detached commands that a test left behind."""
        account = pwd.getpwnam(DEPLOY_USER).pw_uid
        parents: dict[int, int] = {}
        names: dict[int, str] = {}
        mine = []
        for entry in self.path("/proc").iterdir():
            if entry.name.isdigit():
                with contextlib.suppress(OSError):
                    head, _, tail = (entry / "stat").read_text().rpartition(")")
                    pid = int(entry.name)
                    names[pid], parents[pid] = head.partition("(")[2], int(tail.split()[1])
                    if entry.stat().st_uid == account:
                        mine.append(pid)
        orphans = []
        for pid in mine:
            above = pid
            while above in parents and names[above] != "sshd":
                above = parents[above]
            if above not in parents:
                orphans.append(str(pid))
        if orphans:
            self.root("kill", "-KILL", *orphans)

    def snapshot(self, leave_out: tuple[str, ...] = ()) -> dict[str, Any]:
        """What is on the host: containers, images, networks, volumes, and files below /opt/app with their hashes.

        `leave_out` names paths below /opt/app (".quarterdeck/lock") to skip with all below them. Two snapshots are
        equal when nothing was created, removed, restarted, retagged or rewritten; `difference` tells what was.
        """
        with contextlib.closing(self.engine()) as engine:
            containers = {}
            for row in engine.containers(all=True):
                seen = engine.inspect_container(row["Id"])
                containers[seen["Name"].lstrip("/")] = {
                    "id": seen["Id"],
                    "image": seen["Image"],
                    "status": seen["State"]["Status"],
                    "started": seen["State"]["StartedAt"],
                    "restarts": seen["RestartCount"],
                }
            images = {
                row["Id"]: sorted((row["RepoTags"] or []) + (row["RepoDigests"] or []))
                for row in engine.images(all=True)
            }
            # The engine makes its own three anew at every start.
            own = ("bridge", "host", "none")
            networks = {row["Name"]: row["Id"] for row in engine.networks() if row["Name"] not in own}
            volumes = sorted(row["Name"] for row in engine.volumes()["Volumes"] or [])
        files = self.files(APP_DIRECTORY, leave_out)
        return {"containers": containers, "images": images, "networks": networks, "volumes": volumes, "files": files}

    def files(self, below: str = APP_DIRECTORY, leave_out: tuple[str, ...] = ()) -> dict[str, str]:
        """Every file, folder and link below a folder of the host: mode, owner, and SHA-256 or link target."""
        top = self.path(below)
        found = {}
        for folder, names, leaves in os.walk(top):
            inside = Path(folder).relative_to(top)
            names[:] = sorted(name for name in names if str(inside / name) not in leave_out)
            for name in sorted([*names, *leaves]):
                file, key = Path(folder) / name, str(inside / name)
                if name == FILL or key in leave_out:
                    continue
                with contextlib.suppress(FileNotFoundError):
                    found[key] = _describe(file)
        return found

    # --- inside --------------------------------------------------------------------------------------------------

    def start_server(self, server: str, *argv: str) -> None:
        """Start a server on the host in a session of its own, with `server`.log and `server`.pid in its folder."""
        script = 'log=$1; pid=$2; shift 2; setsid "$@" </dev/null >>"$log" 2>&1 & echo $! >"$pid"'
        self.root("sh", "-c", script, "sh", f"/run/lab/{server}.log", f"/run/lab/{server}.pid", *argv, check=True)

    def stop_server(self, server: str, seconds: float) -> None:
        """End a server and wait until it is gone, with SIGKILL after `seconds`."""
        pid = self.running(server)
        if pid is None:
            return
        self.root("kill", "-TERM", str(pid))
        try:
            wait_until(f"{self.name}: end of {server}", lambda: self.running(server) is None, seconds)
        except LabError:
            self.root("kill", "-KILL", str(pid))
            wait_until(f"{self.name}: end of {server}", lambda: self.running(server) is None, seconds)

    def _sshd_pids(self) -> list[str]:
        found = []
        for entry in self.path("/proc").iterdir():
            if entry.name.isdigit():
                with contextlib.suppress(OSError):
                    text = (entry / "stat").read_text()
                    if "(sshd)" in text and text.rpartition(")")[2].split()[0] not in "ZX":
                        found.append(entry.name)
        return found

    def _signal_sshd(self, name: str) -> None:
        pids = self._sshd_pids()
        if pids:
            self.root("kill", f"-{name}", *pids)

    def _sshd_answers(self) -> bool:
        try:
            with socket.create_connection((self.ip, 22), timeout=2) as connection:
                return connection.recv(4) == b"SSH-"
        except OSError:
            return False

    def _docker_answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(5)
            try:
                connection.connect(str(self.path("/run/docker.sock")))
                connection.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
                return b" 200 " in connection.recv(200)
            except OSError:
                return False

    def _compose(self, kind: str) -> None:
        plugin = self.path("/usr/local/lib/docker/cli-plugins/docker-compose")
        command = self.path("/usr/local/bin/docker-compose")
        for file in (plugin, command):
            file.unlink(missing_ok=True)
        if kind == "plugin":
            plugin.symlink_to("/run/lab-plugins/docker-compose")
        elif kind == "standalone":
            command.symlink_to("/run/lab-plugins/docker-compose")
        elif kind == "v1":
            shutil.copy(HERE / "fake-compose-v1.sh", command)
            command.chmod(0o755)


def difference(before: dict[str, Any], after: dict[str, Any], where: str = "") -> list[str]:
    """What differs between two snapshots, one line each; empty when nothing does."""
    lines = []
    for key in sorted({*before, *after}, key=str):
        name = f"{where}{key}"
        if key not in after:
            lines.append(f"{name}: gone (was {before[key]})")
        elif key not in before:
            lines.append(f"{name}: new ({after[key]})")
        elif isinstance(before[key], dict) and isinstance(after[key], dict):
            lines += difference(before[key], after[key], f"{name} / ")
        elif before[key] != after[key]:
            lines.append(f"{name}: was {before[key]}, is {after[key]}")
    return lines


def inside_env(home: str) -> dict[str, str]:
    """A small, clean environment for a command on a host."""
    return {"PATH": PATH, "HOME": home, "LANG": "C.UTF-8"}


def _describe(file: Path) -> str:
    seen = file.lstat()
    head = f"{stat.filemode(seen.st_mode)} {seen.st_uid}:{seen.st_gid}"
    if stat.S_ISLNK(seen.st_mode):
        return f"{head} -> {file.readlink()}"
    if stat.S_ISREG(seen.st_mode):
        return f"{head} {hashlib.sha256(file.read_bytes()).hexdigest()}"
    return head
