"""The look-alike system on one host of the lab, and a plain operator who acts on it, for the parts over SSH."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import re
import shutil
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from tests.lab.lab import Lab, LabError, System
from tests.lab.person import Begun, Done, Person, person, until
from tests.lab.routing_ml import profile
from tests.torture.cells import ROOT, NotSetUp

NOTE = "/opt/app/commands.log"
COMMAND = f'sleep 0.5; printf "%s\\n" done >>{NOTE}'
"""The reviewed command `note`: what it did is counted in lines."""
BACK_TO_A1 = """
ALTER TABLE predictions DROP COLUMN IF EXISTS confidence;
UPDATE alembic_version SET version_num = 'a1';
DELETE FROM migration_effects WHERE revision <> 'a1';
"""
VERSION = "org.opencontainers.image.version"
RUN_S = 400.0
"""A command of a person that has not ended by then is a fault."""
UNFINISHED = 6
FRESH = 99
"""The level of a stage of which nothing is known."""


@dataclass
class Stage:
    """The system on its host, and who acts on it.

    Levels: 0 1.0.0 started by hand, 1 deployed by the console, 2 1.1.0 deployed after it.
    """

    lab: Lab
    held: ExitStack
    name: str
    operator: str
    system: System | None = None
    one: Person | None = None
    level: int = FRESH

    def reach(self, level: int) -> tuple[System, Person]:
        """The system as somebody wants it."""
        if self.one is not None and (self.level, level) == (2, 1):
            self.level = FRESH
            if self.one.run("rollback", to="1.0.0", timeout_s=RUN_S).code == 0:
                self.again()
        if self.system is None or self.one is None or self.level > level or self.level == 0:
            self.level = FRESH
            try:
                self._anew()
            except LabError as error:  # a machine with much to do: nothing of ours has begun yet
                raise NotSetUp(str(error)[-300:]) from error
        assert self.system is not None and self.one is not None
        for number, release in ((1, "1.0.0"), (2, "1.1.0")):
            if self.level < number <= level:
                done = self.one.run("deploy", candidate=release, timeout_s=RUN_S)
                if done.code:
                    self.level = FRESH
                    raise NotSetUp(str(done))
                self.level = number
        return self.system, self.one

    def again(self) -> None:
        """1.0.0 is live again: take away all that 1.1.0 left, so that its next deploy does all that a first does."""
        assert self.system is not None
        with contextlib.closing(self.system.host.engine()) as engine:
            for row in engine.containers(all=True):
                if (row["Labels"] or {}).get(VERSION) == "1.1.0":
                    engine.remove_container(row["Id"], force=True)
            for image in engine.images():
                if (image["Labels"] or {}).get(VERSION) == "1.1.0":
                    engine.remove_image(image["Id"], force=True)
        self.system.database.sql(BACK_TO_A1)
        self.level = 1

    def left(self, release: str) -> None:
        """A run has ended as it must, and this release is live now."""
        if release == "1.1.0":
            self.level = 2
        else:
            self.again()

    def _anew(self) -> None:
        self.lab.host(self.name).recover()
        self.lab.clean_system(self.name)
        database = self.held.enter_context(self.lab.database())
        self.system = self.lab.install_system(self.name, database)
        # On a machine with much to do, slow is not ill.
        compose = self.system.host.path("/opt/app/docker-compose.yml")
        compose.write_text(compose.read_text().replace("retries: 3", "retries: 60"))
        self.system.start("1.0.0")
        operator = self.lab.operators[self.operator]
        # OpenSSH takes the home of the user who runs the tests from elsewhere than HOME.
        own = {"ssh_config": str(operator.ssh_config)} if operator.user is None else None
        made = profile(self.lab, hosts=(self.name,), promised=True, host=own)
        for service in made["environments"]["staging"]["stack"]["services"].values():
            service["deadline"] = "120s"
        made["environments"]["staging"]["commands"] = {"note": {"title": "Add a line", "argv": ["sh", "-c", COMMAND]}}
        shutil.rmtree(operator.home / ".local" / "state" / "quarterdeck", ignore_errors=True)
        self.one = person(operator, made)
        self.level = 0


def sets(words: Sequence[str]) -> list[str]:
    """`("deploy", "candidate=1.1.0")` as the options of its values."""
    return [word for pair in words[1:] for word in ("--set", pair)]


def struck(one: Person, file: Path, then: str = "kill", off: Sequence[str] = ()) -> Person:
    """The same person, whose runners are struck at the moments in a file; `then`: killed there, or held.

    `off`: guards that are switched off in those runners.
    """
    path = os.pathsep.join((str(Path(__file__).with_name("before_runner")), str(ROOT)))
    words = " ".join((then, str(file), *off))
    return dataclasses.replace(one, env={**one.env, "PYTHONPATH": path, "QUARTERDECK_TORTURE_MOMENTS": words})


@dataclass
class Moments:
    """The file of moments for a person's runners, and what they wrote beside it."""

    file: Path
    landed: list[list[str]] = field(default_factory=list)

    def set(self, moments: Sequence[Sequence[str]]) -> None:
        """Nothing came yet."""
        for end in ("landed", "losses"):
            beside = self._beside(end)
            beside.write_text("")
            beside.chmod(0o666)
        self._beside("go").unlink(missing_ok=True)
        self.landed = []
        self.leave(moments)

    def leave(self, moments: Sequence[Sequence[str]]) -> None:
        """These are left."""
        self.file.write_text(json.dumps(list(map(list, moments))))
        self.file.chmod(0o644)

    def come(self) -> list[list[str]]:
        """The moments that came."""
        return [json.loads(line) for line in self._beside("landed").read_text().splitlines()]

    def wait(self, begun: Begun) -> None:
        """Wait until the runner is held at its moment. Raises NotSetUp where it never came there."""
        until(lambda: self._beside("landed").read_text() or begun.process.poll() is not None, RUN_S, "never came there")
        if not self.come():
            raise NotSetUp(f"its plan has no such step: {begun.end()}")

    def go(self) -> None:
        """Let the runner go on."""
        self._beside("go").touch()

    def losses(self) -> list[float]:
        """When runners noticed that a host was lost: seconds since 1970."""
        return [float(line) for line in self._beside("losses").read_text().split()]

    def _beside(self, end: str) -> Path:
        return self.file.with_name(f"{self.file.name}.{end}")


def kill_and_resume(
    one: Person, words: Sequence[str], moments: list[list[str]], file: Path, off: Sequence[str] = ()
) -> tuple[list[list[str]], Done]:
    """Run it, its runner killed at each of the moments in turn; the moments that came, and how it ended."""
    marks = Moments(file)
    marks.set(moments)
    victim = struck(one, file, off=off)
    landed: list[list[str]] = []
    done = victim("run", words[0], "staging", *sets(words), "--yes", timeout_s=RUN_S)
    run = begun_run(done)
    while True:
        now = marks.come()
        if len(now) == len(landed) or done.code != UNFINISHED:
            return now, done
        landed = now
        marks.leave([each for each in moments if each not in landed])
        done = victim("runs", "resume", run, "--yes", timeout_s=RUN_S)
        if done.code not in (0, 1, UNFINISHED):  # killed behind its last record: there was nothing to resume
            done = one("runs", "follow", run)


def begun_run(done: Done) -> str:
    """The id of the run that a command has begun. Raises NotSetUp where it began none."""
    found = re.search(r"^run (\S+) has begun", done.said, re.MULTILINE)
    if found is None:
        raise NotSetUp(str(done))
    return found[1]
