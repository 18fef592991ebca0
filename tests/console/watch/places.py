"""Environments for tests: bound to a profile that is written here, on scripted hosts, with a scripted stack."""

from __future__ import annotations

import textwrap
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

from console.credentials.errors import CredentialMissing
from console.environment import Environment, Hosts
from console.hosts.base import Host
from console.stacks.base import Stack
from console.timing import DEFAULT
from profiles.loader import load_profile

BASE = """\
system: shop
hosts:
  lab1: {address: lab1.example.com, user: deploy}
  lab2: {address: lab2.example.com, user: deploy}
  bastion: {address: bastion.example.com, user: ops}
credentials:
  metrics: {kind: http}
environments:
  staging:
    directory: /opt/app
    hosts: [HOSTS]
    urls: {base: "URL"}
    stack:
      kind: compose
      project: shop
      files: [compose.yml]
      services: {backend: {health: container}, web: {health: none}}
      images: {backend: "reg.example.com/backend:{release}", web: "reg.example.com/web:{release}"}
"""


def environment(
    folder: Path,
    more: str = "",
    *,
    hosts: Mapping[str, Any],
    own: tuple[str, ...] = ("lab1",),
    stack: Stack | None = None,
    url: str = "http://127.0.0.1:1",
    secrets: Mapping[str, str] | None = None,
) -> Environment:
    """The environment `staging` of a small profile; `more` is YAML added to it."""
    text = BASE.replace("HOSTS", ", ".join(own)).replace("URL", url)
    path = folder / "shop.yaml"
    path.write_text(text + textwrap.indent(textwrap.dedent(more), "    "))
    profile = load_profile(path)

    def secret(name: str) -> str:
        if secrets is None or name not in secrets:
            raise CredentialMissing(f"There is no credential {name} in the keyring.")
        return secrets[name]

    def make(name: str) -> Host:
        return cast(Host, hosts[name])

    made = Environment(profile, profile.environments["staging"], Hosts(own, make, profile.hosts), secret, DEFAULT)
    made._stack = stack
    return made


def until(condition: Callable[[], object], seconds: float = 10.0) -> None:
    """Wait until it holds."""
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, "did not come about in time"
        time.sleep(0.005)
