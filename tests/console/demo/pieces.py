"""The demo's processes by a fork: a program for the tests, which `quick` asks. It has imported what they run.

That they start as processes of their own is proved by tests/console/demo, and by every deploy of a test.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any

from console.demo import service, traffic
from console.stacks import proxy
from tests.console.runs import serving

MAINS = {"console.demo.service": service.main, "console.demo.traffic": traffic.main, "console.stacks.proxy": proxy.main}


def act(asked: dict[str, Any], passed: Sequence[int]) -> int:
    """One piece, its output into the descriptor that came with it."""
    for number in (1, 2):
        os.dup2(passed[0], number)
    os.close(passed[0])
    return MAINS[asked["module"]](asked["words"])


if __name__ == "__main__":
    sys.exit(serving.serve(act))
