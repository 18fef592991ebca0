"""The outermost edge of the command line: nothing that is expected to go wrong leaves a traceback."""

from __future__ import annotations

from collections.abc import Callable

from console.cli.output import CANCELLED, UNFINISHED, Exit, end, redacted, told


def guarded(call: Callable[[], int], *, as_json: bool = False) -> int:
    """The exit code of `call`, or of what it raised; with `as_json` its sentence is the one document."""
    try:
        return call()
    except Exit as ended:
        return end(ended, as_json=as_json)
    except KeyboardInterrupt:
        return end(Exit(CANCELLED, "Interrupted."), as_json=as_json)
    except Exception as error:  # noqa: BLE001 - the outermost edge: what nobody expected is said as what it is
        return end(told(error) or _fault(error), as_json=as_json)


def open_console(profile: str | None, read_only: bool) -> int:
    """Open the console, on no environment in particular; the exit code."""

    def opened() -> int:
        from console.app import run_console

        return run_console(profile, None, read_only=read_only)

    return guarded(opened)


def _fault(error: Exception) -> Exit:
    """A mistake of ours: its trace for the report, and an exit code that claims nothing."""
    import traceback

    trace = redacted("".join(traceback.format_exception(error)))
    return Exit(
        UNFINISHED,
        f"{trace}This is a fault of Quarterdeck itself. A run that was begun goes on by itself.",
        ("look: quarterdeck runs", "report it with the lines above"),
    )
