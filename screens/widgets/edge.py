"""What the first and the last line of the frame have in common: in production both are red, and close the frame."""

from __future__ import annotations

from screens.widgets.lines import LinesWidget


class EdgeLine(LinesWidget):
    """One line that is red in production. On 16 colours everything on it is bright white then."""

    OWN_TONES = True
    DEFAULT_CSS = """
    EdgeLine {
        height: 1;
        background: $panel;
        &.-production { background: $error 30%; }
        &.-production:light { background: $error 16%; }
        &.-production:ansi { background: ansi_red; color: ansi_bright_white; }
        &.-production:ansi > .tone--key { color: ansi_bright_white; }
        &.-production:ansi > .tone--dim { color: ansi_bright_white; text-style: none; }
        &.-production:ansi > .tone--accent { color: ansi_bright_white; }
        &.-production:ansi > .tone--warn { color: ansi_bright_white; text-style: bold; }
        &.-production:ansi > .tone--unknown { color: ansi_bright_white; text-style: italic; }
    }
    """
