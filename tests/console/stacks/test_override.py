"""The override file: a YAML reader understands it as it was meant, whatever stands in it."""

from __future__ import annotations

import yaml

from console.stacks.override import override_text


def test_the_whole_text() -> None:
    text = override_text(
        "staging", "r7", {"web": "r.example/web@sha256:1", "api": "r.example/api@sha256:2"}, {"web": "r5"}
    )
    assert text == (
        "# Written by Quarterdeck for release r7 of staging. It is read together with the compose\n"
        "# files beside it, and never changed: the next release has its own.\n"
        "services:\n"
        '  "api":\n'
        '    image: "r.example/api@sha256:2"\n'
        "    labels:\n"
        '      quarterdeck.environment: "staging"\n'
        '      quarterdeck.release: "r7"\n'
        '  "web":\n'
        '    image: "r.example/web@sha256:1"\n'
        "    labels:\n"
        '      quarterdeck.environment: "staging"\n'
        '      quarterdeck.release: "r5"\n'
    )


def test_strange_names_stay_what_they_are_and_dollars_are_not_filled_in() -> None:
    names = {"on": "a", "1.0": "b", 'quo"te': "c", "ümlaut: #": "$HOME"}
    read = yaml.safe_load(override_text("no", "r1", names, {}))
    assert {name: body["image"] for name, body in read["services"].items()} == {**names, "ümlaut: #": "$$HOME"}
    assert read["services"]["on"]["labels"] == {"quarterdeck.environment": "no", "quarterdeck.release": "r1"}
