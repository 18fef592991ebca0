"""The backend of the look-alike system: an HTTP API on port 8000 over a PostgreSQL database.

BEHAVIOUR, set when the image is built: `good`; `unhealthy` never answers its health check with 200;
`wrong` is healthy but predicts nonsense. MINUTES_COLUMN is the column this release reads: when the
database has no such column it refuses to start (exit 3), and a copy that is running turns unhealthy.
"""

import base64
import hashlib
import hmac
import http.server
import json
import os
import secrets
import signal
import socketserver
import sys
import threading
import time

import psycopg

RELEASE = os.environ["RELEASE"]
BEHAVIOUR = os.environ["BEHAVIOUR"]
COLUMN = os.environ["MINUTES_COLUMN"]
DATABASE_URL = os.environ["DATABASE_URL"]
JWT_SECRET = os.environ["JWT_SECRET"].encode()
USER = os.environ.get("SMOKE_USER", "smoke")
PASSWORD = os.environ["SMOKE_PASSWORD"]
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
TRAIN_QUEUED_S, TRAIN_RUNNING_S = 0.3, 0.9
READ_ROUTE = f"SELECT id, {COLUMN} FROM routes WHERE origin = %s AND destination = %s"  # COLUMN is ours

started_at = time.time()


def say(level: str, message: str, **more: object) -> None:
    now = time.time()
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now % 1 * 1000):03d}Z"
    line = {"time": stamp, "level": level, "service": "backend", "release": RELEASE, "message": message, **more}
    os.write(1, json.dumps(line).encode() + b"\n")  # in one piece: requests are answered side by side


def database() -> "psycopg.Connection[tuple[object, ...]]":
    return psycopg.connect(DATABASE_URL, connect_timeout=3, autocommit=True)


class Metrics:
    """Counts and latencies of requests, written out in Prometheus' text format."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.requests: dict[tuple[str, str, int], int] = {}
        self.buckets: dict[str, list[int]] = {}
        self.sums: dict[str, float] = {}

    def saw(self, method: str, path: str, status: int, seconds: float) -> None:
        with self.lock:
            key = (method, path, status)
            self.requests[key] = self.requests.get(key, 0) + 1
            counts = self.buckets.setdefault(path, [0] * (len(BUCKETS) + 1))
            for number, bound in enumerate(BUCKETS):
                counts[number] += seconds <= bound
            counts[-1] += 1
            self.sums[path] = self.sums.get(path, 0.0) + seconds

    def text(self) -> str:
        lines = ["# HELP http_requests_total Requests answered.", "# TYPE http_requests_total counter"]
        with self.lock:
            for (method, path, status), count in sorted(self.requests.items()):
                lines.append(f'http_requests_total{{method="{method}",path="{path}",status="{status}"}} {count}')
            lines += ["# HELP http_request_duration_seconds Time to answer, in seconds.",
                      "# TYPE http_request_duration_seconds histogram"]
            for path, counts in sorted(self.buckets.items()):
                for bound, count in zip([*BUCKETS, "+Inf"], counts, strict=True):
                    lines.append(f'http_request_duration_seconds_bucket{{path="{path}",le="{bound}"}} {count}')
                lines.append(f'http_request_duration_seconds_sum{{path="{path}"}} {self.sums[path]:.6f}')
                lines.append(f'http_request_duration_seconds_count{{path="{path}"}} {counts[-1]}')
        lines += ["# TYPE process_start_time_seconds gauge", f"process_start_time_seconds {started_at:.3f}",
                  "# TYPE routing_info gauge", f'routing_info{{release="{RELEASE}"}} 1']
        return "\n".join(lines) + "\n"


class Tokens:
    """JSON Web Tokens (HS256) that can be logged out."""

    def __init__(self) -> None:
        self.gone: set[str] = set()

    @staticmethod
    def _part(data: bytes) -> str:
        return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

    def _signature(self, head: str) -> str:
        return self._part(hmac.new(JWT_SECRET, head.encode(), hashlib.sha256).digest())

    def issue(self, user: str) -> str:
        claims = {"sub": user, "jti": secrets.token_hex(8), "exp": int(time.time()) + 3600}
        head = self._part(b'{"alg":"HS256","typ":"JWT"}') + "." + self._part(json.dumps(claims).encode())
        return f"{head}.{self._signature(head)}"

    def user(self, header: str | None) -> str | None:
        token = (header or "").removeprefix("Bearer ")
        head, _, signature = token.rpartition(".")
        if token in self.gone or not head or not hmac.compare_digest(self._signature(head), signature):
            return None
        body = head.partition(".")[2]
        claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
        return str(claims["sub"]) if claims["exp"] > time.time() else None


metrics = Metrics()
tokens = Tokens()
jobs: dict[str, float] = {}


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def server_bind(self) -> None:
        # The library's own server_bind asks DNS for its name, which hangs where there is no resolver.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = "backend", self.server_address[1]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.answer("GET")

    def do_POST(self) -> None:
        self.answer("POST")

    def answer(self, method: str) -> None:
        begun = time.monotonic()
        path = self.path.partition("?")[0]
        route = "/api/train/{id}" if path.startswith("/api/train/") else path
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        try:
            body = json.loads(raw) if raw else {}
        except ValueError:
            body = None
        if not isinstance(body, dict):
            status, reply = 400, {"error": "the body is not a JSON object"}
        else:
            try:
                status, reply = self.reply(method, route, path, body)
            except psycopg.Error as error:
                status, reply = 503, {"error": str(error).strip()}
        text = reply if isinstance(reply, str) else json.dumps(reply) + "\n"
        data = text.encode()
        kind = "text/plain; version=0.0.4" if isinstance(reply, str) else "application/json"
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
        seconds = time.monotonic() - begun
        metrics.saw(method, route if status != 404 else "other", status, seconds)
        if route not in ("/api/health", "/metrics"):
            say("info" if status < 500 else "error", f"{method} {path} {status}",
                method=method, path=path, status=status, duration_ms=round(seconds * 1000, 1))

    def reply(self, method: str, route: str, path: str, body: dict[str, object]) -> tuple[int, object]:
        match (method, route):
            case ("GET", "/api/health"):
                with database() as connection:
                    connection.execute(READ_ROUTE, ("depot", "harbour")).fetchone()
                if BEHAVIOUR == "unhealthy":
                    return 503, {"status": "starting", "release": RELEASE, "reason": "the model is not loaded"}
                return 200, {"status": "ok", "release": RELEASE}
            case ("GET", "/metrics"):
                return 200, metrics.text()
            case ("POST", "/api/login"):
                if body.get("username") != USER or not hmac.compare_digest(str(body.get("password")), PASSWORD):
                    return 401, {"error": "wrong user name or password"}
                return 200, {"token": tokens.issue(USER)}
        user = tokens.user(self.headers.get("Authorization"))
        known = route in ("/api/me", "/api/logout", "/api/predict", "/api/train", "/api/train/{id}")
        if not known:
            return 404, {"error": f"no such path: {path}"}
        if user is None:
            return 401, {"error": "a valid token is needed"}
        match (method, route):
            case ("GET", "/api/me"):
                return 200, {"username": user}
            case ("POST", "/api/logout"):
                tokens.gone.add((self.headers.get("Authorization") or "").removeprefix("Bearer "))
                return 200, {"status": "logged out"}
            case ("POST", "/api/predict"):
                return self.predict(str(body.get("origin")), str(body.get("destination")))
            case ("POST", "/api/train"):
                job = secrets.token_hex(4)
                jobs[job] = time.monotonic()
                return 202, {"id": job, "status": "queued"}
            case ("GET", "/api/train/{id}"):
                job = path.rpartition("/")[2]
                if job not in jobs:
                    return 404, {"error": f"no such job: {job}"}
                age = time.monotonic() - jobs[job]
                status = "queued" if age < TRAIN_QUEUED_S else "running" if age < TRAIN_RUNNING_S else "done"
                return 200, {"id": job, "status": status}
        return 405, {"error": f"{method} is not allowed on {path}"}

    def predict(self, origin: str, destination: str) -> tuple[int, object]:
        with database() as connection:
            row = connection.execute(READ_ROUTE, (origin, destination)).fetchone()
            if row is None:
                return 422, {"error": f"no route from {origin} to {destination}"}
            connection.execute("INSERT INTO predictions (route) VALUES (%s)", (row[0],))
        minutes = -1.0 if BEHAVIOUR == "wrong" else row[1]
        return 200, {"origin": origin, "destination": destination, "minutes": minutes, "release": RELEASE}

    def log_message(self, pattern: str, *arguments: object) -> None:
        """Our own JSON line is written by answer()."""


def main() -> int:
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    say("info", f"starting release {RELEASE}")
    time.sleep(float(os.environ.get("START_DELAY") or 0))
    try:
        with database() as connection:
            connection.execute(READ_ROUTE, ("depot", "harbour")).fetchone()
    except psycopg.errors.UndefinedTable:
        say("error", "the database has no table routes: its migrations have not been applied")
        return 3
    except psycopg.errors.UndefinedColumn:
        say("error", f"the database has no column routes.{COLUMN}: release {RELEASE} cannot work with this schema")
        return 3
    except psycopg.OperationalError as error:
        say("error", f"the database cannot be reached: {error}".strip())
        return 3
    server = Server(("0.0.0.0", 8000), Handler)
    if BEHAVIOUR == "unhealthy":
        say("warning", "waiting for the model file")
    else:
        say("info", "Application startup complete")
    server.serve_forever()
    return 0


sys.exit(main())
