"""Modules that a library imports and we never use: loaded by whoever first looks into one."""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any

UNUSED = ("invoke",)
"""paramiko's, for `Match exec` in its own reader of ssh configurations, which is not used here (`ssh -G` is asked): a
third of the time that importing paramiko takes."""


class Later(ModuleType):
    """Stands for a module until something of it is used; then the module itself takes its place."""

    def __getattr__(self, name: str) -> Any:
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        return getattr(import_module(self.__name__), name)


def put_off(names: tuple[str, ...] = UNUSED) -> None:
    """From now on importing one of them costs next to nothing until something of it is used."""
    for name in names:
        spec = find_spec(name) if name not in sys.modules else None
        if spec is not None:
            later = Later(name)
            later.__spec__, later.__file__ = spec, spec.origin
            sys.modules[name] = later
