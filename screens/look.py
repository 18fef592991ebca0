"""The style sheet of the whole console; what only one screen needs stands with that screen, and is read with it.

Colours come from the theme; production has a red frame that is not the red of what is wrong.

What is reported (Textual's toasts) stands below the frame, which gives up a line for it as long as it is there: on a
layer of their own toasts would hide the newest line of a log, or the end of a run's output.
"""

CSS = """
Screen { background: $background; color: $foreground; }
Entry { background: $panel; }
ToastRack { layer: default; margin: 0; max-height: 40%; scrollbar-size: 0 0; }
Toast { width: 1fr; max-width: 100%; margin: 0; padding: 0 1; background: $panel; color: $foreground; }
Page { height: 1fr; }
"""
