"""Read by Python before anything else where a lab test puts this folder on the path: strikes a runner at its moments.

The product reads no such setting; only a process that a test started with this folder on its PYTHONPATH gets here.
"""

import os
import sys

if os.environ.get("QUARTERDECK_TORTURE_MOMENTS") and "console.runner" in sys.orig_argv:
    from pathlib import Path

    from tests.torture.moments import install_first_of

    then, _, file = os.environ["QUARTERDECK_TORTURE_MOMENTS"].partition(" ")
    install_first_of(Path(file), then)
