"""Making and ending the three hosts: name spaces, disks, cables, and the first start of their servers."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import pwd
import shutil
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tests.lab import places as fixed
from tests.lab.host import LabHost, inside_env
from tests.lab.places import DEPLOY_USER, HERE, HOSTS, Places
from tests.lab.processes import LabError, alive, run, start, start_time, stop, wait_until


def make_bridge(places: Places) -> None:
    """Make the bridge that joins the hosts, with the test machine's own address on it."""
    run("ip", "link", "add", "name", places.bridge, "type", "bridge")
    run("ip", "addr", "add", f"{places.gateway}/24", "dev", places.bridge)
    run("ip", "link", "set", places.bridge, "up")
    if run("iptables", "-n", "-L", "DOCKER-USER", check=False).returncode == 0:
        # An engine of the test machine itself would drop frames between our hosts.
        run("iptables", "-I", *_rule(places))


def up(places: Places, authorized_keys: str) -> list[LabHost]:
    """Make the hosts and start their servers. Nothing of an earlier lab may run (`down`); folders are prepared
    (`prepare`) and the bridge is made (`make_bridge`).
    """
    hosts = [_make(places, name, authorized_keys) for name in HOSTS]
    for host in hosts:
        host.start_server("dockerd", "/usr/sbin/dockerd", "--config-file", "/run/lab/daemon.json")
        host.start_server("sshd", "/usr/sbin/sshd", "-D", "-e", "-f", "/run/lab/sshd_config")
        host.start_server("node", *fixed.NODE_EXPORTER)
    for host in hosts:
        host.start_sshd()
        host.start_docker()
        host.restore_compose()
    return hosts


def prepare(places: Places, name: str) -> None:
    """Make a host's folder and its SSH host key, which is kept from one start to the next."""
    folder = places.host_folder(name)
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "hostkey").exists():
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(folder / "hostkey"))


def attach(places: Places) -> list[LabHost]:
    """The hosts of a running lab; raises LabError when one of them is not there."""
    found = []
    for name in HOSTS:
        pidfile = places.host_folder(name) / "init.pid"
        pid = alive(pidfile)
        if pid is None:
            raise LabError(f"{name} is not running")
        found.append(LabHost(name, places, pid))
    return found


def down(places: Places) -> None:
    """End every host with all that runs in it, and take away bridge, cables, name spaces, rules and control groups."""
    with ThreadPoolExecutor(len(HOSTS)) as pool:
        list(pool.map(lambda name: _end(places, name), HOSTS))
    run("ip", "link", "del", places.bridge, check=False)
    while run("iptables", "-D", *_rule(places), check=False).returncode == 0:
        pass
    for group in Path("/sys/fs/cgroup").glob(f"**/qdlab{places.number}"):
        for folder in sorted([group, *(p for p in group.rglob("*") if p.is_dir())], reverse=True):
            with contextlib.suppress(OSError):
                folder.rmdir()


def _end(places: Places, name: str) -> None:
    folder = places.host_folder(name)
    pid = alive(folder / "init.pid")
    if pid is not None:
        host = LabHost(name, places, pid)
        with contextlib.suppress(LabError):
            host.heal()
            host.thaw_sshd()
            host.stop_server("dockerd", 15)
    # Ending process 1 ends every other process of its name space: servers, sessions, containers.
    stop(folder / "init.pid", first=signal.SIGKILL)
    stop(folder / "unshare.pid", first=signal.SIGKILL)
    run("ip", "link", "del", places.link(name), check=False)
    run("ip", "netns", "del", places.namespace(name), check=False)


def _make(places: Places, name: str, authorized_keys: str) -> LabHost:
    folder, netns, link = places.host_folder(name), places.namespace(name), places.link(name)
    deploy = pwd.getpwnam(DEPLOY_USER)
    for old in [*folder.glob("*.log"), *folder.glob("*.pid"), folder / "ready"]:
        old.unlink(missing_ok=True)
    shutil.rmtree(folder / "home", ignore_errors=True)
    ssh = folder / "home" / DEPLOY_USER / ".ssh"
    ssh.mkdir(parents=True)
    (ssh / "authorized_keys").write_text(authorized_keys)
    for path in (ssh.parent, ssh, ssh / "authorized_keys"):
        os.chown(path, deploy.pw_uid, deploy.pw_gid)
        path.chmod(0o600 if path.is_file() else 0o700)
    (folder / "sshd_config").write_text(_sshd_config())
    names = "".join(f"{places.ip(host)} {host}\n" for host in HOSTS)
    (folder / "hosts").write_text("127.0.0.1 localhost\n" + names)
    (folder / "resolv.conf").write_text(f"nameserver {places.gateway}\noptions timeout:1 attempts:1\n")
    (folder / "hostname").write_text(name + "\n")
    (folder / "machine-id").write_text(hashlib.md5(f"{places.number} {name}".encode()).hexdigest() + "\n")
    (folder / "daemon.json").write_text(json.dumps(_daemon(places, name), indent=1))

    run("ip", "netns", "add", netns)
    run("ip", "link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", netns)
    run("ip", "link", "set", link, "master", places.bridge, "up")
    run("ip", "-n", netns, "link", "set", "lo", "up")
    run("ip", "-n", netns, "addr", "add", f"{places.ip(name)}/24", "dev", "eth0")
    run("ip", "-n", netns, "link", "set", "eth0", "up")
    run("ip", "-n", netns, "route", "add", "default", "via", places.gateway)

    inside = ["sh", str(HERE / "host-init.sh"), name, str(folder), str(places.plugins)]
    inside += [str(deploy.pw_uid), str(deploy.pw_gid), str(fixed.SMALL_DISK_MIB)]
    spaces = ["unshare", "--mount", "--uts", "--pid", "--fork", "--mount-proc", "--propagation", "private"]
    argv = ["nsenter", f"--net=/run/netns/{netns}", *spaces, *inside]
    unshare = start(argv, folder / "unshare.pid", folder / "init.log", env=inside_env("/root"))
    wait_until(f"{name}: its disks", (folder / "ready").exists, 15, folder / "init.log")
    init = _child(unshare)
    (folder / "init.pid").write_text(f"{init} {start_time(init)}\n")
    return LabHost(name, places, init)


def _sshd_config() -> str:
    return "\n".join(
        [
            "Port 22",
            "HostKey /run/lab/hostkey",
            "PidFile none",
            "UsePAM no",
            "PasswordAuthentication no",
            "KbdInteractiveAuthentication no",
            f"AllowUsers {DEPLOY_USER}",
            "AllowTcpForwarding yes",
            "AllowStreamLocalForwarding yes",
            "MaxStartups 100",
            "Subsystem sftp internal-sftp",
            "",
        ]
    )


def _daemon(places: Places, name: str) -> dict[str, Any]:
    number = 1 + HOSTS.index(name)
    return {
        "data-root": "/run/lab/docker",
        "hosts": ["unix:///run/docker.sock"],
        "group": "docker",
        "bip": f"172.2{number}.0.1/16",
        "default-address-pools": [{"base": f"10.22{number}.0.0/16", "size": 24}],
        # Nothing answers there, at once: a resolver that swallows questions would hang every container for seconds.
        "dns": [places.gateway],
        "insecure-registries": [f"{places.net}.0/24"],
        "metrics-addr": f"0.0.0.0:{fixed.ENGINE_METRICS_PORT}",
        "cgroup-parent": f"/qdlab{places.number}/{name}",
        "log-driver": "json-file",
        "max-concurrent-downloads": 3,
        "shutdown-timeout": 2,
    }


def _rule(places: Places) -> tuple[str, ...]:
    return ("DOCKER-USER", "-i", places.bridge, "-o", places.bridge, "-j", "ACCEPT")


def _child(parent: int) -> int:
    """The only child of a process."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                if int((entry / "stat").read_text().rpartition(")")[2].split()[1]) == parent:
                    return int(entry.name)
    raise LabError(f"process {parent} has no child")
