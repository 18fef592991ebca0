"""The last look at a text before a terminal draws it: nothing in it steers the terminal, hides, or turns words round.

What comes from outside was made safe where it was read (`console.text.sanitise`). Here everything is looked at once
more that a widget draws, a toast says or the console prints when it ends, whoever made it: a door that was forgotten
below costs nothing here. Cheap to import and to call: the sanitiser is fetched for what it has to mend only.
"""

from __future__ import annotations

import re
from typing import Final

_UNSEEN: Final = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
"""What Python calls printable and nobody can see: fillers and variation selectors."""


def is_visible(text: str) -> bool:
    """Whether a line may be drawn as it is."""
    return text.isprintable() and (text.isascii() or not _UNSEEN.search(text))


def visible_line(text: str) -> str:
    """One line that may be drawn: `text` itself nearly always; line feeds and tabs become something else."""
    if is_visible(text):
        return text
    from console.text.sanitise import clean

    return clean(text)


def visible(text: str) -> str:
    """A text of several lines that may be drawn; its line feeds stay."""
    return text if is_visible(text) else "\n".join(map(visible_line, text.split("\n")))
