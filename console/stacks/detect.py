"""Which Docker Compose a host has: pure reading of what two version commands print.

Compose v2 is the plug-in `docker compose`, or the same program called `docker-compose`. Compose v1 is another program
(Python, unmaintained since 2023) with other names for containers; it is recognised and refused.
"""

from __future__ import annotations

import re
from typing import Literal

from console.hosts.command import Frozen

_VERSION = re.compile(r"(?<![0-9.])v?([0-9]+)\.([0-9]+)\.([0-9]+)([-+~.][0-9A-Za-z.+~-]+)?")

MEND_V1 = (
    "install the Compose v2 plug-in on the host (Docker's package docker-compose-plugin, Debian's docker-compose from "
    "version 2 on); `docker compose version` must answer with 2 or newer",
    "for a user without root: put the v2 program into ~/.docker/cli-plugins/docker-compose and make it executable",
)
MEND_ENGINE = (
    "look whether the engine runs there: systemctl status docker",
    "the account must be allowed to use it: its groups must hold `docker` (sign in again after a change)",
)


class ComposeFound(Frozen):
    """What was found. `argv` calls Compose v2, and is empty where there is none; then `reason` says why."""

    argv: tuple[str, ...] = ()
    version: str = ""
    kind: Literal["plugin", "standalone", "v1", "none"] = "none"
    reason: str = ""


def compose_found(plugin: str, standalone: str, host: str) -> ComposeFound:
    """What `docker compose version --short` and `docker-compose version --short` printed (both streams) on `host`.

    The plug-in wins over the separate program. A Docker without the plug-in answers `docker: 'compose' is not a docker
    command`, and a client that ignores the word prints its own help: neither begins with a version.
    """
    version = _own_version(plugin)
    if version and version[0] >= 2:
        return ComposeFound(argv=("docker", "compose"), version=_text(plugin), kind="plugin")
    version = _own_version(standalone)
    if version and version[0] >= 2:
        return ComposeFound(argv=("docker-compose",), version=_text(standalone), kind="standalone")
    if version or "docker-compose version 1." in standalone:
        return ComposeFound(
            version=_text(standalone),
            kind="v1",
            reason=f"{host} has only Docker Compose v1 ({_text(standalone)}); it names containers differently and is "
            "not maintained, so it is not used.",
        )
    return ComposeFound(reason=f"{host} has no Docker Compose v2.")


def _own_version(said: str) -> tuple[int, int, int] | None:
    """The version, if a line of the output is nothing but one: `2.26.1-4`, `v2.29.0`, `docker-compose version 1.29.2`.

    Warnings in other lines (an old `version:` key, a missing home) are passed over.
    """
    for line in said.splitlines():
        words = line.strip().removeprefix("Docker Compose version ").removeprefix("docker-compose version ")
        match = _VERSION.match(words)
        if match and (match.end() == len(words) or words[match.end()] in ","):
            return int(match[1]), int(match[2]), int(match[3])
    return None


def _text(said: str) -> str:
    match = _VERSION.search(said)
    return match[0].removeprefix("v") if match else ""


def engine_version(said: str) -> str:
    """The engine's version from `docker version --format '{{.Server.Version}}'`, or "" if it did not answer."""
    line = said.strip().splitlines()[-1].strip() if said.strip() else ""
    return line if re.fullmatch(r"[0-9]+\.[0-9]+\.[0-9]+[0-9A-Za-z.+~-]*", line) else ""
