"""The servers beside the hosts: two registries and PostgreSQL on the bridge, Prometheus inside lab1."""

from __future__ import annotations

import http.client
import json
import secrets
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.lab import places as fixed
from tests.lab.host import LabHost
from tests.lab.places import Places
from tests.lab.prerequisites import PATH
from tests.lab.processes import LabError, alive, run, start, stop, wait_until

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
ENVIRONMENT = {"PATH": PATH, "LANG": "C.UTF-8", "HOME": "/nonexistent"}


# --- registries ------------------------------------------------------------------------------------------------------


def start_registries(places: Places) -> None:
    """Start the open registry and the one that asks for a password; both serve the same images."""
    import bcrypt

    folder = places.folder / "registry"
    storage = folder / "storage"
    storage.mkdir(parents=True, exist_ok=True)
    password = bcrypt.hashpw(fixed.REGISTRY_PASSWORD.encode(), bcrypt.gensalt(rounds=5)).decode()
    (folder / "htpasswd").write_text(f"{fixed.REGISTRY_USER}:{password}\n")
    for name, address in (("open", places.registry), ("private", places.private_registry)):
        config: dict[str, Any] = {
            "version": 0.1,
            "log": {"level": "info", "accesslog": {"disabled": False}},
            "storage": {"filesystem": {"rootdirectory": str(storage)}, "delete": {"enabled": True}},
            "http": {"addr": address, "secret": secrets.token_hex(16)},
        }
        if name == "private":
            config["auth"] = {"htpasswd": {"realm": "lab", "path": str(folder / "htpasswd")}}
        (folder / f"{name}.yml").write_text(json.dumps(config))  # JSON is YAML
        log = folder / f"{name}.log"
        if alive(folder / f"{name}.pid") is None:
            log.unlink(missing_ok=True)
            start(["docker-registry", "serve", str(folder / f"{name}.yml")], folder / f"{name}.pid", log, ENVIRONMENT)
    wait_until("registry", lambda: _status(places.registry) == 200, 15, folder / "open.log")
    wait_until("private registry", lambda: _status(places.private_registry) == 401, 15, folder / "private.log")


def stop_registries(places: Places) -> None:
    """End both registries: their ports refuse."""
    for name in ("open", "private"):
        stop(places.folder / "registry" / f"{name}.pid")


def registry_request(
    registry: str, method: str, path: str, body: bytes | None = None
) -> tuple[int, dict[str, str], bytes]:
    """One request to a registry (`address:port`): status, headers with lower-case names, body."""
    host, _, port = registry.partition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=10)
    headers = {"Accept": MANIFEST} | ({"Content-Type": MANIFEST} if body else {})
    try:
        connection.request(method, path, body=body, headers=headers)
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    finally:
        connection.close()


def _status(registry: str) -> int:
    try:
        return registry_request(registry, "GET", "/v2/")[0]
    except OSError:
        return 0


# --- PostgreSQL ------------------------------------------------------------------------------------------------------


def start_postgres(places: Places) -> None:
    """Start a PostgreSQL cluster of the lab's own on the bridge; hosts and containers log in with the password."""
    folder = places.folder / "postgres"
    data = folder / "data"
    folder.mkdir(parents=True, exist_ok=True)
    shutil.chown(folder, "postgres", "postgres")
    if not (data / "lab-ready").exists():
        shutil.rmtree(data, ignore_errors=True)
        secret = folder / "password"
        secret.write_text(fixed.POSTGRES_PASSWORD + "\n")
        shutil.chown(secret, "postgres", "postgres")
        form = ("--no-sync", "--encoding=UTF8", "--locale=C.UTF-8", "--auth-local=trust", "--auth-host=scram-sha-256")
        _postgres("initdb", "-D", str(data), "-U", fixed.POSTGRES_USER, *form, f"--pwfile={secret}")
        with (data / "pg_hba.conf").open("a") as rules:
            rules.write(f"host all all {places.net}.0/24 scram-sha-256\n")
        (data / "lab-ready").touch()
    if postgres_running(places):
        return
    (data / "postmaster.pid").unlink(missing_ok=True)
    (data / "postgresql.auto.conf").write_text(
        f"listen_addresses = '{places.gateway}'\nport = {fixed.POSTGRES_PORT}\nunix_socket_directories = '{folder}'\n"
        "fsync = off\nsynchronous_commit = off\nfull_page_writes = off\nmax_connections = 200\nautovacuum = off\n"
    )
    _postgres("pg_ctl", "-D", str(data), "-l", str(folder / "postgres.log"), "-w", "-t", "30", "start")


def stop_postgres(places: Places) -> None:
    """End PostgreSQL at once; its clients are disconnected."""
    if postgres_running(places):
        _postgres("pg_ctl", "-D", str(places.folder / "postgres" / "data"), "-m", "fast", "-w", "stop")


def postgres_running(places: Places) -> bool:
    data = places.folder / "postgres" / "data"
    return data.exists() and _postgres("pg_ctl", "-D", str(data), "status", check=False) == 0


def _postgres(program: str, *arguments: str, check: bool = True) -> int:
    path = max(Path("/usr/lib/postgresql").glob(f"*/bin/{program}"))
    return run(
        "runuser", "-u", "postgres", "--", str(path), *arguments, env=ENVIRONMENT, cwd="/", check=check
    ).returncode


@dataclass(frozen=True)
class Database:
    """One database of the lab's PostgreSQL, looked at from outside of the system that uses it."""

    name: str
    places: Places

    @property
    def url(self) -> str:
        """What a container on a host is given as DATABASE_URL."""
        return (
            f"postgresql://{fixed.POSTGRES_USER}:{fixed.POSTGRES_PASSWORD}"
            f"@{self.places.gateway}:{fixed.POSTGRES_PORT}/{self.name}"
        )

    def sql(self, text: str) -> list[list[str]]:
        """Run SQL; the rows of its answer, each value as text."""
        return _psql(self.places, self.name, text)

    def tables(self) -> list[str]:
        query = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"
        return [row[0] for row in self.sql(query)]

    def revision(self) -> str | None:
        """The Alembic revision that is recorded, or None before the first migration."""
        if "alembic_version" not in self.tables():
            return None
        rows = self.sql("SELECT version_num FROM alembic_version")
        return rows[0][0] if rows else None

    def rows(self, table: str) -> int:
        """How many rows a table has."""
        return int(self.sql(f'SELECT count(*) FROM "{table}"')[0][0])

    def migration_effects(self) -> list[str]:
        """The revisions in the order in which migrations really applied them, repeats included."""
        if "migration_effects" not in self.tables():
            return []
        return [row[0] for row in self.sql("SELECT revision FROM migration_effects ORDER BY id")]

    def snapshot(self) -> dict[str, Any]:
        """Revision, and for every table its columns, number of rows and a digest of its content."""
        tables = {}
        for table in self.tables():
            query = (
                f"SELECT count(*), md5(coalesce(string_agg(t::text, chr(10) ORDER BY t::text), '')), "
                f"(SELECT string_agg(column_name, ',' ORDER BY ordinal_position) FROM information_schema.columns"
                f" WHERE table_name = '{table}') FROM \"{table}\" AS t"
            )
            count, digest, columns = self.sql(query)[0]
            tables[table] = {"columns": columns, "rows": int(count), "content": digest}
        return {"revision": self.revision(), "tables": tables}


def create_database(places: Places, name: str | None = None) -> Database:
    """Make a fresh, empty database; one of the same name is dropped first."""
    name = name or f"test_{secrets.token_hex(4)}"
    _psql(places, "postgres", f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)', f'CREATE DATABASE "{name}"')
    return Database(name, places)


def drop_database(database: Database) -> None:
    _psql(database.places, "postgres", f'DROP DATABASE IF EXISTS "{database.name}" WITH (FORCE)')


def _psql(places: Places, database: str, *statements: str) -> list[list[str]]:
    socket, port = str(places.folder / "postgres"), str(fixed.POSTGRES_PORT)
    where = ("-h", socket, "-p", port, "-U", fixed.POSTGRES_USER, "-d", database)
    argv = ["psql", "-X", "-q", "-A", "-t", "-F", "\x1f", "-R", "\x1e", "-v", "ON_ERROR_STOP=1", *where]
    for statement in statements:
        argv += ["-c", statement]
    text = run(*argv, env=ENVIRONMENT, cwd="/").stdout.rstrip("\n")
    return [line.split("\x1f") for line in text.split("\x1e")] if text else []


# --- Prometheus ------------------------------------------------------------------------------------------------------


def start_prometheus(host: LabHost) -> None:
    """Start Prometheus inside `host`, on its loopback only; it scrapes that host's exporter, engine and backend."""
    targets = {
        "node": fixed.NODE_EXPORTER_PORT,
        "engine": fixed.ENGINE_METRICS_PORT,
        "backend": fixed.BACKEND_PORT,
    }
    config = {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
        "scrape_configs": [
            {"job_name": job, "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]} for job, port in targets.items()
        ],
    }
    if host.running("prometheus"):
        return
    (host.folder / "prometheus.yml").write_text(json.dumps(config))
    shutil.rmtree(host.folder / "prometheus", ignore_errors=True)
    listen = f"--web.listen-address=127.0.0.1:{fixed.PROMETHEUS_PORT}"
    files = ("--config.file=/run/lab/prometheus.yml", "--storage.tsdb.path=/run/lab/prometheus")
    host.start_server("prometheus", "prometheus", *files, listen, "--web.enable-lifecycle")


def wait_for_prometheus(host: LabHost, seconds: float = 30) -> None:
    """Wait until Prometheus answers queries."""
    wait_until("Prometheus", lambda: _ready(host), seconds, host.folder / "prometheus.log")


def stop_prometheus(host: LabHost) -> None:
    host.stop_server("prometheus", 15)


def promql(host: LabHost, query: str) -> list[dict[str, Any]]:
    """The result of an instant query, asked on the host itself."""
    program = (
        "import sys, urllib.parse, urllib.request as u\n"
        "q = urllib.parse.urlencode({'query': sys.argv[2]})\n"
        "print(u.urlopen(f'http://127.0.0.1:{sys.argv[1]}/api/v1/query?{q}', timeout=5).read().decode())"
    )
    done = host.root("/usr/bin/python3", "-c", program, str(fixed.PROMETHEUS_PORT), query)
    if done.returncode:
        raise LabError(f"Prometheus on {host.name} did not answer {query}: {done.stderr[-500:]}")
    result: list[dict[str, Any]] = json.loads(done.stdout)["data"]["result"]
    return result


def _ready(host: LabHost) -> bool:
    try:
        promql(host, "vector(1)")
    except LabError:
        return False
    return True


def names_of(rows: Sequence[dict[str, Any]], label: str) -> set[str]:
    """The values of one label in a query's result."""
    return {row["metric"][label] for row in rows if label in row["metric"]}
