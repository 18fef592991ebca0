"""Additive: a prediction may carry a confidence. Images that know only a1 are not disturbed."""

import sys

import sqlalchemy as sa
from alembic import op

sys.path.insert(0, "/app/migrations")
from effects import applied  # noqa: E402

revision = "a2"
down_revision = "a1"


def upgrade() -> None:
    op.add_column("predictions", sa.Column("confidence", sa.Float, nullable=True))
    applied(revision)


def downgrade() -> None:
    op.drop_column("predictions", "confidence")
    applied(revision, "downgrade")
