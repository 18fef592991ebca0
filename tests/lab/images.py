"""Builds the look-alike system's images on a lab engine and pushes them to the lab's registry, once."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.lab.host import LabHost
from tests.lab.places import HERE, Places, images_version
from tests.lab.prerequisites import PATH
from tests.lab.processes import LabError, locked, run

SERVICES = ("backend", "frontend-prediction", "frontend-training")


@dataclass(frozen=True)
class Release:
    """How one release of the look-alike system behaves."""

    tag: str
    revisions: tuple[str, ...]
    """The schema revisions that its backend image knows, oldest first."""
    behaviour: str
    """good, unhealthy (never passes its health check) or wrong (healthy, but /api/predict answers nonsense)."""
    minutes_column: str = "minutes"
    """The column of `routes` that it cannot do without."""


RELEASES = {
    release.tag: release
    for release in (
        Release("1.0.0", ("a1",), "good"),
        Release("1.1.0", ("a1", "a2"), "good"),
        Release("1.2.0", ("a1", "a2"), "unhealthy"),
        Release("1.3.0", ("a1", "a2", "a3"), "wrong"),
        Release("1.4.0", ("a1", "a2", "a3", "b4"), "wrong", "duration_minutes"),
        Release("1.5.0", ("a1", "a2"), "wrong"),
    )
}

DEBIAN_PACKAGES = [
    "libc6",
    "libgcc-s1",
    "zlib1g",
    "libexpat1",
    "libssl3",
    "libffi8",
    "libsqlite3-0",
    "libbz2-1.0",
    "liblzma5",
    "libuuid1",
    "libcrypt1",
    "libncursesw6",
    "libtinfo6",
    "libreadline8",
    "libstdc++6",
    "python3.11-minimal",
    "libpython3.11-minimal",
    "libpython3.11-stdlib",
    "busybox-static",
    "ca-certificates",
]
APPLETS = [
    "sh",
    "ls",
    "cat",
    "sleep",
    "ps",
    "wget",
    "nc",
    "ip",
    "kill",
    "date",
    "hostname",
    "id",
    "mkdir",
    "rm",
    "cp",
    "mv",
    "grep",
    "sed",
    "awk",
    "head",
    "tail",
    "env",
    "true",
    "false",
    "wc",
]
ALEMBIC = "#!/usr/bin/python3\nimport sys\nfrom alembic.config import main\nsys.exit(main(prog='alembic'))\n"


def base_reference(places: Places) -> str:
    """The image that all others are made from; it stays on the hosts between tests."""
    return f"{places.registry}/base:1"


def ensure(places: Places, hosts: list[LabHost]) -> bool:
    """Build and push every image unless the registry holds this version of them; true if something was built."""
    stamp = places.folder / "registry" / "images.json"
    wanted = {"version": images_version(), "registry": places.registry}
    built = not stamp.exists() or json.loads(stamp.read_text()) != wanted
    if built:
        stamp.unlink(missing_ok=True)
        with locked(places.cache_lock, 900, "another lab builds the images that both need"):
            _fill_registry(places, hosts[0])
        stamp.write_text(json.dumps(wanted))
    with ThreadPoolExecutor(len(hosts)) as pool:
        list(pool.map(lambda host: _have_base(places, host, built), hosts))
    return built


def _have_base(places: Places, host: LabHost, again: bool) -> None:
    reference = base_reference(places)
    if again or host.docker("image", "inspect", reference, check=False).returncode:
        host.docker("pull", "-q", reference, timeout_s=180)


def _fill_registry(places: Places, host: LabHost) -> None:
    """Build all of them, or take what a lab with the same cache has built: no image knows of which registry it is."""
    kept, storage = places.cache / "images", places.folder / "registry" / "storage"
    version = kept / "version"
    if version.exists() and version.read_text() == images_version():
        shutil.copytree(kept / "storage", storage, dirs_exist_ok=True)
        return
    _build(places, host)
    shutil.rmtree(kept, ignore_errors=True)
    shutil.copytree(storage, kept / "storage")
    version.write_text(images_version())


def _build(places: Places, host: LabHost) -> None:
    root = _root_folder(places.cache)
    base = base_reference(places)
    _import_base(host, root, base)
    host.docker("push", "-q", base, timeout_s=180)
    jobs = [(service, release) for release in RELEASES.values() for service in SERVICES]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda job: _build_one(places, host, *job), jobs))
    host.docker("builder", "prune", "-a", "-f")


def _build_one(places: Places, host: LabHost, service: str, release: Release) -> None:
    kind = "backend" if service == "backend" else "frontend"
    reference = f"{places.registry}/{service}:{release.tag}"
    arguments = {
        "BASE": base_reference(places),
        "SERVICE": service,
        "RELEASE": release.tag,
        "REVISIONS": " ".join(release.revisions),
        "BEHAVIOUR": release.behaviour,
        "MINUTES_COLUMN": release.minutes_column,
    }
    words = [word for key, value in arguments.items() for word in ("--build-arg", f"{key}={value}")]
    context = HERE / "images"
    file = ("-f", str(context / kind / "Dockerfile"))
    run(*_docker(host), "build", "-q", *file, *words, "-t", reference, str(context), env=_env(places, host))
    run(*_docker(host), "push", "-q", reference, env=_env(places, host))


def _docker(host: LabHost) -> tuple[str, ...]:
    return ("/usr/bin/docker", "-H", f"unix://{host.path('/run/docker.sock')}")


def _env(places: Places, host: LabHost) -> dict[str, str]:
    config = places.folder / "docker-config"
    config.mkdir(parents=True, exist_ok=True)
    return {"PATH": PATH, "HOME": str(config), "DOCKER_CONFIG": str(config), "DOCKER_BUILDKIT": "1"}


def _import_base(host: LabHost, root: Path, reference: str) -> None:
    changes = ("--change", "ENV LANG=C.UTF-8 PYTHONUNBUFFERED=1", "--change", 'CMD ["python"]')
    tar = subprocess.Popen(["tar", "-C", str(root), "--numeric-owner", "-c", "."], stdout=subprocess.PIPE)
    argv = [*_docker(host), "import", *changes, "-", reference]
    with tar:
        done = subprocess.run(argv, stdin=tar.stdout, capture_output=True, text=True, timeout=180)
    if done.returncode or tar.returncode:
        raise LabError(f"the base image could not be imported: {done.stderr}")


def _root_folder(cache: Path) -> Path:
    """A file system with Python 3.11, busybox and the backend's packages, from Debian packages and wheels alone."""
    ready, root = cache / "root", cache / "root.new"
    stamp = ready / "etc" / "lab-version"
    if stamp.exists() and stamp.read_text() == _recipe():
        return ready
    for old in (ready, root):
        shutil.rmtree(old, ignore_errors=True)
    debs = cache / "debs"
    shutil.rmtree(debs, ignore_errors=True)
    debs.mkdir(parents=True)
    run("apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", *DEBIAN_PACKAGES, cwd=debs, timeout_s=300)
    for folder in ("bin", "sbin", "lib", "lib64"):
        (root / "usr" / folder).mkdir(parents=True)
        (root / folder).symlink_to(f"usr/{folder}")
    for deb in sorted(debs.glob("*.deb")):
        package = subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(deb)], stdout=subprocess.PIPE)
        unpack = ["tar", "-x", "-C", str(root), "--keep-directory-symlink"]
        subprocess.run(unpack, stdin=package.stdout, check=True, timeout=60)
        if package.wait(timeout=30):
            raise LabError(f"{deb.name} could not be unpacked")
    _furnish(root)
    site = root / "usr/lib/python3/dist-packages"
    site.mkdir(parents=True, exist_ok=True)
    wheels = ("--python-version", "3.11", "--implementation", "cp", "--only-binary", ":all:", "--no-compile")
    pip = (sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--target", str(site))
    packages = str(HERE / "images" / "packages.txt")
    run(*pip, *wheels, "-r", packages, timeout_s=300, env={**os.environ, "PIP_NO_INPUT": "1"})
    shutil.rmtree(site / "bin", ignore_errors=True)
    # Compiled once here: a container that compiles its libraries at every start needs seconds more for it.
    compile_all = ("-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", "/usr/lib/python3.11", str(site))
    inside = [word.removeprefix(str(root)) for word in compile_all]
    run("chroot", str(root), "/usr/bin/python3.11", *inside, timeout_s=180)
    (root / "etc" / "lab-version").write_text(_recipe())
    root.rename(ready)
    shutil.rmtree(debs)
    return ready


def _furnish(root: Path) -> None:
    unneeded = [root / "usr/share" / name for name in ("doc", "man", "locale", "lintian")]
    for folder in [*unneeded, *root.glob("usr/lib/*/gconv"), root / "usr/lib/python3.11/lib2to3"]:
        shutil.rmtree(folder, ignore_errors=True)
    for program, target in {"python3": "python3.11", "python": "python3", **dict.fromkeys(APPLETS, "busybox")}.items():
        link = root / "usr/bin" / program
        if program in ("python3", "python") or not os.path.lexists(link):
            link.unlink(missing_ok=True)
            link.symlink_to(target)
    alembic = root / "usr/bin/alembic"
    alembic.write_text(ALEMBIC)
    alembic.chmod(0o755)
    for name in ("tmp", "root", "var", "proc", "sys", "dev", "run", "effects", "etc/ssl/certs"):
        (root / name).mkdir(parents=True, exist_ok=True)
    (root / "tmp").chmod(0o1777)
    (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n")
    (root / "etc/group").write_text("root:x:0:\nnogroup:x:65534:\n")
    certificates = sorted((root / "usr/share/ca-certificates/mozilla").glob("*.crt"))
    (root / "etc/ssl/certs/ca-certificates.crt").write_bytes(b"".join(c.read_bytes() for c in certificates))


def _recipe() -> str:
    return " ".join([*DEBIAN_PACKAGES, *APPLETS, ALEMBIC, (HERE / "images" / "packages.txt").read_text()])
