"""Every migration leaves a row, so that the database itself counts how often each was applied."""

import os
import time

from alembic import op
from sqlalchemy import text


def applied(revision: str, direction: str = "upgrade") -> None:
    """Record one application; MIGRATION_DELAY (seconds) keeps it busy so that a test can interrupt it."""
    op.execute(
        text("INSERT INTO migration_effects (revision, direction, release) VALUES (:revision, :direction, :release)")
        .bindparams(revision=revision, direction=direction, release=os.environ.get("RELEASE", ""))
    )
    time.sleep(float(os.environ.get("MIGRATION_DELAY") or 0))
