"""What an Op was given, as a plan shows it: short enough to be read, and nothing that decides left out."""

from __future__ import annotations

from console.hosts.command import Command
from console.runs.api import Op
from console.runs.shown import effect_text


def test_an_op_shows_its_commands_as_typed_and_what_is_false_and_nothing_that_is_empty() -> None:
    works = Command(argv=("/usr/local/sbin/works", "the app"), become="sudo")
    look = {"by": "command", "command": works.model_dump(mode="json"), "host": "db"}
    op = Op(
        name="rotate.accepts@1", args={"name": "jwt", "label": "previous", "look": look, "roles": [], "wanted": False}
    )
    assert effect_text(op) == (
        "rotate.accepts@1 label=previous look=(by=command command=[sudo -n /usr/local/sbin/works 'the app'] host=db) "
        "name=jwt wanted=false"
    )


def test_a_dictionary_that_only_looks_like_a_command_is_shown_as_it_is() -> None:
    op = Op(name="x.y@1", args={"odd": {"kind": "command", "argv": []}, "paths": ["a", "b c"], "n": 2})
    assert effect_text(op) == "x.y@1 n=2 odd=(kind=command) paths=a,'b c'"
