"""Commented profiles to begin with: `quarterdeck profile init`."""

from __future__ import annotations

from typing import Final, Literal

__all__ = ["KINDS", "Kind", "init_text"]

Kind = Literal["compose", "process", "routing-ml"]
KINDS: Final[tuple[Kind, ...]] = ("compose", "process", "routing-ml")

_HEAD: Final = """\
# A Quarterdeck profile: one system. Check it with `quarterdeck profile check quarterdeck.yaml`.
# No secret belongs in here. A secret is stored with `quarterdeck credentials set NAME` and named {secret: NAME}.
"""

_COMPOSE: Final = """\
system: shop
title: Shop

hosts:
  web1: {address: web1.example.com, user: deploy}       # an alias of your SSH configuration will do, too
  # web2: {address: 10.0.0.8, user: deploy, jump: [web1]}

# credentials:
#   registry: {kind: registry, title: Registry, where: Who issues it, rotate_after_days: 365}

defaults:                                               # what every environment has, unless it says otherwise
  directory: /opt/shop                                  # where the compose files are, and the console's records
  stack:
    kind: compose
    project: shop
    files: [docker-compose.yml]                         # on the host; `upload:` copies files from here instead
    services:
      web: {health: container, deadline: 90s}           # container | none | {kind: http, port: 8080, path: /health}
    images:
      web: "registry.example.com/shop:{release}"
    # registry: {host: registry.example.com, username: deploy, password: {secret: registry}}
    # migrations: {service: web}                        # Alembic, unless you give other commands
  feeds:
    logs: {kind: docker}
    # metrics: {kind: prometheus, url: "http://127.0.0.1:9090", via: web1}
  smoke:
    - {name: health, url: "{base}/health"}
  # panels:
  #   - {title: Requests, unit: /s, query: "sum(rate(http_requests_total[5m]))"}

environments:
  production:
    production: true
    hosts: [web1]
    urls: {base: "https://shop.example.com"}
"""

_PROCESS: Final = """\
system: tool
title: Tool

hosts:
  here: {local: true}

defaults:
  hosts: [here]
  directory: "/srv/tool/{environment}"
  stack:
    kind: process                                       # plain processes: for demonstrations and small services
    artifacts: "/srv/tool/releases/{release}"           # one directory for each release
    services:
      web:
        command: ["{artifacts}/bin/serve", --port, "{port}"]
        routes: [/]                                     # paths that the proxy sends to it
        health: {kind: http, path: /health}
        deadline: 20s
  feeds:
    metrics: {kind: scrape, targets: [{name: web, url: "{base}/metrics"}]}
    logs: {kind: files, files: [{service: web, path: "{directory}/process/web/log"}]}
  panels:
    - {title: Requests, unit: /s, scrape: {metric: http_requests_total, function: rate}}
  smoke:
    - {name: health, url: "{base}/health"}

environments:
  staging:
    urls: {base: "http://127.0.0.1:8080"}
    stack: {proxy: {port: 8080}, ports: {first: 8100, last: 8119}}
"""

_ROUTING: Final = """\
extends: routing-ml                                     # everything it says holds, unless it is said otherwise here

variables:
  domain: routing.example.com
  registry: registry.example.com
  images: registry.example.com/routing-ml

hosts:
  staging: {address: routing-staging.example.com, user: deploy}
  prod: {address: routing-prod.example.com, user: deploy}

# environments:
#   monitoring-staging: null                            # null takes away what the base has
"""


def init_text(kind: Kind = "compose") -> str:
    """A commented profile to begin with. It loads without a mistake as it stands."""
    return _HEAD + {"compose": _COMPOSE, "process": _PROCESS, "routing-ml": _ROUTING}[kind]
