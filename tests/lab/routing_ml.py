"""The lab's own profile of the look-alike system, as its team would write it: what the tests of the main job run on.

Everything is in it: env_file, migrations, registry (with a login where asked), ready line, smoke steps that log in with
a credential of the keyring, panels from the Prometheus that only the host itself can reach, a checklist.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tests.lab.images import SERVICES
from tests.lab.lab import Lab
from tests.lab.places import APP_DIRECTORY, PROMETHEUS_PORT, REGISTRY_USER
from tests.lab.system import PROJECT, READY_LINE, SMOKE_USER

BASE = "http://127.0.0.1:8000"
SYSTEM = "routing-ml-lab"


def profile(
    lab: Lab,
    *,
    hosts: Sequence[str] = ("lab1",),
    private: bool = False,
    promised: bool = False,
    judges: bool = True,
    host: Mapping[str, Any] | None = None,
    production: bool = False,
    smoke: bool = True,
) -> dict[str, Any]:
    """The profile as data, to be written as YAML (JSON is YAML).

    `private`: images come from the registry with a password. `promised`: the team promises that older code runs on a
    newer schema. `judges`: the smoke tests look at the prediction; without, the releases 1.3.0 and 1.5.0 pass.
    `host`: settings of every host. `smoke`: whether there are smoke tests at all, and so a credential.
    """
    registry = lab.private_registry if private else lab.registry
    credentials = {"smoke": {"title": "Account of the smoke tests", "kind": "http"}} if smoke else {}
    login: dict[str, Any] = {}
    if private:
        credentials["registry"] = {"title": "Registry, read access", "kind": "registry"}
        login = {"username": REGISTRY_USER, "password": {"secret": "registry"}}
    first = hosts[0]
    return {
        "system": SYSTEM,
        "title": "Routing ML in the lab",
        "keyring": "sealed",
        "hosts": {name: {"address": name, **(host or {})} for name in hosts},
        "credentials": credentials,
        "environments": {
            "staging": {
                "hosts": list(hosts),
                "production": production,
                "directory": APP_DIRECTORY,
                "stack": {
                    "kind": "compose",
                    "project": PROJECT,
                    "files": ["docker-compose.yml"],
                    "env_file": ".env",
                    "services": {
                        "backend": {"ready_line": READY_LINE, "deadline": "15s"},
                        **{name: {"deadline": "15s"} for name in SERVICES[1:]},
                    },
                    "images": {name: f"{registry}/{name}:{{release}}" for name in SERVICES},
                    "registry": {"host": registry, "insecure": True, **login},
                    "migrations": {
                        "service": "backend",
                        "current": ["alembic", "current"],
                        "heads": ["alembic", "heads"],
                        "known": ["alembic", "history"],
                        "upgrade": ["alembic", "upgrade", "head"],
                        "backward_compatible": promised,
                    },
                },
                "feeds": {
                    "metrics": {
                        "kind": "prometheus",
                        "url": f"http://127.0.0.1:{PROMETHEUS_PORT}",
                        "via": first,
                        "every": "1s",
                    },
                    "logs": {"kind": "docker"},
                },
                "panels": [
                    {"title": "Backend up", "query": 'min(up{job="backend"})', "thresholds": _BELOW},
                    {"title": "Requests", "unit": "/s", "query": "sum(rate(http_requests_total[30s]))"},
                ],
                "probes": {
                    "health": {"kind": "http", "url": f"{BASE}/api/health", "via": first},
                    "services": {"kind": "compose"},
                },
                "smoke": _smoke(first, judges) if smoke else [],
                "policy": {"retain": 3},
            }
        },
    }


_BELOW = {"bad": 0.5, "direction": "below"}


def _smoke(host: str, judges: bool) -> list[dict[str, Any]]:
    token = {"Authorization": "Bearer {token}"}
    expected = {"expect": {"values": {"$.minutes": {"at_least": 0}}}} if judges else {}
    return [
        {"name": "health", "url": f"{BASE}/api/health", "via": host, "expect": {"values": {"$.status": "ok"}}},
        {
            "name": "login",
            "method": "POST",
            "url": f"{BASE}/api/login",
            "via": host,
            "body": {"username": SMOKE_USER, "password": {"secret": "smoke"}},
            "save": {"token": "$.token"},
        },
        {
            "name": "predict",
            "method": "POST",
            "url": f"{BASE}/api/predict",
            "via": host,
            "headers": token,
            "body": {"origin": "depot", "destination": "harbour"},
            **expected,
        },
        {"name": "logout", "method": "POST", "url": f"{BASE}/api/logout", "via": host, "headers": token},
        {
            "name": "logged-out",
            "url": f"{BASE}/api/me",
            "via": host,
            "headers": token,
            "expect": {"status": 401},
        },
    ]
