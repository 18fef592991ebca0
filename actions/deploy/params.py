"""What a deploy is asked for."""

from __future__ import annotations

import re

from pydantic import Field, field_validator

from console.runs.api import Params

_TAG = re.compile(r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$")
_AT = re.compile(r"^@[a-z0-9][a-z0-9._-]{0,62}$")
_DIGESTS = re.compile(
    r"^[a-z0-9][a-z0-9._-]{0,62}=sha256:[0-9a-f]{64}(,[a-z0-9][a-z0-9._-]{0,62}=sha256:[0-9a-f]{64})*$"
)


class DeployParams(Params):
    """`candidate`: a tag, `@ENVIRONMENT` (what is live and verified there), or digests `service=sha256:…,…`."""

    candidate: str = Field(
        title="Candidate",
        description="A tag; @staging for what staging has verified; or service=sha256:… for each service.",
    )
    services: tuple[str, ...] = Field(
        default=(), title="Services", description="Only these services; the others stay. Empty: all."
    )

    @field_validator("candidate")
    @classmethod
    def _candidate(cls, value: str) -> str:
        value = value.strip()
        if not (_TAG.fullmatch(value) or _AT.fullmatch(value) or _DIGESTS.fullmatch(value)):
            raise ValueError(
                f"{value!r} is no candidate: give a tag (1.4.0), @staging, or service=sha256:<64 hex digits>,…"
            )
        return value

    @field_validator("services", mode="before")
    @classmethod
    def _services(cls, value: object) -> object:
        """`--set services=a,b` comes as one text."""
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @property
    def digests(self) -> dict[str, str]:
        """Service to digest, where the candidate is such a list."""
        if not _DIGESTS.fullmatch(self.candidate):
            return {}
        return dict(pair.split("=", 1) for pair in self.candidate.split(","))

    @property
    def source(self) -> str | None:
        """The environment that an `@` candidate names."""
        return self.candidate[1:] if _AT.fullmatch(self.candidate) else None
