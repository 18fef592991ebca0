"""A process that holds a secret leaves no image of its memory behind."""

from __future__ import annotations

import os
from typing import Final

_PR_SET_DUMPABLE: Final = 4  # <linux/prctl.h>
_done: set[bool] = set()


def no_core_dumps(*, of_children: bool = False) -> None:
    """From now on this process leaves no memory image: no core file, no attaching by others of the same user.

    On Linux PR_SET_DUMPABLE is 0, which a program that is started does not inherit: a shell that the console opens
    keeps the limits of its login. `of_children`: RLIMIT_CORE is 0 too, which is inherited. Where there is no such
    switch the limit is all there is. Cheap when it was done already.
    """
    if of_children in _done:
        return
    linux = os.uname().sysname == "Linux"
    if linux:
        import ctypes

        prctl = ctypes.CDLL(None, use_errno=True).prctl
        if prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl(PR_SET_DUMPABLE, 0) was refused")
    if of_children or not linux:
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _done.add(of_children)
