"""Sites for plan tests: what facts would have read, as data."""

from __future__ import annotations

from actions.site import Site
from console.stacks.base import (
    ComposeFile,
    ComposeSpec,
    Ground,
    Live,
    LiveService,
    MigrationsSpec,
    RegistrySpec,
    ServiceSpec,
)
from console.stacks.compose import ComposeStack
from console.stacks.release import Release, Schema, place

REPO = "registry.example:5000/app"
SERVICES = ("backend", "web")


def digest(letter: str) -> str:
    """A digest of one repeated hex digit, easy to tell apart in a plan."""
    return "sha256:" + letter * 64


def image(service: str, letter: str) -> str:
    return f"{REPO}/{service}@{digest(letter)}"


def images(letter: str) -> dict[str, str]:
    return {service: image(service, letter) for service in SERVICES}


MIGRATIONS = MigrationsSpec(service="backend")
LOGIN = RegistrySpec(host="registry.example:5000", user="ci", credential="registry")


def spec(
    *,
    migrations: MigrationsSpec | None = None,
    registry: RegistrySpec | None = LOGIN,
    ready: str | None = None,
    retain: int = 3,
    files: tuple[ComposeFile, ...] = (ComposeFile(path="docker-compose.yml"),),
    env_file: str | None = ".env",
    sudo: tuple[str, ...] = (),
) -> ComposeSpec:
    return ComposeSpec(
        environment="staging",
        directory="/opt/app",
        state="/opt/app/.quarterdeck",
        project="app",
        files=files,
        env_file=env_file,
        services=(
            ServiceSpec(name="backend", image=f"{REPO}/backend:{{release}}", start_s=90, ready=ready),
            ServiceSpec(name="web", image=f"{REPO}/web:{{release}}", start_s=30),
        ),
        migrations=migrations,
        registry=registry,
        retain=retain,
        sudo=sudo,
    )


def live(letter: str | None, release: str = "", *, host: str = "one", state: str = "running") -> Live:
    """Both services run images of one letter; None: nothing is there."""
    if letter is None:
        return Live(host=host)
    return Live(
        host=host,
        services=tuple(
            LiveService.model_validate(
                {
                    "service": service,
                    "image": image(service, letter),
                    "digest": image(service, letter),
                    "image_id": digest("0"),
                    "state": state,
                    "health": "healthy",
                    "since": "2026-11-24T01:00:00Z",
                    "release": release,
                    "container": f"c-{service}",
                }
            )
            for service in SERVICES
        ),
    )


def ground(
    letter: str | None,
    *,
    host: str = "one",
    releases: tuple[Release, ...] = (),
    label: str = "",
    state: str = "running",
    here: tuple[str, ...] = (),
    files: tuple[str, ...] = ("/opt/app/docker-compose.yml",),
    **more: object,
) -> Ground:
    seen = place(live(letter, label, host=host, state=state), releases)
    base = Ground(
        host=host,
        live=seen,
        releases=releases,
        engine="20.10.24",
        arch="x86_64",
        compose=("docker", "compose"),
        compose_version="2.26.1",
        disk_free_mb=9000,
        images=tuple(sorted({*here, *(seen.images.values())})),
        files=dict.fromkeys(files, "f" * 64),
        env_keys=("DATABASE_URL", "JWT_SECRET"),
        env_fingerprint="e" * 64,
    )
    return base.model_copy(update=more)


def release(
    number: int,
    letter: str,
    candidate: str,
    *,
    verified: bool = True,
    undone: bool = False,
    known: tuple[str, ...] | None = None,
    the_spec: ComposeSpec | None = None,
    **more: object,
) -> Release:
    chosen = the_spec or spec()
    files = ComposeStack(chosen).stored_files(
        Ground(host="one", live=Live(host="one"), files={"/opt/app/docker-compose.yml": "f" * 64}),
        {},
    )
    made = Release(
        id=f"r{number}",
        environment="staging",
        candidate=candidate,
        action="deploy",
        project="app",
        images=images(letter),
        files=files,
        env_keys=("DATABASE_URL", "JWT_SECRET"),
        env_fingerprint="e" * 64,
        database=Schema(known=known),
        verified="2026-11-24T01:00:00Z" if verified else None,
        undone="2026-11-24T01:30:00Z" if undone else None,
    )
    return made.model_copy(update=more)


def site(*grounds: Ground, the_spec: ComposeSpec | None = None, smoke: bool = True) -> Site:
    steps = ({"name": "health", "url": "http://127.0.0.1:8000/health", "via": "one"},) if smoke else ()
    return Site(
        environment="staging",
        spec=the_spec or spec(),
        grounds=grounds,
        smoke=steps,
        variables={"api": "http://127.0.0.1:8000"},
    )
