"""`quarterdeck wake` on runs whose runner was killed: what was decided is brought to its end, no more than that."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from console.live.wake import Waker, Woken, alone
from console.runs import launch
from console.runs.client import Seen
from console.runs.model import INTERRUPTED
from tests.console.cli.program import Said, called
from tests.console.runs.world import World

pytestmark = pytest.mark.usefixtures("found")


class Nobody:
    """Nobody who could be asked for a passphrase."""

    def passphrase(self, asked: object) -> None:
        raise AssertionError("nothing here needs the keyring")


def killed(world: World, number: int, *kinds: str, **params: Any) -> str:
    """A run whose runner was killed right after its record of that number."""
    run = world.create(*kinds, **params)
    assert world.carry(run, "--die", "after", str(number)) == -9
    return run


def woken(world: World, **more: Any) -> list[Woken]:
    return Waker(world.records, world.places, Nobody(), print, grace_s=0.0).wake(60.0, **more)


def let_it_go_on(world: World) -> None:
    body = world.profile.dumped()
    body["environments"]["here"]["policy"]["wake"] = "go-on"
    world.records.remember("profile:world", body)


def test_a_change_is_left_to_a_person_and_that_it_was_looked_at_is_kept(world: World) -> None:
    run = killed(world, 6, "do", "do")
    [found] = woken(world)
    assert (found.run, found.next, found.state) == (run, None, "interrupted")
    assert "a person's to say" in found.why and found.can == ("resume", "undo", "leave")
    # The next step's intent is written with the end of this one, unless the machine has too much to do for that.
    assert world.effects() == ["do s1"] and world.kinds(run).count("step.done") == 1
    seen: Seen = world.runs.seen(run)
    assert seen.looked > seen.heard > 0


def test_with_its_policy_a_change_goes_on_and_nothing_is_done_twice(world: World) -> None:
    let_it_go_on(world)
    run = killed(world, 5, "do", "do")
    [found] = woken(world)
    assert (found.next, found.exit_code) == ("go on", 0), found
    assert world.effects() == ["do s1", "do s2"] and not world.locked()
    assert "woken" in [one.kind for one in world.records.read("audit")]
    assert woken(world) == [] and world.view(run).ending == "succeeded"


def test_an_undo_goes_on_and_an_end_is_written_down(world: World) -> None:
    undoing = killed(world, 10, "do", "break")
    assert world.kinds(undoing)[-1] == "undo.intent"
    [found] = woken(world)
    assert (found.next, found.state) == ("undo", "failed, undone")
    assert world.effects()[-1] == "undo s1" and not world.locked()
    closing = killed(world, 7, "do")
    assert world.kinds(closing)[-1] == "run.closing" and world.locked()
    [found] = woken(world)
    assert (found.run, found.next, found.exit_code) == (closing, "close", 0)
    assert not world.locked()


def test_a_run_that_comes_no_further_is_a_persons(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    run = killed(world, 10, "do", "break")
    monkeypatch.setattr(launch, "launch", lambda *more: subprocess.Popen(["false"]))
    tried = [woken(world)[0] for _ in range(3)]
    assert [one.next for one in tried] == [None, None, None]
    assert "ended before it had begun" in tried[0].why and "came no further" in tried[2].why
    assert world.kinds(run)[-1] == "undo.intent"


def test_a_host_that_does_not_let_us_in_costs_no_try(world: World) -> None:
    killed(world, 10, "do", "break")
    body = world.profile.dumped()
    body["hosts"]["one"] = {"name": "one", "address": "127.0.0.1", "port": 1, "user": "nobody"}
    world.records.remember("profile:world", body)
    for _ in range(3):
        [found] = woken(world)
        assert found.next is None and "127.0.0.1" in found.why
    world.records.remember("profile:world", world.profile.dumped())
    assert woken(world)[0].next == "undo"


def test_only_of_one_system_and_not_what_has_just_begun(world: World) -> None:
    killed(world, 6, "do", "do")
    assert woken(world, system="another") == []
    assert Waker(world.records, world.places, Nobody(), print, grace_s=60.0).wake(1.0) == []


def test_a_run_that_was_asked_to_stop_is_a_persons(world: World) -> None:
    let_it_go_on(world)
    run = killed(world, 6, "do", "do")
    world.records.append(run, INTERRUPTED, {"why": "It was asked to stop (SIGTERM).", "asked": True})
    assert woken(world)[0].why == "its runner was asked to stop"


def wake(capsys: pytest.CaptureFixture[str], *more: str) -> Said:
    return called(capsys, "wake", *more)


def test_at_the_command_line(world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Waker.__init__, "__defaults__", (0.0,))
    assert wake(capsys) == Said(0, "", ""), "nothing waits: not a word"
    run = killed(world, 6, "do", "do")
    said = wake(capsys)
    assert said.code == 6 and run in said.out and f"quarterdeck runs undo {run}" in said.out
    document = json.loads(wake(capsys, "--json").out)
    assert document["exit_code"] == 6 and document["runs"][0]["run"] == run and document["runs"][0]["next"] is None
    with alone(world.places):
        busy = wake(capsys)
        assert (busy.code, busy.out) == (0, "") and "Another" in busy.err
    world.records.append(run, "decision", {"choice": "leave", "who": "me@here"})
    said = wake(capsys)
    assert said.code == 0 and "cancelled, left" in said.out
    assert wake(capsys) == Said(0, "", "")


def test_what_it_advises_names_the_profile_of_the_run(
    world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A timer has no `-p` and no working directory; whoever types what it said has none either."""
    monkeypatch.setattr(Waker.__init__, "__defaults__", (0.0,))
    path = world.folder / "p.yaml"
    body = world.profile.model_dump(mode="json", exclude_none=True)
    path.write_text(json.dumps(body))
    for source, named in ((None, ""), ("demo", " -p demo"), ("", f" -p {path}")):
        if source is not None:
            made = {"path": str(path), "builtin": source or None, "files": [str(path)], "digest": "0" * 64}
            world.records.remember("profile:world", {**world.profile.dumped(), "source": made})
        run = killed(world, 6, "do", "do")
        said = wake(capsys)
        assert f"  - quarterdeck{named} runs undo {run}\n" in said.out
        assert json.loads(wake(capsys, "--json").out)["runs"][0]["profile"] == named.removeprefix(" -p ")
        if source == "":
            words = said.out.partition("  - quarterdeck ")[2].splitlines()[0].split()
            assert called(capsys, *words[:2], "runs", "show", run).code == 6, "it works as it was printed"
        world.records.append(run, "decision", {"choice": "leave", "who": "me@here"})
        assert wake(capsys).code == 0


def test_two_timers_do_not_meet(world: World) -> None:
    """Another process holds the lock; it is free as soon as that one has gone, however it went."""
    from console.live.wake import AtWork

    code = "import sys, time; from pathlib import Path; from console.live.wake import alone\n"
    code += "from console.store.places import places\nwith alone(places()):\n  print(1, flush=True); time.sleep(60)"
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None and child.stdout.readline() == "1\n"
    with pytest.raises(AtWork), alone(world.places):
        pass
    child.kill()
    child.wait(10)
    with alone(world.places):
        pass
