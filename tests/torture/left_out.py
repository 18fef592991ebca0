"""`level` under the same kills: one of three hosts was left out of a deploy, and is brought to what the others run."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable
from pathlib import Path

from tests.lab.counted import services_started
from tests.lab.lab import Lab, LabHost
from tests.lab.person import Person, person
from tests.lab.places import HOSTS
from tests.lab.routing_ml import profile
from tests.torture.cells import NotSetUp, Result
from tests.torture.stage import RUN_S, kill_and_resume

LEVEL = "level"
SERVICE = "frontend-training"
COMPOSE = f"""\
name: one-service
services:
  {SERVICE}:
    image: given.by/quarterdeck
    volumes: ["effects:/effects"]
    healthcheck:
      test: ["CMD", "wget", "-q", "-O", "/dev/null", "http://127.0.0.1:80/health"]
      interval: 1s
volumes:
  effects: {{}}
"""
AWAY, OTHERS = HOSTS[0], HOSTS[1:]
CLOSING = (["before", "run.closing"], ["after", "run.closing"], ["after", "locks.removed"])


def level(lab: Lab, operator: str, file: Path, moments_of: Callable[[str], list[list[str]]]) -> Result:
    """One `level`, its runner killed at each boundary of each step; `moments_of`: those of a step."""
    hosts = {name: lab.host(name) for name in HOSTS}
    with contextlib.ExitStack() as held:
        for name, host in hosts.items():
            host.recover()
            lab.clean_system(name)
            held.callback(lab.clean_system, name)
            host.deploy("sh", "-c", "cat >docker-compose.yml", stdin=COMPOSE)
        one = _person(lab, operator)
        done = one.run("deploy", "--without", AWAY, candidate="1.0.0", timeout_s=RUN_S)
        if done.code:
            raise NotSetUp(str(done))
        shown = one("plan", "level", "staging", "--json").json
        moments = [words for step in shown["steps"] for words in moments_of(step["id"])] + list(map(list, CLOSING))
        told = {name: held.enter_context(host.container_starts()) for name, host in hosts.items()}
        landed, last = kill_and_resume(one, ("level",), moments, file)
        started = {name: sum(services_started(each).values()) for name, each in told.items()}
        wanted = {name: int(name == AWAY) for name in HOSTS}
        left = [name for name, host in hosts.items() if host.path("/opt/app/.quarterdeck/lock").exists()]
        digest = lab.digest(SERVICE, "1.0.0")
        wrong = [] if last.out.startswith("succeeded") else [f"ended otherwise: {last}"]
        wrong += [f"{name} runs {_runs(host)}" for name, host in hosts.items() if _runs(host) != [digest]]
        if any(host["behind"] for host in one("status", "--json").json["environments"][0]["hosts"]):
            wrong.append("it is still behind")
        if any(started[name] < wanted[name] for name in HOSTS):
            wrong.append(f"started {started}, not {wanted}")
        return Result(
            counts={"repeated": sum(max(0, started[name] - wanted[name]) for name in HOSTS), "left": len(left)},
            figures={"kills": len(landed), "boundaries": len(moments)},
            wrong="; ".join(wrong),
            note=f"started {started}, locks left {left}",
        )


def _person(lab: Lab, operator: str) -> Person:
    body = profile(lab, hosts=HOSTS, smoke=False)
    stack = body["environments"]["staging"]["stack"]
    for name in ("migrations", "env_file"):
        del stack[name]
    stack |= {"project": "one-service", "services": {SERVICE: {"deadline": "15s"}}}
    stack["images"] = {SERVICE: stack["images"][SERVICE]}
    who = lab.operators[operator]
    shutil.rmtree(who.home / ".local" / "state" / "quarterdeck", ignore_errors=True)
    return person(who, body)


def _runs(host: LabHost) -> list[str]:
    """Digests of the images whose containers run, as the host's engine says."""
    with contextlib.closing(host.engine()) as engine:
        images = [engine.inspect_image(one["ImageID"]) for one in engine.containers()]
    return [name.partition("@")[2] for image in images for name in image["RepoDigests"]]
