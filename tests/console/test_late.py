"""A runner has imported all that an action imports late before its first change: no upgrade mixes two versions."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
LOADED = (
    "import json, sys; from console.assembly import op_handlers; from console.runner import everything; "
    "op_handlers(); everything().join(); print(json.dumps(sorted(sys.modules)))"
)


def late(tree: ast.AST) -> Iterator[str]:
    """Modules that functions import."""
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef):
            for node in ast.walk(function):
                if isinstance(node, ast.ImportFrom) and node.module:
                    yield node.module
                elif isinstance(node, ast.Import):
                    yield from (name.name for name in node.names)


def test_what_actions_import_late_is_there_before_the_first_change() -> None:
    wanted = {name for file in (ROOT / "actions").rglob("*.py") for name in late(ast.parse(file.read_text("utf-8")))}
    assert {"nacl.public", "cryptography.hazmat.primitives.serialization"} <= wanted
    words = [sys.executable, "-P", "-c", LOADED]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=True, cwd=ROOT)
    assert wanted - set(json.loads(done.stdout)) == set()
