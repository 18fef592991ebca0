"""What the demo's routing service does, without sockets: releases, logins, predictions, training jobs. Stdlib only."""

from __future__ import annotations

import hmac
import json
import random
import secrets
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from console.demo.metrics import Metrics

SERVICES = ("backend", "frontend-prediction", "frontend-training")
DEMO_USER = "demo"
FAULTS = ("never-healthy", "nonsense-predictions", "large-quantity-500")
LARGE_QUANTITY = 1_000_000
TOKEN_LIFE_S = 3600.0
MAX_TOKENS = 1000
MAX_JOBS = 200
QUEUED_S = 0.3
RUNNING_S = 1.2
OPERATIONS = ("saw", "turn", "mill", "drill", "deburr", "grind", "harden", "inspect", "pack")


class Unusable(Exception):
    """What was given on the command line cannot be used; the text says why."""


class Release:
    """A release's `release.json`, checked."""

    def __init__(self, directory: Path) -> None:
        path = directory / "release.json"
        try:
            value = json.loads(path.read_text("utf-8"))
        except OSError as error:
            raise Unusable(f"the release cannot be read: {path}: {error.strerror}") from error
        except ValueError as error:
            raise Unusable(f"{path} is not JSON: {error}") from error
        if not isinstance(value, dict) or not isinstance(value.get("version"), str):
            raise Unusable(f'{path} has no "version"')
        self.version: str = value["version"]
        self.notes = str(value.get("notes", ""))
        self.faults = frozenset(str(fault) for fault in value.get("faults", []))
        unknown = sorted(self.faults.difference(FAULTS))
        if unknown:
            raise Unusable(f"{path} names a fault that nobody knows: {unknown[0]} (known: {', '.join(FAULTS)})")
        latency = value.get("latency_ms", {})
        self.base_s = float(latency.get("base", 20)) / 1000
        self.tail_s = float(latency.get("tail", 20)) / 1000


class Sessions:
    """Tokens of those who are logged in; gone with the process."""

    def __init__(self, password: str) -> None:
        self._password = password.encode()
        self._lock = threading.Lock()
        self._tokens: dict[str, float] = {}

    def login(self, user: object, password: object) -> str | None:
        """A new token, or None if user or password are wrong."""
        if not isinstance(user, str) or not isinstance(password, str):
            return None
        right = hmac.compare_digest(password.encode("utf-8", "surrogatepass"), self._password)
        if not right or user != DEMO_USER or not self._password:
            return None
        token = secrets.token_urlsafe(24)
        with self._lock:
            if len(self._tokens) >= MAX_TOKENS:
                self._tokens.pop(next(iter(self._tokens)))
            self._tokens[token] = time.monotonic()
        return token

    def valid(self, token: str) -> bool:
        """True while the token is neither logged out nor too old."""
        with self._lock:
            since = self._tokens.get(token)
            return since is not None and time.monotonic() - since < TOKEN_LIFE_S

    def logout(self, token: str) -> None:
        """Forget the token."""
        with self._lock:
            self._tokens.pop(token, None)


class Jobs:
    """Training jobs, whose state follows from their age: queued, running, done."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._jobs: dict[str, float] = {}

    def submit(self) -> str:
        """A new job's id."""
        job = f"job-{secrets.token_hex(4)}"
        with self._lock:
            if len(self._jobs) >= MAX_JOBS:
                self._jobs.pop(next(iter(self._jobs)))
            self._jobs[job] = time.monotonic()
        return job

    def state(self, job: str) -> str | None:
        """queued, running, done; None for a job that is not known."""
        with self._lock:
            since = self._jobs.get(job)
        return None if since is None else _job_state(time.monotonic() - since)

    def counts(self) -> dict[str, int]:
        """How many jobs are in each state."""
        now = time.monotonic()
        counts = {"queued": 0, "running": 0, "done": 0}
        with self._lock:
            for since in self._jobs.values():
                counts[_job_state(now - since)] += 1
        return counts


def _job_state(age_s: float) -> str:
    if age_s < QUEUED_S:
        return "queued"
    return "running" if age_s < QUEUED_S + RUNNING_S else "done"


def predict(item: str, quantity: float, nonsense: bool) -> dict[str, object]:
    """A routing for an item: the operations in order, minutes, and how sure the model is (0 to 1).

    The same item gets the same routing. With `nonsense` it is one that no factory could follow.
    """
    if nonsense:
        return {"operations": [], "minutes": -1.0, "confidence": 17.3}
    draw = random.Random(item)
    count = draw.randint(3, 6)
    operations = [name for name in OPERATIONS if name in set(draw.sample(OPERATIONS, count))]
    minutes = sum(draw.uniform(2, 15) for _ in operations) + 0.4 * quantity
    return {
        "operations": operations,
        "minutes": round(minutes, 1),
        "confidence": round(draw.uniform(0.81, 0.99), 3),
    }


PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Routing demo: {title}</title></head>
<body><h1>Routing demo: {title}</h1><p id="release">release {release}</p><p>{notes}</p></body></html>
"""


def _html(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")


class App:
    """What a request means: (method, path, token, body) to (code, content type, body), without sockets."""

    def __init__(self, service: str, release: Release, password: str, log: Callable[..., None]) -> None:
        self.service = service
        self.release = release
        self.log = log
        self.metrics = Metrics(service, release.version)
        self.sessions = Sessions(password)
        self.jobs = Jobs()
        self.healthy = service != "backend" or "never-healthy" not in release.faults

    def route(self, path: str) -> str:
        """The route that a path belongs to, for counting; `other` for all that is not served."""
        if self.service != "backend":
            return path if path in ("/", "/training", "/health", "/training/health", "/metrics") else "other"
        if path.startswith("/api/train/"):
            return "/api/train/{id}"
        known = ("/api/health", "/metrics", "/api/login", "/api/logout", "/api/me", "/api/predict", "/api/train")
        return path if path in known else "other"

    def answer(self, method: str, path: str, token: str, body: object) -> tuple[int, str, bytes]:
        """The answer to one request. `body` is the decoded JSON, or None."""
        if path == "/metrics" and method == "GET":
            text = self.metrics.text(self.jobs.counts())
            return 200, "text/plain; version=0.0.4; charset=utf-8", text.encode()
        if path in ("/api/health", "/health", "/training/health") and method == "GET":
            return self._health()
        if self.service != "backend":
            return self._page(method, path)
        code, value = self._api(method, path, token, body)
        return code, "application/json", json.dumps(value).encode()

    def _health(self) -> tuple[int, str, bytes]:
        value = {"status": "ok", "service": self.service, "release": self.release.version}
        if not self.healthy:
            value |= {"status": "starting", "detail": "the routing model is not loaded"}
        return (200 if self.healthy else 503), "application/json", json.dumps(value).encode()

    def _page(self, method: str, path: str) -> tuple[int, str, bytes]:
        if method != "GET":
            return 405, "text/plain; charset=utf-8", b"only GET\n"
        if path not in ("/", "/training", "/training/"):
            return 404, "text/plain; charset=utf-8", b"no such page\n"
        time.sleep(min(self.release.base_s, 0.01))
        title = "prediction" if self.service == "frontend-prediction" else "training"
        page = PAGE.format(title=title, release=_html(self.release.version), notes=_html(self.release.notes))
        return 200, "text/html; charset=utf-8", page.encode()

    def _api(self, method: str, path: str, token: str, body: object) -> tuple[int, object]:
        fields: dict[str, Any] = body if isinstance(body, dict) else {}
        if (method, path) == ("POST", "/api/login"):
            new = self.sessions.login(fields.get("username"), fields.get("password"))
            self.metrics.login(new is not None)
            if new is None:
                self.log("warning", "login refused")
                return 401, {"error": "wrong user or password"}
            return 200, {"token": new, "token_type": "bearer"}
        if (method, path) == ("GET", "/api/me"):
            if not self.sessions.valid(token):
                return 401, {"error": "not logged in"}
            return 200, {"username": DEMO_USER}
        if (method, path) == ("POST", "/api/logout"):
            if not self.sessions.valid(token):
                return 401, {"error": "not logged in"}
            self.sessions.logout(token)
            return 200, {"status": "logged out"}
        if (method, path) == ("POST", "/api/predict"):
            return self._predict(fields)
        if (method, path) == ("POST", "/api/train"):
            if not self.healthy:
                return 503, {"error": "the routing model is not loaded"}
            job = self.jobs.submit()
            self.log("info", "training job queued", job=job)
            return 202, {"id": job, "state": "queued"}
        if method == "GET" and path.startswith("/api/train/"):
            job = path.removeprefix("/api/train/")
            state = self.jobs.state(job)
            if state is None:
                return 404, {"error": "no such job"}
            return 200, {"id": job, "state": state, **({"accuracy": 0.942} if state == "done" else {})}
        if self.route(path) != "other":
            return 405, {"error": f"{path} does not take {method}"[:200]}
        return 404, {"error": "no such path"}

    def _predict(self, fields: dict[str, Any]) -> tuple[int, object]:
        item, quantity = fields.get("item"), fields.get("quantity", 1)
        if not isinstance(item, str) or not 0 < len(item) <= 100:
            return 422, {"error": "item must be a text of 1 to 100 characters"}
        if isinstance(quantity, bool) or not isinstance(quantity, int | float) or not 0 < quantity < 1e12:
            return 422, {"error": "quantity must be a number above 0"}
        if not self.healthy:
            return 503, {"error": "the routing model is not loaded"}
        if quantity > LARGE_QUANTITY:
            if "large-quantity-500" in self.release.faults:
                self.log("error", "prediction failed: quantity overflows the feature table", quantity=quantity)
                return 500, {"error": "internal error"}
            return 422, {"error": f"quantity must not be above {LARGE_QUANTITY}"}
        wait_s = self.release.base_s + random.expovariate(1.0) * self.release.tail_s
        time.sleep(min(wait_s, 2.0))
        if wait_s > self.release.base_s + 4 * self.release.tail_s:
            self.log("warning", "slow prediction", ms=round(wait_s * 1000))
        self.metrics.prediction()
        nonsense = "nonsense-predictions" in self.release.faults
        return 200, {"release": self.release.version, "item": item, **predict(item, float(quantity), nonsense)}
