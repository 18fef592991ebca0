"""The lab by hand: python -m tests.lab up|down|status|purge."""

from __future__ import annotations

import argparse
import sys
import time

from tests.lab import lab
from tests.lab.places import places
from tests.lab.prerequisites import missing
from tests.lab.processes import LabError


def main() -> int:
    """Do one command and return its exit code: 0 done, 1 failed or not running, 2 something must be installed first."""
    parser = argparse.ArgumentParser(prog="python -m tests.lab", description=__doc__)
    parser.add_argument("command", choices=["up", "down", "status", "purge"])
    chosen = parser.parse_args().command
    wanting = missing()
    if wanting:
        print(wanting, file=sys.stderr)
        return 2
    began = time.monotonic()
    try:
        if chosen == "up":
            running = lab.attach()
            if running is None:
                with lab.session(wait_s=600):
                    running = lab.up()
            for what, seconds in running.timings.items():
                print(f"{seconds:6.2f} s  {what}")
            print(f"up in {time.monotonic() - began:.1f} s, in {places().folder}")
            print(f"ssh -F {running.host('lab1').ssh_config} lab1")
        elif chosen == "status":
            lines = lab.status()
            print("\n".join(lines))
            return 0 if lines[-1] == "this version" else 1
        else:
            with lab.session(wait_s=1):
                (lab.down if chosen == "down" else lab.purge)()
            print(f"{chosen} in {time.monotonic() - began:.1f} s")
    except LabError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
