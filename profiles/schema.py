"""The JSON schema of a profile file, for editors: `quarterdeck profile schema`."""

from __future__ import annotations

from typing import Any

__all__ = ["schema"]


def schema() -> dict[str, Any]:
    """JSON schema (draft 2020-12) of the file, that is with `extends`, `defaults`, `variables` and `inherit`.

    What `defaults` or a base profile may supply is not required of an environment here; the loader requires it of the
    complete profile.
    """
    from profiles.models import Profile

    made: dict[str, Any] = Profile.model_json_schema()
    definitions = made["$defs"]
    environment = definitions["Environment"]
    environment.pop("required", None)
    for name in ("Host", "Environment", "EnvironmentFile", "Credential", "Service", "ProcessService"):
        definitions[name]["properties"].pop("name", None)
    definitions["ReviewedCommand"]["properties"].pop("name", None)
    definitions["EnvironmentFile"]["properties"].pop("entries", None)
    for name in ("FileValue", "FileSecret", "FileVariable"):
        definitions.pop(name, None)
    for name in ("HttpProbe", "CommandProbe", "ComposeProbe"):
        definitions[name]["properties"].pop("name", None)
    for name, definition in definitions.items():
        if name == "Consumer" or name.endswith("Rotation"):
            definition["properties"].pop("name", None)
    definitions["Spoken"] = {"anyOf": [definitions["Spoken"], {"type": "array", "items": {"type": "string"}}]}
    definitions.pop("Source", None)
    defaults = {**environment, "properties": dict(environment["properties"]), "title": "Defaults"}
    defaults["description"] = "What every environment has, unless it says something else."
    definitions["Defaults"] = defaults
    environment["properties"]["inherit"] = {
        "type": "boolean",
        "default": True,
        "description": "False: this environment takes nothing from `defaults`.",
    }
    definitions["Health"] = {"anyOf": [definitions["Health"], {"enum": ["container", "none"]}]}
    properties = made["properties"]
    properties.pop("source", None)
    made["properties"] = {
        "extends": {"type": "string", "description": "A built-in profile's name, or a file: this one is laid over it."},
        "variables": {
            "type": "object",
            "additionalProperties": {"type": ["string", "number", "null"]},
            "description": "Texts that stand for {name} everywhere in the file.",
        },
        **properties,
        "defaults": {"$ref": "#/$defs/Defaults"},
    }
    made.pop("required", None)
    made["title"] = "Quarterdeck profile"
    made["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    return made
