"""What a machine must have before the lab can be started, and in which Debian package it is."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
PROGRAMS = {
    "/usr/sbin/dockerd": "docker.io",
    "/usr/bin/docker": "docker.io",
    "iptables": "iptables",
    "ip": "iproute2",
    "/usr/sbin/sshd": "openssh-server",
    "/usr/bin/ssh": "openssh-client",
    "docker-registry": "docker-registry",
    "haproxy": "haproxy",
    "prometheus": "prometheus",
    "prometheus-node-exporter": "prometheus-node-exporter",
    "psql": "postgresql-client",
    "tmux": "tmux",
    "setpriv": "util-linux",
    "unshare": "util-linux",
    "nsenter": "mount",
    "dpkg-deb": "dpkg",
}


def missing() -> str | None:
    """One line that says what to install (or what else is wanting), or None when the lab can be started."""
    if os.geteuid() != 0:
        return "the lab needs root on the test machine (it makes network and mount namespaces)"
    release = Path("/etc/os-release")
    if not release.exists() or "VERSION_CODENAME=bookworm" not in release.read_text():
        return "the lab needs Debian 12 (its base image is made from that release's packages)"
    packages = {package for program, package in PROGRAMS.items() if shutil.which(program, path=PATH) is None}
    if not list(Path("/usr/lib/postgresql").glob("*/bin/initdb")):
        packages.add("postgresql")
    if packages:
        return "the lab needs: apt-get install --no-install-recommends " + " ".join(sorted(packages))
    return None
