"""The tables of docs/profile.md, made from the models, so that the document cannot say anything else.

python -m profiles.reference docs/profile.md     writes the part between the two marks anew
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from profiles.schema import schema

__all__ = ["BEGIN", "END", "document", "tables"]

BEGIN: Final = "<!-- made from the models: python -m profiles.reference docs/profile.md -->"
END: Final = "<!-- end of what is made from the models -->"

_PARTS: Final[tuple[tuple[str, str, str], ...]] = (
    ("", "The top of a profile", ""),
    ("Host", "hosts: NAME:", ""),
    ("Credential", "credentials: NAME:", ""),
    ("AuditSinks", "audit:", ""),
    ("Environment", "environments: NAME:", "`defaults:` takes the same keys, except `inherit`."),
    ("ComposeStack", "stack: (kind: compose)", ""),
    ("Service", "stack: services: NAME: (compose)", ""),
    ("Health", "health:", "May be one word: `container` or `none`."),
    ("Registry", "stack: registry:", ""),
    ("Migrations", "stack: migrations:", ""),
    ("ProcessStack", "stack: (kind: process)", ""),
    ("ProcessService", "stack: services: NAME: (process)", ""),
    ("Proxy", "stack: proxy:", ""),
    ("PortRange", "stack: ports:", ""),
    ("EnvironmentFile", "files: NAME:", ""),
    ("Feeds", "feeds:", ""),
    ("PrometheusFeed", "feeds: metrics: (kind: prometheus)", ""),
    ("ScrapeFeed", "feeds: metrics: (kind: scrape)", ""),
    ("ScrapeTarget", "feeds: metrics: targets: -", ""),
    ("DockerLogs", "feeds: logs: (kind: docker)", ""),
    ("FileLogs", "feeds: logs: (kind: files)", ""),
    ("LogFile", "feeds: logs: files: -", ""),
    ("AlertmanagerFeed", "feeds: alerts: (kind: alertmanager)", ""),
    ("Auth", "auth:", "Exactly one of the two."),
    ("Basic", "auth: basic:", ""),
    ("Panel", "panels: -", ""),
    ("Metric", "panels: - scrape:", ""),
    ("Thresholds", "panels: - thresholds:", ""),
    ("HttpProbe", "probes: NAME: (kind: http)", ""),
    ("CommandProbe", "probes: NAME: (kind: command)", ""),
    ("CommandExpect", "probes: NAME: expect: (kind: command)", ""),
    ("ComposeProbe", "probes: NAME: (kind: compose)", ""),
    ("SmokeStep", "smoke: -", ""),
    ("Expect", "expect:", ""),
    ("Match", "a value in expect: values:, poll: until:, poll: fail:", "A plain value means `value:`."),
    ("Poll", "smoke: - poll:", ""),
    ("Checklist", "checklists: -", ""),
    ("ReviewedCommand", "commands: NAME:", ""),
    ("CommandRotation", "rotations: NAME: (kind: command)", ""),
    ("DatabaseRotation", "rotations: NAME: (kind: database)", ""),
    ("JwtRotation", "rotations: NAME: (kind: jwt)", ""),
    ("JwtProbe", "rotations: NAME: probe: (kind: jwt)", ""),
    ("SshKeyRotation", "rotations: NAME: (kind: ssh-key)", ""),
    ("GrafanaRotation", "rotations: NAME: (kind: grafana)", ""),
    ("GithubRotation", "rotations: NAME: (kind: github)", ""),
    ("WebhookRotation", "rotations: NAME: (kind: webhook)", ""),
    ("Consumer", "rotations: NAME: consumers: NAME:", "At least one of `files`, `give`, `file`, `github`."),
    ("Spoken", "works:, accept:, refuse:, give:", "A list of words alone means `argv:`."),
    ("GithubSecret", "rotations: NAME: consumers: NAME: github:", ""),
    ("Policy", "policy:", ""),
    ("SecretName", "{secret: NAME}", ""),
)
_NEEDED: Final[Mapping[str, tuple[str, ...]]] = {
    "": ("system", "hosts", "environments"),
    "Environment": ("hosts", "directory", "stack"),
}


def tables() -> str:
    """Markdown: one table for each part of a profile."""
    made = schema()
    parts: dict[str, Mapping[str, Any]] = {**made["$defs"], "": made}
    lines: list[str] = []
    for name, heading, note in _PARTS:
        part = parts[name]
        part = part["anyOf"][0] if "anyOf" in part else part
        lines += [f"### `{heading}`" if name else f"### {heading}", ""]
        said = " ".join(text for text in (_first(part.get("description", "")) if name else "", note) if text)
        lines += [said, ""] if said else []
        lines += ["| key | value | default | meaning |", "|---|---|---|---|"]
        needed = _NEEDED.get(name, tuple(part.get("required", ())))
        for key, field in part["properties"].items():
            default = "**needed**" if key in needed else _default(field)
            meaning = field.get("description") or _first(parts.get(_target(field), {}).get("description", ""))
            lines.append(f"| `{key}` | {_kind(field)} | {default} | {_cell(meaning)} |")
        lines.append("")
    return "\n".join(lines)


def document(text: str) -> str:
    """The document with the part between the marks made anew. Raises ValueError where a mark is missing."""
    head, begin, rest = text.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the document has no place for the tables: it needs {BEGIN} and {END}")
    return f"{head}{BEGIN}\n\n{tables()}\n{END}{tail}"


def _first(description: str) -> str:
    """The first paragraph; the rest of a docstring is for those who write code."""
    return " ".join(description.partition("\n\n")[0].split())


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _target(field: Mapping[str, Any]) -> str:
    return str(field.get("$ref", "")).rsplit("/", 1)[-1]


def _default(field: Mapping[str, Any]) -> str:
    value = field.get("default")
    if value is None or value in ("", [], {}):
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"`[{', '.join(str(each) for each in value)}]`"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


def _kind(field: Mapping[str, Any]) -> str:
    """A short word for what may stand there."""
    choices = [each for each in field.get("anyOf", ()) if each.get("type") != "null"]
    if {each.get("type") for each in choices} == {"number", "string"}:
        return "duration"
    if len(choices) == 1:
        return _kind(choices[0])
    if "enum" in field:
        return _cell(" | ".join(str(each) for each in field["enum"]))
    if "const" in field:
        return str(field["const"])
    if "oneOf" in field or choices:
        tags = field.get("discriminator", {}).get("mapping", {})
        return f"mapping ({' | '.join(tags)})".replace("|", "\\|") if tags else "text or {secret: NAME}"
    if "$ref" in field:
        return "{secret: NAME}" if _target(field) == "SecretName" else "mapping"
    words = {"string": "text", "integer": "number", "number": "number", "boolean": "true, false", "array": "list"}
    return words.get(str(field.get("type", "")), "mapping" if field.get("type") == "object" else "any JSON")


if __name__ == "__main__":
    for name in sys.argv[1:]:
        path = Path(name)
        path.write_text(document(path.read_text("utf-8")), "utf-8")
