"""Breaking: routes.minutes becomes routes.duration_minutes. Older images cannot read the table any more."""

import sys

from alembic import op

sys.path.insert(0, "/app/migrations")
from effects import applied  # noqa: E402

revision = "b4"
down_revision = "a3"


def upgrade() -> None:
    op.alter_column("routes", "minutes", new_column_name="duration_minutes")
    applied(revision)


def downgrade() -> None:
    op.alter_column("routes", "duration_minutes", new_column_name="minutes")
    applied(revision, "downgrade")
