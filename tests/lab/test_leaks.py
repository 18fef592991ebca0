"""The search for secrets: what it passes over, and what it must not pass over."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

from tests.lab.leaks import files_holding, watched_processes
from tests.lab.system import System

SECRET = "a-secret-that-is-looked-for-91f0"


def test_only_the_environment_of_a_service_in_its_container_is_passed_over(system: System) -> None:
    """A process that says of itself that it is one, and a service's own words, are seen."""
    system.start("1.0.0")
    env = {"SERVICE": "backend", "JWT_SECRET": SECRET}
    with watched_processes((SECRET, "lab-jwt-secret")) as found:
        lying = subprocess.Popen(["sleep", "60"], env=env)
        saying = subprocess.Popen(["sh", "-c", "sleep 60; :", SECRET], env={})
        time.sleep(0.5)
        for one in (lying, saying):
            one.kill()
            one.wait(10)
    assert any(one.startswith("environ of b'sleep") and "JWT_SECRET=<secret>" in one for one in found)
    assert any(one.startswith("cmdline of b'sh") for one in found)
    ours = [one for one in found if "server.py" in one and SECRET not in one]
    assert ours == [], "the service itself must have it"


def test_a_path_that_is_a_file_is_read_as_well(tmp_path: Path) -> None:
    (tmp_path / "one").write_text(f"x {SECRET}")
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "two").write_text(SECRET)
    assert files_holding(SECRET, tmp_path / "one", tmp_path / "below") == [tmp_path / "one", tmp_path / "below" / "two"]
