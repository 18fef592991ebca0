"""What version commands print, seen on real machines, and what is made of it."""

from __future__ import annotations

import pytest

from console.stacks.detect import compose_found, engine_version

NO_PLUGIN = "docker: 'compose' is not a docker command.\nSee 'docker --help'\n"
MISSING = "sh: 1: docker-compose: not found\n"
V1 = "1.29.2\n"
WARNED = 'time="2026-11-24" level=warning msg="the attribute `version` is obsolete"\n2.26.1-4\n'


@pytest.mark.parametrize(
    ("plugin", "standalone", "argv", "version", "kind"),
    [
        ("2.26.1-4\n", MISSING, ("docker", "compose"), "2.26.1-4", "plugin"),
        ("v2.40.3\n", V1, ("docker", "compose"), "2.40.3", "plugin"),
        (WARNED, MISSING, ("docker", "compose"), "2.26.1-4", "plugin"),
        ("5.0.1\n", MISSING, ("docker", "compose"), "5.0.1", "plugin"),
        (NO_PLUGIN, "2.29.0\n", ("docker-compose",), "2.29.0", "standalone"),
        (NO_PLUGIN, "Docker Compose version v2.29.0\n", ("docker-compose",), "2.29.0", "standalone"),
        (NO_PLUGIN, V1, (), "1.29.2", "v1"),
        (NO_PLUGIN, "docker-compose version 1.25.0, build unknown\n", (), "1.25.0", "v1"),
        ("1.29.2\n", MISSING, (), "", "none"),
        (NO_PLUGIN, MISSING, (), "", "none"),
        ("Docker version 28.2.2, build e6534b4\n", MISSING, (), "", "none"),
        ("", "", (), "", "none"),
    ],
)
def test_what_is_found(plugin: str, standalone: str, argv: tuple[str, ...], version: str, kind: str) -> None:
    found = compose_found(plugin, standalone, "prod1")
    assert (found.argv, found.version, found.kind) == (argv, version, kind)
    assert bool(found.reason) == (not argv)
    if found.reason:
        assert "prod1" in found.reason


@pytest.mark.parametrize(
    ("said", "version"),
    [
        ("20.10.24+dfsg1\n", "20.10.24+dfsg1"),
        ("28.2.2\n", "28.2.2"),
        ("Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?\n", ""),
        ("permission denied while trying to connect to the Docker daemon socket\n", ""),
        ("", ""),
        ("sh: 1: docker: not found\n", ""),
    ],
)
def test_engine(said: str, version: str) -> None:
    assert engine_version(said) == version
