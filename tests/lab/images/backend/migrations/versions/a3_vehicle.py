"""Additive: a route may name a vehicle. Images that know only a1 and a2 are not disturbed."""

import sys

import sqlalchemy as sa
from alembic import op

sys.path.insert(0, "/app/migrations")
from effects import applied  # noqa: E402

revision = "a3"
down_revision = "a2"


def upgrade() -> None:
    op.add_column("routes", sa.Column("vehicle", sa.String(32), nullable=True))
    applied(revision)


def downgrade() -> None:
    op.drop_column("routes", "vehicle")
    applied(revision, "downgrade")
