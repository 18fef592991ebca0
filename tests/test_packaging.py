"""What is shipped: one list of dependencies, locks with hashes and no address, a wheel that holds all that is read."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from console.runs.api import Action

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PACKAGES = ("console", "screens", "actions", "profiles")
LOCKS = ("requirements.lock", "requirements-dev.lock", "requirements-build.lock")


def listed(name: str) -> list[str]:
    """The requirements of a file without comments and options."""
    lines = (line.partition("#")[0].strip() for line in (ROOT / name).read_text().splitlines())
    return [line for line in lines if line and not line.startswith("-")]


def plain(name: str) -> str:
    """A distribution's name as packages are compared (PEP 503)."""
    return re.sub(r"[-_.]+", "-", re.split(r"[\s\[<>=!~;]", name, maxsplit=1)[0]).lower()


def test_pyproject_and_requirements_name_the_same() -> None:
    assert sorted(PROJECT["project"]["dependencies"]) == sorted(listed("requirements.in"))


def test_textual_is_pinned_exactly() -> None:
    assert any(line.startswith("textual==") for line in PROJECT["project"]["dependencies"])


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_is_exact_has_hashes_and_names_no_address(name: str) -> None:
    text = (ROOT / name).read_text()
    assert (
        "http:" not in text and "https:" not in text and "//" not in text and "--index" not in text and "@ " not in text
    )
    blocks = [block for block in re.split(r"\n(?=\S)", text.replace("\\\n", " ")) if block.strip()[:1] not in ("#", "")]
    assert blocks
    for block in blocks:
        assert re.match(r"^[A-Za-z0-9._\[\]-]+==\S+", block), block
        assert "--hash=sha256:" in block, block


def test_what_we_depend_on_is_locked() -> None:
    locked = {plain(block) for block in (ROOT / "requirements.lock").read_text().splitlines() if block[:1].isalpha()}
    assert {plain(line) for line in listed("requirements.in")} <= locked
    version = next(line for line in listed("requirements.in") if line.startswith("textual=="))
    assert version in (ROOT / "requirements.lock").read_text()


def test_every_entry_point_loads() -> None:
    found = {point.name: point for point in entry_points(group="quarterdeck.actions") if point.dist is not None}
    declared = PROJECT["project"]["entry-points"]["quarterdeck.actions"]
    assert set(declared) <= set(found)
    for name, value in declared.items():
        assert found[name].value == value
        action = found[name].load()
        assert isinstance(action, Action) and action.name == name
    (program,) = entry_points(group="console_scripts", name="quarterdeck")
    assert program.value == PROJECT["project"]["scripts"]["quarterdeck"] and callable(program.load())


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """A wheel of the checkout as it stands, built without a network."""
    folder = tmp_path_factory.mktemp("wheel")
    code = (
        "import sys; from hatchling.builders.wheel import WheelBuilder\n"
        "print(next(WheelBuilder(sys.argv[1]).build(directory=sys.argv[2], versions=['standard'])))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(ROOT), str(folder)], capture_output=True, text=True, timeout=120, check=True
    )
    return zipfile.ZipFile(done.stdout.strip().splitlines()[-1])


def test_the_wheel_holds_every_file_that_is_read_at_run_time(wheel: zipfile.ZipFile) -> None:
    held = set(wheel.namelist())
    wanted = set()
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".pyc":
                wanted.add(path.relative_to(ROOT).as_posix())
    scripts = {name for name in wanted if name.endswith(".sh")}
    assert len(scripts) > 10 and {name for name in wanted if name.startswith("profiles/builtin/")}
    assert {name for name in wanted if name.startswith("console/demo/releases/") and name.endswith(".json")}
    tracked = set(
        subprocess.run(
            ["git", "ls-files", "--cached", "--", *PACKAGES], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout.splitlines()
    )
    assert (wanted & tracked) - held == set()
    assert all(f"{package}/py.typed" in held for package in PACKAGES)


def test_the_wheel_holds_nothing_else(wheel: zipfile.ZipFile) -> None:
    tops = {name.partition("/")[0] for name in wheel.namelist()}
    info = {name for name in tops if name.endswith(".dist-info")}
    assert tops == {*PACKAGES, *info} and len(info) == 1
    points = wheel.read(f"{info.pop()}/entry_points.txt").decode()
    assert "quarterdeck = console.cli:main" in points and "deploy = actions.deploy:ACTION" in points
