"""The strip of environments where there are more of them than there is room for."""

from __future__ import annotations

from console.watch.views import EnvironmentView
from screens.strip import EnvironmentStrip
from screens.widgets.words import width_of
from tests.screens.widgets.hosting import shown


def test_of_many_environments_the_shown_one_and_the_bad_one_are_never_left_out() -> None:
    views = [
        EnvironmentView(f"env-{n:02d}", "", False, "", state="bad" if n == 17 else "ok", word="") for n in range(30)
    ]
    for width in (80, 50, 36):
        strip = EnvironmentStrip()
        strip.show(views, "env-29", {})
        row = shown(strip, size=(width, 1))[0]
        assert "▌env-29 ✓" in row and "env-17 ✗" in row, row
        assert " more ✓" in row and width_of(row) <= width, row
    views[3] = views[3]._replace(state="bad")
    strip = EnvironmentStrip()
    strip.show(views, "env-29", {})
    row = shown(strip, size=(24, 1))[0]
    assert "env-29" in row and row.endswith("more ✗"), row
