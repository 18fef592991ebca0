"""The first schema: routes, predictions, and the table that counts migrations."""

import sys

import sqlalchemy as sa
from alembic import op

sys.path.insert(0, "/app/migrations")
from effects import applied  # noqa: E402

revision = "a1"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "migration_effects",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("revision", sa.String(32), nullable=False),
        sa.Column("direction", sa.String(16), nullable=False),
        sa.Column("release", sa.String(32), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.func.now()),
    )
    routes = op.create_table(
        "routes",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("origin", sa.String(64), nullable=False),
        sa.Column("destination", sa.String(64), nullable=False),
        sa.Column("minutes", sa.Float, nullable=False),
    )
    op.create_table(
        "predictions",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("route", sa.Integer, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.func.now()),
    )
    op.bulk_insert(
        routes,
        [
            {"origin": "depot", "destination": "harbour", "minutes": 42.0},
            {"origin": "depot", "destination": "airport", "minutes": 27.5},
            {"origin": "harbour", "destination": "airport", "minutes": 18.0},
        ],
    )
    applied(revision)


def downgrade() -> None:
    for table in ("predictions", "routes", "migration_effects"):
        op.drop_table(table)
