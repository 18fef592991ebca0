"""The command line. `main` is the entry point; everything else is imported only when a command needs it."""

from __future__ import annotations

import gc
import os
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import NoReturn

from console import GARBAGE

PROGRAM = "quarterdeck"
COMPLETE = "_QUARTERDECK_COMPLETE"
"""Set where a shell asks click how words could go on."""


def main() -> None:
    """Run the command line and exit with its code (DESIGN section 5)."""
    gc.set_threshold(*GARBAGE)
    standard_streams()
    if sys.argv[1:] in (["--version"], ["-V"], ["version"]):
        from importlib.metadata import version

        sys.stdout.write(f"quarterdeck {version('quarterdeck')}\n")
        raise SystemExit(0)
    from console.text.writer import SafeWriter

    sys.stderr = safe = SafeWriter(sys.stderr)
    options = console_alone(sys.argv[1:], os.environ)
    if options is not None:
        from console.cli.edge import open_console

        leave(open_console(*options), safe.finish)
    from console.cli.group import run

    leave(run(sys.argv[1:]), safe.finish)


def leave(code: int, last_words: Callable[[], None]) -> NoReturn:
    """End the process with this code, after `last_words`.

    A thread that may hang (it asks a keyring, or a host) is a daemon, which an interpreter that is being taken down
    stops wherever it is. Inside the compiled part of pydantic that aborts the process ("exception not rethrown", or a
    segmentation fault; seen with pydantic-core 2.50 on Python 3.11): nothing is taken down under such a thread. Any
    other would be waited for, after Ctrl-C perhaps, and nobody wants its answer any more.
    """
    last_words()
    if threading.active_count() == 1:
        raise SystemExit(code)
    for stream in (sys.stdout, sys.__stderr__):
        with suppress(OSError, ValueError):  # nobody reads it any more
            if stream is not None:
                stream.flush()
    os._exit(code)


def console_alone(words: Sequence[str], environ: Mapping[str, str]) -> tuple[str | None, bool] | None:
    """Profile and read-only of `quarterdeck [-p PROFILE] [--read-only]`; None for any other words.

    The console is most often asked for in these words. They need no parser, and importing one costs 7 ms before the
    first paint.
    """
    profile, read_only, rest = None, False, list(words)
    if COMPLETE in environ:
        return None
    while rest:
        word = rest.pop(0)
        if word == "--read-only":
            read_only = True
        elif word in ("-p", "--profile") and rest and not rest[0].startswith("-"):
            profile = rest.pop(0)
        else:
            return None
    return profile, read_only


def standard_streams() -> None:
    """See that descriptors 0, 1 and 2 are open, and that whatever is printed can be.

    A closed one (`>&-`) would be given to the next file that is opened: the store, say, which a child of ours would
    then write its output to. A locale that has no arrow or ellipsis prints an escape for it instead of ending with a
    traceback.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest free number: this one
    if sys.stdout is None:
        sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115 - lives as long as the process
    if sys.stderr is None:
        sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")
