"""Pictures of screens, as text: see README.md."""

import pytest

pytest.register_assert_rewrite("tests.snapshots.snap")  # so that a failure shows what differs
