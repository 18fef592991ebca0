"""Fixtures of the lab tests. Everything below tests/lab is marked `lab`."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest

from tests.lab import lab as the_lab
from tests.lab.lab import Database, Lab, LabError, LabHost, System
from tests.lab.prerequisites import missing

HERE = Path(__file__).resolve().parent
RUNNING = pytest.StashKey[Lab | LabError]()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.lab)


@pytest.hookimpl(wrapper=True)
def pytest_runtestloop(session: pytest.Session) -> Generator[None, object, object]:
    """Hold the lab from before the first test to after the last, so that no test's deadline pays for starting it.

    It is taken down at the end unless it was up before, and then left as it was found.
    """
    wanted = any("lab" in getattr(item, "fixturenames", ()) for item in session.items)
    if not wanted or session.config.option.collectonly or missing():
        return (yield)
    with contextlib.ExitStack() as held:
        try:
            held.enter_context(the_lab.session(wait_s=0))
        except LabError:
            print("\nanother test session uses the lab: waiting for its end", file=sys.__stderr__, flush=True)
            held.enter_context(the_lab.session())
        was_up = the_lab.attach() is not None
        try:
            running = the_lab.up()
            running.recover()
            running.reset_operators()
        except LabError as error:
            session.stash[RUNNING] = error
            return (yield)
        session.stash[RUNNING] = running
        try:
            return (yield)
        finally:
            if was_up:
                running.recover()
            else:
                the_lab.down()


@pytest.fixture(scope="session")
def lab(request: pytest.FixtureRequest) -> Lab:
    """The running lab, held by this session alone.

    Without its prerequisites a test is skipped, with one line that says what to install; with QUARTERDECK_LAB=required
    it fails.
    """
    wanting = missing()
    if wanting and os.environ.get("QUARTERDECK_LAB") != "required":
        pytest.skip(wanting)
    running = request.session.stash.get(RUNNING, None)
    if not isinstance(running, Lab):
        pytest.fail(str(running or wanting), pytrace=False)
    return running


@pytest.fixture
def database(lab: Lab) -> Iterator[Database]:
    """A fresh, empty database."""
    with lab.database() as fresh:
        yield fresh


@pytest.fixture
def clean_host(lab: Lab) -> Iterator[Callable[[str], LabHost]]:
    """A function that gives a host (lab1, lab2, lab3) cleared of earlier tests, and again afterwards."""
    used: dict[str, LabHost] = {}

    def give(name: str) -> LabHost:
        if name not in used:
            lab.clean_system(name)
            used[name] = lab.host(name)
        return used[name]

    yield give
    for host in used.values():
        host.recover()
        lab.clean_system(host)
    lab.recover()
    lab.reset_operators()


@pytest.fixture
def system(lab: Lab, clean_host: Callable[[str], LabHost], database: Database) -> System:
    """The look-alike system installed in /opt/app of a clean lab1 with an empty database; nothing runs yet."""
    return lab.install_system(clean_host("lab1"), database)


@pytest.fixture
def install_system(lab: Lab, clean_host: Callable[[str], LabHost]) -> Iterator[Callable[[str, str | None], System]]:
    """A function (host name, release or None) that installs the system on a clean host with a database of its own."""
    with contextlib.ExitStack() as databases:

        def install(name: str, release: str | None = None) -> System:
            host = clean_host(name)
            return lab.install_system(host, databases.enter_context(lab.database()), release)

        yield install
