"""Fills in a template with secrets: in the runner at the moment of use, and where a file on a host is compared with it.

What comes out is as secret as what went in: it goes to standard input of a guarded command or into a fingerprint.
"""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote

from console.hosts.command import InputSecret, InputTemplate, InputText, TemplateSecret, TemplateValue
from console.text.envfile import CannotBeWritten, written

Fetch = Callable[[InputSecret], str]
"""Gives the value that is named: of a credential under its label, or one field of it; "" where it may be missing."""


def filled_in(template: InputTemplate, fetch: Fetch) -> str:
    """The text with the values in it. Raises CannotBeWritten, and what `fetch` raises."""
    return "".join(_filled(part, fetch) for part in template.parts)


def value_of(value: TemplateValue, fetch: Fetch) -> str:
    """One value of an environment file, not yet quoted. Raises what `fetch` raises."""
    return "".join(_filled(part, fetch) for part in value.parts)


def _filled(part: InputText | TemplateSecret | TemplateValue, fetch: Fetch) -> str:
    match part:
        case InputText(text=text):
            return text
        case TemplateValue(readers=readers):
            try:
                return written(value_of(part, fetch), readers)
            except CannotBeWritten as error:
                whose = ", ".join(one.shown for one in part.parts if isinstance(one, TemplateSecret)) or "a value"
                raise CannotBeWritten(f"{whose} cannot be written into the environment file: {error}.") from None
        case TemplateSecret():
            value = fetch(part)
            return quote(value, safe="") if part.encode == "url" else value
