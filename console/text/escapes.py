"""The grammar of terminal control sequences (ECMA-48, fifth edition, sections 5.3 to 5.6), once, as patterns.

The sanitiser (on text) removes what matches; the redactor (on bytes) looks through it, because a colour code can
split a secret in two. Both must agree on what a sequence is, so both build their patterns here.

One deliberate difference from a terminal: a line feed ends every sequence. A string control that nobody closes
could otherwise swallow the log lines of others that follow it.
"""

from __future__ import annotations

import re
from typing import Final

MAX_SEQUENCE: Final = 4096
"""Characters after which a string control (OSC, DCS, APC, PM, SOS) is no longer believed to be one."""

# Parameter bytes, intermediate bytes, final byte. The final byte may be missing: then the sequence is broken off
# (or, at the end of the data, unfinished).
_CSI_BODY: Final = r"[0-?]{0,256}[ -/]{0,16}[@-~]?"
# Up to ST, BEL or the limit. CAN, SUB, ESC and LF break it off and are not part of it.
_TEXT_BODY: Final = r"[^\x07\x0a\x18\x1a\x1b\x9c]{0,4096}(?:\x07|\x1b\\|\x9c)?"
# The same, counted in characters; U+009C is C2 9C.
_BYTE_BODY: Final = (
    r"(?:[\xc3-\xf4][\x80-\xbf]{1,3}|\xc2(?!\x9c)[\x80-\xbf]?|[^\x07\x0a\x18\x1a\x1b\xc2]){0,4096}"
    r"(?:\x07|\x1b\\|\xc2\x9c)?"
)
_NF_BODY: Final = r"[ -/]{0,16}[0-~]"

TEXT_SEQUENCE: Final = (
    rf"(?:\x1b\[|\x9b){_CSI_BODY}"
    rf"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f]){_TEXT_BODY}"
    rf"|\x1b{_NF_BODY}"
)
"""A whole or broken-off sequence in decoded text, with 8-bit C1 introducers as U+0080 to U+009F."""

BYTE_SEQUENCE: Final = re.compile(
    (
        rf"(?:\x1b\[|\xc2\x9b){_CSI_BODY}"
        rf"|(?:\x1b[\]PX^_]|\xc2[\x90\x98\x9d-\x9f]){_BYTE_BODY}"
        rf"|\x1b{_NF_BODY}"
        r"|\xef\xb8[\x8e\x8f]"  # presentation selectors, which the sanitiser drops as well
    ).encode("latin-1")
)
"""The same in UTF-8 bytes."""

COLOUR: Final = re.compile(rb"\x1b\[[0-9;]{0,64}[A-Za-z]")
"""Colour codes and their like, which are nearly all the sequences that there are: whole, and quick to find."""
C1_BYTES: Final = re.compile(rb"\xc2[\x80-\x9f]")
"""An 8-bit control character as UTF-8."""
SPLITS: Final = re.compile(rb"\xc2[\x90\x98\x9b\x9d-\x9f]|\xef\xb8[\x8e\x8f]")
"""What a sequence of BYTE_SEQUENCE begins with, ESC left out."""
