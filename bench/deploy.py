"""A deploy by Quarterdeck beside a shell script that does the same Docker and SSH commands; needs the lab, and root.

Both bring the same releases live on the same host, alternating, with the images already there. The script (`deploy.sh`)
uses one OpenSSH connection and trusts what it sees: no plan, lock, journal or undo. What Quarterdeck takes longer
is its own share. Then the same over a line of 80 ms and 1 Mbit/s.
"""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from bench.tables import kept, show, spread
from tests.lab import lab as labs
from tests.lab.images import SERVICES
from tests.lab.lab import Lab, System
from tests.lab.person import Person
from tests.lab.prerequisites import missing
from tests.lab.routing_ml import profile
from tests.lab.slow_link import slow_link
from tests.lab.system import SMOKE_PASSWORD, SMOKE_USER

ROUNDS = 5
SLOW_ROUNDS = 3
BUDGET_S, BUDGET_SHARE = 1.0, 0.05
"""DESIGN section 7: the console's own share of a deploy is under 5 % or under 1 s."""
RELEASES = ("1.5.0", "1.1.0")
"""Two that run on the same schema; the smoke tests here do not look at the prediction that 1.5.0 gets wrong."""
SCRIPT = Path(__file__).with_name("deploy.sh")
ONLY_OURS = ("pull-rest", "prune")
"""Steps for which the script has no command: images of services beside ours, and what no retained release needs."""


def override(lab: Lab, release: str) -> str:
    """The script's own override file: images by digest, and a label, so that each deploy replaces every service."""
    lines = ["services:"]
    for service, digest in lab.digests(release).items():
        image = f"{lab.registry}/{service}@{digest}"
        lines += [f"  {service}:", f'    image: "{image}"', f'    labels: {{by-hand: "{time.time()}"}}']
    return "\n".join(lines) + "\n"


def by_script(lab: Lab, release: str, folder: Path, config: Path) -> float:
    """Seconds of one deploy by the script. Raises RuntimeError with what it said."""
    file, secret, control = folder / "override.yaml", folder / "login.json", folder / "control"
    file.write_text(override(lab, release))
    secret.touch(0o600)
    secret.write_text(json.dumps({"username": SMOKE_USER, "password": SMOKE_PASSWORD}))
    images = [f"{lab.registry}/{service}@{digest}" for service, digest in lab.digests(release).items()]
    began = time.perf_counter()
    done = subprocess.run(
        [str(SCRIPT), str(config), str(control), release, str(file), str(secret), *images],
        capture_output=True,
        text=True,
        timeout=300,
    )
    took = time.perf_counter() - began
    subprocess.run(
        ["ssh", "-F", str(config), "-o", f"ControlPath={control}", "-O", "exit", "lab1"], capture_output=True
    )
    if done.returncode:
        raise RuntimeError(f"the script failed: {done.stderr[-500:]}")
    return took


@dataclass(frozen=True)
class Ours:
    """Seconds of one deploy by Quarterdeck."""

    whole: float
    """From enter to the prompt."""
    run: float
    """From its creation to its ending."""
    steps: float
    more: float
    """Of the steps those that the script does not have."""


def by_us(one: Person, release: str) -> Ours:
    """One deploy. Raises RuntimeError with what it said."""
    done = one.run("deploy", "--json", candidate=release, timeout_s=300)
    if done.code:
        raise RuntimeError(str(done))
    shown = done.json
    took = {step["id"]: float(step["took_s"]) for step in shown["steps"] if step["took_s"]}
    more = sum(seconds for name, seconds in took.items() if name in ONLY_OURS)
    return Ours(done.took_s, float(shown["line"]["took_s"]), sum(took.values()), more)


def measure(lab: Lab, system: System, config: Path, rounds: int, folder: Path) -> None:
    """One table: ours and the script's, alternating."""
    # The ordinary durations: tests make ownership quicker, and a heartbeat every half second is not what people have.
    settings = {"QUARTERDECK_STATE_DIR": str(folder / "state"), "QUARTERDECK_TIMING_SCALE": "1"}
    one = Person(lab.operators["tester"], folder / "quarterdeck.yaml", settings)
    one.write(profile(lab, judges=False, host={"ssh_config": str(config)}))
    one.keep_secrets("smoke")
    for release in RELEASES:  # images there, retained and kept; the second one is live when the rounds begin
        if set(system.live().values()) != {release}:
            by_us(one, release)
    ours: list[Ours] = []
    theirs: list[float] = []
    for number in range(rounds):
        release = RELEASES[number % 2]
        ours.append(by_us(one, release))
        theirs.append(by_script(lab, release, folder, config))
        if set(system.live().values()) != {release}:
            raise RuntimeError(f"{release} is not live: {system.live()}")
    whole = [one.whole for one in ours]
    own = statistics.median(whole) - statistics.median(theirs)
    relative = own / statistics.median(theirs)
    budget = "kept" if relative <= BUDGET_SHARE else kept(own, BUDGET_S)
    show(
        ("deploy, images present", "seconds", "own share"),
        [
            ("script: the same commands, one OpenSSH connection", spread(theirs, digits=2), ""),
            (
                "quarterdeck run, from enter to the prompt",
                spread(whole, digits=2),
                f"{own:+.2f} s, {relative:+.0%}",
            ),
            (
                "  until the run is made: start, keyring, plan",
                spread([one.whole - one.run for one in ours], digits=2),
                "",
            ),
            ("  locks, second look, closing", spread([one.run - one.steps for one in ours], digits=2), ""),
            ("  steps that the script has too", spread([one.steps - one.more for one in ours], digits=2), ""),
            (f"  steps that it has not ({', '.join(ONLY_OURS)})", spread([one.more for one in ours], digits=2), ""),
            (f"budget: under {BUDGET_SHARE:.0%} or {BUDGET_S:g} s", "", budget),
        ],
    )


def main() -> None:
    """Print the tables. Raises RuntimeError without the lab's prerequisites."""
    wanting = missing()
    if wanting:
        raise RuntimeError(wanting)
    with labs.session():
        was_up = labs.attach() is not None
        lab = labs.up()
        folder = Path(tempfile.mkdtemp(prefix="qd-bench-deploy-"))
        try:
            lab.recover()
            lab.reset_operators()
            lab.clean_system("lab1")
            host = lab.host("lab1")
            with lab.database() as database:
                system = lab.install_system("lab1", database, "1.1.0")
                print(f"{len(SERVICES)} services, one host, migrations asked and found done")
                (folder / "near").mkdir()
                measure(lab, system, host.ssh_config, ROUNDS, folder / "near")
                with slow_link(host, folder) as link:
                    print("\nthe same over 80 ms and 1 Mbit/s")
                    (folder / "far").mkdir()
                    measure(lab, system, link.ssh_config, SLOW_ROUNDS, folder / "far")
                    print(f"bytes over the line: {link.sent} sent, {link.received} received, both ways of deploying")
        finally:
            lab.clean_system("lab1")
            shutil.rmtree(folder)
            if not was_up:
                labs.down()


if __name__ == "__main__":
    main()
