"""A sound profile to make mistakes in."""

from __future__ import annotations

from pathlib import Path

from profiles.errors import ProfileErrors
from profiles.loader import load_profile

SAMPLE = """\
system: shop
title: Shop
hosts:
  bastion: {address: bastion.example.com, user: ops}
  web1: {address: web1.example.com, user: deploy, jump: [bastion]}
credentials:
  registry: {kind: registry, where: package settings, rotate_after_days: 365}
  smoke-user: {kind: http, fields: [username, password]}
defaults:
  directory: /opt/shop
  stack:
    kind: compose
    project: shop
    files: [compose.yml]
    services:
      db: {health: none}
      web: {health: container, depends: [db], deadline: 90s}
    images: {web: "reg.example.com/shop:{release}"}
    registry: {host: reg.example.com, username: me, password: {secret: registry}}
    migrations: {service: web}
  feeds:
    metrics: {kind: prometheus, url: "http://127.0.0.1:9090", via: web1}
    logs: {kind: docker, tail: 200}
  panels:
    - {title: Requests, query: "sum(rate(http_requests_total[5m]))"}
  probes:
    health: {kind: http, url: "{base}/health"}
  smoke:
    - name: login
      method: POST
      url: "{base}/login"
      body: {user: {secret: smoke-user, field: username}, code: {secret: smoke-user, field: password}}
      save: {ticket: $.token}
    - {name: me, url: "{base}/me", headers: {Authorization: "Bearer {ticket}"}}
  checklists:
    - {file: tasks.md, probes: {Works: health}}
environments:
  production:
    production: true
    hosts: [web1]
    urls: {base: "https://shop.example.com"}
"""


def written(folder: Path, text: str, name: str = "shop.yaml") -> Path:
    """The profile and the checklist that it names, in a folder."""
    (folder / "tasks.md").write_text("# Tasks\n\n- [ ] Works\n")
    path = folder / name
    path.write_text(text)
    return path


def changed(old: str, new: str, text: str = SAMPLE) -> str:
    """The text with its one `old` replaced."""
    assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in the sample"
    return text.replace(old, new)


def mistakes(folder: Path, text: str) -> list[str]:
    """What is said about a profile, each without its folder; empty for a sound one."""
    path = written(folder, text)
    try:
        load_profile(path)
    except ProfileErrors as errors:
        return [str(problem).replace(f"{folder}/", "") for problem in errors.problems]
    return []
