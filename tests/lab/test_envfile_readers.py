"""What the console writes into an environment file is what Compose, Docker and a shell read out of it, for real."""

from __future__ import annotations

import json
import os
import pwd

from console.text.envfile import CannotBeWritten, written
from tests.console.text.test_envfile import ODD
from tests.lab.images import base_reference
from tests.lab.lab import System
from tests.lab.places import APP_DIRECTORY, DEPLOY_USER

FOLDER = f"{APP_DIRECTORY}/readers"
COMPOSE = "services:\n  one:\n    image: {image}\n    env_file: [{file}]\n"


def put(system: System, name: str, text: str) -> str:
    deploy = pwd.getpwnam(DEPLOY_USER)
    folder = system.host.path(FOLDER)
    folder.mkdir(exist_ok=True)
    os.chown(folder, deploy.pw_uid, deploy.pw_gid)
    file = folder / name
    file.write_text(text)
    os.chown(file, deploy.pw_uid, deploy.pw_gid)
    file.chmod(0o600)
    return f"{FOLDER}/{name}"


def test_every_reader_reads_back_what_was_written(system: System) -> None:
    image = base_reference(system.host.places)
    both = put(system, "both.env", "".join(f"K{n}={written(value)}\n" for n, value in enumerate(ODD)))
    put(system, "compose.yml", COMPOSE.format(image=image, file=both))
    compose = ("docker", "compose", "--project-directory", FOLDER, "--file", f"{FOLDER}/compose.yml")
    read = json.loads(system.host.deploy(*compose, "config", "--format", "json", cwd=FOLDER).stdout)
    found = {key: value.replace("$$", "$") for key, value in read["services"]["one"]["environment"].items()}
    assert found == {f"K{n}": value for n, value in enumerate(ODD)}

    # `docker compose --env-file`: the values that compose files are filled in with.
    put(
        system,
        "filled.yml",
        f"services:\n  one:\n    image: {image}\n    command: ['${{K4}}', '${{K9}}', '${{K13}}']\n",
    )
    filled = ("docker", "compose", "--project-directory", FOLDER, "--file", f"{FOLDER}/filled.yml", "--env-file", both)
    read = json.loads(system.host.deploy(*filled, "config", "--format", "json", cwd=FOLDER).stdout)
    assert [word.replace("$$", "$") for word in read["services"]["one"]["command"]] == [ODD[4], ODD[9], ODD[13]]

    # In a container that runs, and with `docker run --env-file`, for the values that all three can read.
    every = {}
    for number, value in enumerate(ODD):
        try:
            every[f"K{number}"] = written(value, ("compose", "shell", "docker"))
        except CannotBeWritten:
            continue
    assert len(every) >= 4
    plain = put(system, "every.env", "".join(f"{key}={value}\n" for key, value in every.items()))
    show = ("sh", "-c", "env | grep ^K | sort")
    docker = system.host.docker("run", "--rm", "--env-file", str(plain), image, *show).stdout
    shell = system.host.deploy("sh", "-c", f"set -a; . {plain}; env | grep ^K | sort", cwd=FOLDER).stdout
    assert docker == shell == "".join(f"{key}={value}\n" for key, value in sorted(every.items()))
    # The control: quotes are no quotes to `docker run`.
    quoted = put(system, "quoted.env", f"K={written('a b')}\n")
    assert system.host.docker("run", "--rm", "--env-file", quoted, image, *show).stdout == "K='a b'\n"
