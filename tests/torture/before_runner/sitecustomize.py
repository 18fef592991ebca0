"""Read by Python before anything else where a lab test puts this folder on the path: strikes a runner at its moments.

The product reads no such setting; only a process that a test started with this folder on its PYTHONPATH gets here.
"""

import os
import sys

if os.environ.get("QUARTERDECK_TORTURE_MOMENTS") and "console.runner" in sys.orig_argv:
    from pathlib import Path

    from tests.torture import moments

    then, file, *guards = os.environ["QUARTERDECK_TORTURE_MOMENTS"].split(" ")
    moments.note_losses(Path(f"{file}.losses"))
    for guard in guards:
        moments.off(guard)
    moments.install_first_of(Path(file), then)
