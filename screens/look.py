"""The style sheet of the whole console; what only one screen needs stands with that screen, and is read with it.

Colours come from the theme; production has a red frame that is not the red of what is wrong.
"""

CSS = """
Screen { background: $background; color: $foreground; }
Entry { background: $panel; }
Toast { background: $panel; color: $foreground; max-width: 64; }
Page { height: 1fr; }
"""
