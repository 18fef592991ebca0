"""Two nodes of a service with tokens behind HAProxy, and clients that hold old tokens and get new ones throughout."""

from __future__ import annotations

import contextlib
import http.client
import json
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.lab.images import _docker, _env, base_reference
from tests.lab.lab import Lab
from tests.lab.places import APP_DIRECTORY, HERE
from tests.lab.processes import run, start, stop, wait_until
from tests.lab.system import _write

CONTEXT = HERE / "tokens"
NODES = ("lab1", "lab2")
RELEASES = ("1.0.0", "1.0.1")
LIFE_S = 4.0
"""How long a token lives; a node accepts it 6 s longer, since the nodes' clocks are 5 s apart."""
PAUSE_S = 0.02
"""Between two requests of a client: what the balancer does is still seen, and the processors have time for it."""
BALANCER_PORT = 18080
TEMPLATE = """\
JWT_SECRET_KEY={secret: jwt}
JWT_SECRET_KEY_PREVIOUS={secret: jwt, label: previous, missing: empty}
"""
TEMPLATE_WITH_IDS = """\
JWT_SECRET_KEY={secret: jwt, field: key}
JWT_KID={secret: jwt, field: kid}
JWT_SECRET_KEY_PREVIOUS={secret: jwt, field: key, label: previous, missing: empty}
JWT_KID_PREVIOUS={secret: jwt, field: kid, label: previous, missing: empty}
"""


def build(lab: Lab) -> None:
    """Two releases of the service's image in the lab's registry, built on one of its hosts, once."""
    host = lab.host("lab1")
    for release in RELEASES:
        if release in lab.registry_tags("tokens"):
            continue
        reference = f"{lab.registry}/tokens:{release}"
        words = ("--build-arg", f"BASE={base_reference(lab.places)}", "--build-arg", f"RELEASE={release}")
        env = _env(lab.places, host)
        run(*_docker(host), "build", "-q", *words, "-t", reference, str(CONTEXT), env=env)
        run(*_docker(host), "push", "-q", reference, env=env)


def install(lab: Lab, secret: str, kid: str = "", more: str = "") -> None:
    """Compose file and environment files on both nodes, as a team would have put them there, and 1.0.0 started.

    `more`: further lines of the environment file.
    """
    for number, name in enumerate(NODES):
        host = lab.host(name)
        text = (CONTEXT / "docker-compose.yml").read_text().replace("${REGISTRY}", lab.registry)
        _write(host, "docker-compose.yml", text, 0o644)
        ids = (f"JWT_KID={kid}\n", "JWT_KID_PREVIOUS=\n") if kid else ("", "")
        body = f"JWT_SECRET_KEY={secret}\n{ids[0]}JWT_SECRET_KEY_PREVIOUS=\n{ids[1]}"
        _write(host, "tokens.env", body + more, 0o600)
        settings = f"SERVICE=tokens\nCLOCK_OFFSET={number * 5}\nTOKEN_LIFE={LIFE_S:g}\n"
        _write(host, "node.env", settings, 0o644)
        host.deploy("docker", "compose", "up", "-d", "--wait", "--wait-timeout", "60", cwd=APP_DIRECTORY)


def profile(lab: Lab, overlap: str, host: Mapping[str, Any] | None = None, *, ids: bool = False) -> dict[str, Any]:
    """The team's profile. `host`: settings of every host."""
    smoke = [{"name": f"health-{name}", "url": "http://127.0.0.1:8000/health", "via": name} for name in NODES]
    return {
        "system": "tokens",
        "keyring": "sealed",
        "hosts": {name: {"address": name, **(host or {})} for name in NODES},
        "credentials": {"jwt": {"title": "signing secret", **({"fields": ["kid", "key"]} if ids else {})}},
        "environments": {
            "staging": {
                "hosts": list(NODES),
                "directory": APP_DIRECTORY,
                "stack": {
                    "kind": "compose",
                    "project": "tokens",
                    "files": ["docker-compose.yml"],
                    "services": {"tokens": {"deadline": "60s"}},
                    "images": {"tokens": f"{lab.registry}/tokens:{{release}}"},
                    "registry": {"host": lab.registry, "insecure": True},
                },
                "smoke": smoke,
                "files": {"tokens": {"path": "tokens.env", "template": "tokens.env", "services": ["tokens"]}},
                "rotations": {
                    "jwt": {
                        "kind": "jwt",
                        "credential": {"secret": "jwt"},
                        "overlap": overlap,
                        "probe": {"port": 8000, "path": "/me", "claims": {"sub": "quarterdeck"}},
                        "consumers": {"tokens": {"files": ["tokens"]}},
                    }
                },
            }
        },
    }


@contextlib.contextmanager
def balancer(lab: Lab) -> Iterator[tuple[str, int]]:
    """HAProxy before both nodes; where it listens."""
    folder = lab.places.folder / "haproxy"
    folder.mkdir(exist_ok=True)
    servers = "\n".join(f"  server {name} {lab.host(name).ip}:8000 check inter 200ms fall 1 rise 1" for name in NODES)
    (folder / "haproxy.cfg").write_text(
        "global\n  maxconn 500\ndefaults\n  mode http\n  timeout connect 1s\n  timeout client 20s\n"
        "  timeout server 5s\n"
        "  retries 3\n  option redispatch 1\n  retry-on conn-failure empty-response response-timeout 503\n"
        f"frontend in\n  bind {lab.places.gateway}:{BALANCER_PORT}\n  default_backend nodes\n"
        f"backend nodes\n  balance roundrobin\n  option httpchk GET /health\n{servers}\n"
    )
    pid, log = folder / "pid", folder / "haproxy.log"
    start(["haproxy", "-db", "-f", str(folder / "haproxy.cfg")], pid, log, {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})
    try:
        wait_until("HAProxy", lambda: asked(lab, "/health")[0] == 200, 20, log)
        yield lab.places.gateway, BALANCER_PORT
    finally:
        stop(pid)


def asked(lab: Lab, path: str, token: str = "", node: str = "") -> tuple[int, Any]:
    """One request through the balancer, or straight to a node: status (0: no answer) and body."""
    where = (lab.host(node).ip, 8000) if node else (lab.places.gateway, BALANCER_PORT)
    connection = http.client.HTTPConnection(*where, timeout=10)
    try:
        connection.request("GET", path, headers={"Authorization": f"Bearer {token}"} if token else {})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read() or b"{}")
    except (OSError, http.client.HTTPException, ValueError):
        return 0, {}
    finally:
        connection.close()


@dataclass
class Clients:
    """Clients through the balancer. Each holds tokens of every age up to their life, and gets new ones all the time."""

    lab: Lab
    workers: int = 4
    pause_s: float = PAUSE_S
    counts: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    oldest_s: float = 0.0
    """The age of the oldest token that was used."""
    _stop: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __enter__(self) -> Clients:
        self._threads = [threading.Thread(target=self._work, args=(number,)) for number in range(self.workers)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(20)

    def _work(self, number: int) -> None:
        chance, held, next_login = random.Random(number), [], 0.0
        connection: http.client.HTTPConnection | None = None
        while not self._stop.is_set():
            now = time.monotonic()
            held = [(token, since) for token, since in held if now - since < LIFE_S - 0.3]
            login = not held or now > next_login
            token, since = ("", now) if login else chance.choice(held)
            try:
                if connection is None:
                    connection = http.client.HTTPConnection(self.lab.places.gateway, BALANCER_PORT, timeout=10)
                headers = {} if login else {"Authorization": f"Bearer {token}"}
                connection.request("GET", "/login" if login else "/me", headers=headers)
                answer = connection.getresponse()
                body = json.loads(answer.read() or b"{}")
                status = answer.status
            except (OSError, http.client.HTTPException, ValueError):
                status, body = 0, {}
                if connection is not None:
                    connection.close()
                connection = None
            with self._lock:
                self.counts[f"{'login' if login else 'me'} {status}"] += 1
                if not login and status == 200:
                    self.oldest_s = max(self.oldest_s, now - since)
                if not login and status == 401:
                    self.wrong.append(f"a token of {now - since:.1f} s")
            if login and status == 200:
                held.append((str(body["token"]), now))
                next_login = now + 0.2
            time.sleep(self.pause_s)

    @property
    def requests(self) -> int:
        """All that were answered."""
        return sum(count for what, count in self.counts.items() if not what.endswith(" 0"))


def write_template(folder: Path, *, ids: bool = False) -> None:
    """The template beside the profile."""
    (folder / "tokens.env").write_text(TEMPLATE_WITH_IDS if ids else TEMPLATE)
