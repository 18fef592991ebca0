"""What is reported stands below the frame for a while: how much of it, so that it never takes the screen.

The newest is always there: it may be the answer to a key. Of what stood there before, what is bad stays longest. All of
it is kept in the list of reports (`n`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from textual.app import App
    from textual.notifications import Notification, Notifications
    from textual.screen import Screen

LINES_EACH = 12
"""Lines of the terminal for each report that is shown: two at a height of 24."""
SHARE = 0.4
"""Of the terminal's height at most, as in `screens.look`."""


def make_room(app: App[Any], shown: Notifications, new: Notification) -> None:
    """Take away what says the same as `new`, and what is too much beside it at the terminal's height."""
    gone = [one for one in shown if (one.message, one.title) == (new.message, new.title)]
    order = sorted(shown, key=lambda one: (one.severity == "error", one.raised_at), reverse=True)
    kept = max(app.size.height // LINES_EACH, 1) - 1
    gone += [one for one in order if one not in gone][kept:]
    for one in gone:
        del shown[one]
    holders = {f"--textual-toast-{one.identity}" for one in gone}
    for screen in app.screen_stack:  # Textual would leave the line that it stood on
        for holder in screen.query("ToastHolder"):
            if holder.id in holders:
                holder.remove()


def lines_taken(screen: Screen[object]) -> int:
    """Lines that reports take from this screen."""
    return min(sum(one.outer_size.height for one in screen.query("Toast")), int(screen.size.height * SHARE))
