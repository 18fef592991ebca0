"""What is wrong with a profile: all of it at once, each with file, line and column."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["Mark", "ProfileErrors", "ProfileProblem"]


@dataclass(frozen=True, slots=True, order=True)
class Mark:
    """A place in a file. Line and column count from 1; 0 where only the file is known."""

    file: str
    line: int = 0
    column: int = 0


@dataclass(frozen=True, slots=True, order=True)
class ProfileProblem:
    """One mistake: where, what, and what would be right. Neither text ever repeats a secret."""

    mark: Mark
    path: str
    """Keys from the top of the profile: `environments.staging.stack.services`; empty for the file as a whole."""
    wrong: str
    right: str = ""

    @property
    def file(self) -> str:
        """The file it is in."""
        return self.mark.file

    @property
    def line(self) -> int:
        """Its line, from 1; 0 where only the file is known."""
        return self.mark.line

    @property
    def column(self) -> int:
        """Its column in characters, from 1."""
        return self.mark.column

    def __str__(self) -> str:
        place = self.mark.file if not self.mark.line else f"{self.mark.file}:{self.mark.line}:{self.mark.column}"
        path = f"{self.path}: " if self.path else ""
        return f"{place}: {path}{self.wrong}" + (f" {self.right}" if self.right else "")


class ProfileErrors(Exception):
    """A profile cannot be used. Holds every mistake that was found; `str()` prints them as a compiler does."""

    exit_code = 2

    def __init__(self, problems: Iterable[ProfileProblem]) -> None:
        seen: dict[tuple[Mark, str, str], ProfileProblem] = {}
        for problem in problems:
            # One mistake in `defaults` shows in every environment; it is one mistake all the same.
            seen.setdefault((problem.mark, problem.wrong, problem.right), problem)
        self.problems: tuple[ProfileProblem, ...] = tuple(sorted(seen.values()))
        super().__init__(str(self))

    def __str__(self) -> str:
        count = len(self.problems)
        lines = [str(problem) for problem in self.problems]
        lines.append(f"{count} mistake{'' if count == 1 else 's'}; the profile is not used.")
        return "\n".join(lines)
