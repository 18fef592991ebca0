"""The texts of this program's own fixed scripts: a plan from elsewhere may bring others, which are to be read."""

from __future__ import annotations


def fixed_scripts() -> frozenset[str]:
    """Every script that a builder of this version hands to `sh -c`."""
    from console.stacks import around, envfile_scripts, process, process_scripts, release, scripts

    return frozenset(
        value
        for module in (scripts, around, process_scripts, envfile_scripts, release, process)
        for name, value in vars(module).items()
        if name.endswith("_SCRIPT") and isinstance(value, str)
    )
