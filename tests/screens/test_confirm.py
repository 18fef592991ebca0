"""From form to run by keys: the default is No, production wants its name, a refusal is said."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

from console.runs.said import in_short
from console.session import AskFailed, Locked, StepShown
from screens.confirm import decided
from screens.entry import Entry
from screens.panes.output import OutputPane
from screens.plan import PlanScreen
from screens.run import RunScreen, _row
from tests.screens.driving import Driver, driven
from tests.screens.fixed import NOW, PRODUCTION, STAGING, FixedSession, plan


async def to_confirmation(console: Driver) -> None:
    await console.press("A", "d")
    await console.at("FormScreen")
    await console.shows("@staging")
    await console.type("1.5.0")
    await console.press("enter", "enter", "enter", "enter")
    await console.at("PlanScreen")
    await console.press("g")
    await console.at("ConfirmScreen")


def test_nothing_is_painted_behind_a_whole_screen() -> None:
    async def drive() -> None:
        async with driven(FixedSession()) as console:
            await to_confirmation(console)
            stack = console.app.screen_stack
            behind = {type(one).__name__: one.styles.background.a < 1 for one in stack}
            assert [name for name, through in behind.items() if through] == ["ConfirmScreen"], behind
            assert len(console.app._background_screens) == 1, "one of the three below is painted behind the question"
            await console.press("escape")
            await console.at("PlanScreen")

    asyncio.run(drive())


def test_enter_alone_is_no() -> None:
    async def drive() -> None:
        session = FixedSession()
        async with driven(session) as console:
            await to_confirmation(console)
            assert session.last("plan")[:3] == ("plan", "deploy", PRODUCTION)
            assert session.last("plan")[3] == {"candidate": "1.5.0", "strategy": "recreate", "migrate": "yes"}
            await console.press("enter")
            await console.at("PlanScreen")
            await console.shows("nothing was started")
            assert "start" not in session.names()

    asyncio.run(drive())


def test_escape_is_no() -> None:
    async def drive() -> None:
        session = FixedSession()
        async with driven(session) as console:
            await to_confirmation(console)
            await console.press("escape")
            await console.at("PlanScreen")
            assert "start" not in session.names()

    asyncio.run(drive())


def test_a_wrong_name_starts_nothing_and_says_so() -> None:
    async def drive() -> None:
        session = FixedSession()
        async with driven(session) as console:
            await to_confirmation(console)
            for wrong in ("yes", "y", "Production", "staging"):
                await console.type(wrong)
                await console.press("enter")
                await console.shows(f"That is not {PRODUCTION}")
            assert "start" not in session.names()

    asyncio.run(drive())


def test_the_name_typed_starts_the_run_with_its_reason_and_shows_it() -> None:
    async def drive() -> None:
        session = FixedSession()
        async with driven(session) as console:
            await to_confirmation(console)
            await console.press("shift+tab")
            await console.type("CHG-311")
            await console.press("enter")
            await console.type(PRODUCTION)
            await console.press("enter")
            await console.at("RunScreen")
            assert ("start", "4f1c9a2e77b0d3c5", "CHG-311") in session.asked
            await console.shows("Replace 3 services")
            await console.press("escape")
            await console.at("Dashboard")

    asyncio.run(drive())


def test_elsewhere_a_plain_yes_does() -> None:
    async def drive() -> None:
        session = FixedSession()
        async with driven(session, STAGING) as console:
            await to_confirmation(console)
            await console.type("yes")
            await console.press("enter")
            await console.at("RunScreen")

    asyncio.run(drive())


def test_a_run_made_elsewhere_is_answered_for_by_its_whole_plan() -> None:
    async def drive() -> None:
        session = FixedSession()
        session.shown["r-0042"] = session.shown["r-0042"]._replace(foreign=True)
        async with driven(session) as console:
            console.app.push_screen(RunScreen(console.app.bridge, PRODUCTION, "r-0042"))
            await console.at("RunScreen")
            await console.shows("Its runner died")
            for key in ("u", "r"):
                await console.press(key)
                await console.at("PlanScreen")
                await console.shows("This run was not made here.")
                await console.press("escape")
                await console.at("RunScreen")
            await console.press("r")
            await console.at("PlanScreen")
            await console.press("g")
            await console.at("ConfirmScreen")
            await console.shows("This run was not made here.")
            await console.type("yes")
            await console.press("enter")
            await console.shows("That is not production")
            assert "answer" not in session.names()
            await console.type(PRODUCTION)
            await console.press("enter")
            await console.at("RunScreen")
            assert ("answer", "r-0042", "resume", "4f1c9a2e77b0d3c5", "") in session.asked

    asyncio.run(drive())


def test_a_start_that_is_refused_is_said_with_the_way_out() -> None:
    async def drive() -> None:
        session = FixedSession()
        session.refuse["start"] = AskFailed("ben holds the lock since 02:10.", ["Wait, or ask ben."], 4)
        async with driven(session) as console:
            await to_confirmation(console)
            await console.type(PRODUCTION)
            await console.press("enter")
            await console.shows("ben holds the lock")
            await console.shows("ask ben")
            await console.at("PlanScreen")

    asyncio.run(drive())


def test_a_refused_plan_cannot_be_confirmed() -> None:
    async def drive() -> None:
        session = FixedSession()
        session.refusal = "production is locked by ada."
        async with driven(session) as console:
            await console.press("A", "d")
            await console.shows("@staging")
            await console.type("1.5.0")
            await console.press("enter", "enter", "enter", "enter")
            await console.at("PlanScreen")
            await console.shows("Not possible: production is locked by ada.")
            await console.press("g")
            assert type(console.app.screen).__name__ == "PlanScreen"

    asyncio.run(drive())


def test_a_required_field_that_is_empty_is_asked_for() -> None:
    async def drive() -> None:
        session = FixedSession()
        async with driven(session) as console:
            await console.press("A", "d")
            await console.shows("@staging")
            await console.press("enter", "enter", "enter", "enter")
            await console.shows("Candidate is needed.")
            assert "plan" not in session.names()
            await console.press("down")
            await console.shows("@staging")
            await console.press("enter", "enter", "enter", "enter")
            await console.at("PlanScreen")
            assert session.last("plan")[3]["candidate"] == "@staging"

    asyncio.run(drive())


def test_a_locked_keyring_is_unlocked_and_the_question_asked_again() -> None:
    async def drive() -> None:
        session = FixedSession()
        session.refuse["plan"] = Locked("The keyring is locked.")
        async with driven(session) as console:
            await console.press("A", "d")
            await console.shows("@staging")
            await console.type("1.5.0")
            await console.press("enter", "enter", "enter", "enter")
            await console.at("UnlockScreen")
            await console.type("wrong")
            assert "wrong" not in console.text, "a passphrase is masked"
            await console.press("enter")
            await console.shows("does not open the keyring")
            await console.type("open sesame")
            await console.press("enter")
            await console.at("PlanScreen")
            assert session.names().count("plan") == 2

    asyncio.run(drive())


def test_evidence_of_several_lines_is_one_line_in_the_list_of_steps() -> None:
    evidence = "web runs 1.5.0\nworker runs 1.5.0"
    step = StepShown("up", "Make it live", "web", "true", evidence=evidence, said=in_short(evidence), attempt=2)
    assert _row(step, 0.0).note == "attempt 2, web runs 1.5.0, worker runs 1.5.0"


def test_time_passes_only_for_a_step_that_works() -> None:
    step = StepShown("up", "Make it live", "web", "true", state="running", started=100.0)
    assert (_row(step, 107.5).state, _row(step, 107.5).elapsed_s) == ("running", 7.0)
    died = step._replace(state="unknown", said="it was under way when its runner was last heard of, at 14:02:11")
    assert (_row(died, 107.5).state, _row(died, 107.5).elapsed_s) == ("unknown", None)


def test_to_go_on_with_a_run_that_was_being_taken_back_is_to_finish_its_undo() -> None:
    async def drive() -> None:
        session = FixedSession()
        session.shown["r-0042"] = session.shown["r-0042"]._replace(undoing=True)
        async with driven(session) as console:
            console.app.push_screen(RunScreen(console.app.bridge, PRODUCTION, "r-0042"))
            await console.shows("r Resume")
            for key in "ru":
                await console.press(key)
                await console.shows("Finish the undo of Deploy 1.5.0-rc3?")
                await console.press("n")

    asyncio.run(drive())


def test_the_question_whether_to_undo_a_run_names_it_and_says_what_is_so_then() -> None:
    async def drive() -> None:
        session = FixedSession()
        session.shown["r-0042"] = session.shown["r-0042"]._replace(as_before="r1 (1.0.0) is live")
        async with driven(session) as console:
            console.app.push_screen(RunScreen(console.app.bridge, PRODUCTION, "r-0042"))
            await console.shows("u Undo the run")
            await console.press("u")
            await console.shows("Undo Deploy 1.5.0-rc3?")
            await console.shows("Then r1 (1.0.0) is live.")

    asyncio.run(drive())


def test_a_plan_of_a_run_that_was_being_taken_back_is_confirmed_as_its_undo() -> None:
    plan = FixedSession().plan("deploy", PRODUCTION, {})
    assert decided("resume", plan)[0] == "Resume"
    assert decided("resume", plan._replace(undoing=True))[0] == "Finish the undo"
    assert decided("leave", plan._replace(undoing=True))[0] == "Leave as it is"


def test_the_end_of_a_run_is_not_said_to_be_followed() -> None:
    async def drive() -> None:
        async with driven(FixedSession()) as console:
            console.app.push_screen(RunScreen(console.app.bridge, PRODUCTION, "r-0040"))
            await console.at("RunScreen")
            await console.shows("the end")
            assert "following" not in console.text
            await console.press("escape")
            console.app.push_screen(RunScreen(console.app.bridge, PRODUCTION, "r-0043"))
            await console.at("RunScreen")
            await console.shows("following")

    asyncio.run(drive())


def test_a_run_that_waits_for_a_person_is_not_over() -> None:
    async def drive() -> None:
        session = FixedSession()
        waiting = session.shown["r-0043"]
        line = waiting.line._replace(state="waiting for you", tone="warn")
        session.shown["r-0043"] = waiting._replace(line=line, question="Undo it, or leave it?", can=("undo",))
        session.listed = (*session.listed[2:], line)
        async with driven(session) as console:
            await console.shows("Deploy 1.5.0 waiting for you")  # the top line
            await console.press("w", "enter")  # the first of the list, although it is not the newest
            await console.at("RunScreen")
            await console.shows("Asks: Undo it, or leave it?")
            session.shown["r-0043"] = waiting._replace(line=line._replace(state="succeeded", tone="ok"))
            await console.shows("succeeded")  # answered by somebody else: the screen has gone on looking

    asyncio.run(drive())


def test_what_is_reported_hides_neither_the_end_of_the_output_nor_the_keys() -> None:
    async def drive() -> None:
        for size in ((80, 24), (100, 30)):
            async with driven(FixedSession(), size=size) as console:
                console.app.push_screen(RunScreen(console.app.bridge, PRODUCTION, "r-0043"))
                await console.at("RunScreen")
                await console.shows("frontend-training-1    Starting")
                console.screen.say("A sentence that is so long that it takes two lines. " * 2, "warn")
                await console.shows("A sentence that is so long")
                for words in ("frontend-training-1    Starting", "following", "? Help", "Healthy within 90 s"):
                    assert words in console.text, words

    asyncio.run(drive())


def test_an_agent_that_goes_with_the_login_is_typed_as_well() -> None:
    async def drive() -> None:
        session = FixedSession()
        session.bound = "lab1 is reached by a key that only an agent has, and it is forwarded."
        async with driven(session) as console:
            await to_confirmation(console)
            await console.shows("lab1 is reached")
            await console.type(PRODUCTION)
            await console.press("enter")
            await console.shows(f"That is not {PRODUCTION} session-bound")
            await console.type(f"{PRODUCTION} session-bound")
            await console.press("enter")
            await console.at("RunScreen")
            assert session.last("start")[-1] == "session-bound"

    asyncio.run(drive())


def test_the_same_is_asked_before_a_run_is_gone_on_with() -> None:
    async def drive() -> None:
        session = FixedSession()
        session.bound = "lab1 is reached by a key that only an agent has, and it is forwarded."
        async with driven(session) as console:
            console.app.push_screen(RunScreen(console.app.bridge, PRODUCTION, "r-0042"))
            await console.at("RunScreen")
            await console.shows("Its runner died")
            await console.press("r")
            await console.at("QuestionScreen")
            await console.press("y")
            await console.at("TypedScreen")
            await console.shows("lab1 is reached")
            await console.press("enter")
            await console.at("RunScreen")
            assert session.last("answer") == ("answer", "r-0042", "resume")
            await console.press("r")
            await console.at("QuestionScreen")
            await console.press("y")
            await console.at("TypedScreen")
            await console.type("session-bound")
            await console.press("enter")
            await console.until(lambda: session.last("answer")[-1] == "session-bound", "the answer")

    asyncio.run(drive())


def test_a_run_that_is_being_started_says_since_when_and_where_it_can_be_seen() -> None:
    async def drive() -> None:
        session = FixedSession()
        gate = session.hang("start")
        async with driven(session, size=(80, 24)) as console:
            console.app.push_screen(PlanScreen(console.app.bridge, plan(), answer=None))
            await console.at("PlanScreen")
            session.arm(PRODUCTION, True)
            await console.press("end", "g")
            await console.at("ConfirmScreen")
            await console.type(PRODUCTION)
            await console.press("enter")
            await console.at("PlanScreen")
            await console.shows("asked at 02:14:15")
            console.app.bridge.clock = lambda: NOW + 9
            console.screen.draw()
            await console.shows("asked at 02:14:15")
            gate.set()

    asyncio.run(drive())


def test_what_is_typed_before_the_form_is_read_is_kept_for_it() -> None:
    async def drive() -> None:
        session = FixedSession()
        gate = session.hang("form")
        async with driven(session) as console:
            await console.press("A", "d")
            await console.at("FormScreen")
            await console.type("1.5.0x")
            await console.press("backspace", *"-sick", "enter")
            assert type(console.app.screen).__name__ == "FormScreen"
            assert "shell" not in session.names()
            gate.set()
            await console.shows("@staging")
            await console.shows("1.5.0-sick")
            assert "plan" not in session.names(), "what was not seen is not sent"

    asyncio.run(drive())


def test_what_is_typed_until_the_first_field_really_has_the_focus_is_kept_too(monkeypatch: pytest.MonkeyPatch) -> None:
    async def drive() -> None:
        async with driven(FixedSession(), size=(80, 24)) as console:
            with monkeypatch.context() as late:
                late.setattr(Entry, "focus", lambda self, scroll_visible=True: self)  # it comes later than it is asked
                await console.press("A", "d")
                await console.at("FormScreen")
                await console.shows("Candidate *")
                await console.type("1.2.0-sick")
                assert type(console.app.screen).__name__ == "FormScreen"
            console.screen.query(Entry).first().focus()
            await console.shows("1.2.0-sick")

    asyncio.run(drive())


def test_a_run_that_is_undone_has_no_tick_and_another_steps_output_is_gone_at_once() -> None:
    async def drive() -> None:
        session = FixedSession()
        session.listed = (session.listed[0]._replace(state="undoing"), *session.listed[1:])
        async with driven(session) as console:
            await console.press("w")
            await console.shows("↶  undoing")
            console.app.push_screen(RunScreen(console.app.bridge, PRODUCTION, "r-0043"))
            await console.at("RunScreen")
            await console.shows("frontend-training-1    Starting")
            pane = console.screen.query_one(OutputPane)
            before = pane.view
            pane.begin("smoke", "of smoke")
            assert not before.display and pane.view is not before

    asyncio.run(drive())


def _asked(session: FixedSession, method: str) -> bool:
    return method in session.names()


def test_a_decision_that_cannot_be_made_now_says_so_and_is_not_in_the_key_line() -> None:
    async def drive() -> None:
        for run, keys, said in (
            ("r-0040", "curl", "not possible, it is over: failed, undone."),
            ("r-0043", "url", "not possible, running. Possible: Cancel the run."),
            ("r-0042", "c", "Cancel the run: not possible, interrupted. Possible: Undo the run, Resume, Leave"),
        ):
            session = FixedSession()
            async with driven(session) as console:
                console.app.push_screen(RunScreen(console.app.bridge, PRODUCTION, run))
                await console.at("RunScreen")
                await console.until(partial(_asked, session, "run"), "the run")
                await console.pilot.pause(0.1)
                assert not set(keys) & {row[1:2] for row in console.text.splitlines()[-1].split("   ")}
                for key in keys:
                    before = len(console.app.bridge.known.events)
                    await console.press(key)
                    assert said in console.app.bridge.known.events[-1].text, (run, key)
                    assert len(console.app.bridge.known.events) == before + 1
                assert type(console.screen).__name__ == "RunScreen"
                assert not {"cancel", "answer", "plan_of"} & set(session.names())

    asyncio.run(drive())


def test_what_a_run_asks_is_shown_with_the_keys_that_answer() -> None:
    async def drive() -> None:
        session = FixedSession()
        async with driven(session, size=(80, 24)) as console:
            console.app.push_screen(RunScreen(console.app.bridge, PRODUCTION, "r-0042"))
            await console.shows("u Undo the run   r Resume   l Leave as it is")
            assert console.text.count("l Leave as it is") == 2, "below the question and in the key line"

    asyncio.run(drive())


def test_why_a_run_is_taken_back_is_shown_while_it_is() -> None:
    async def drive() -> None:
        session = FixedSession()
        why = "smoke step predict: POST http://app/api/predict: $.confidence is 17.3 and should be at most 1"
        shown = session.shown["r-0043"]
        session.shown["r-0043"] = shown._replace(
            line=shown.line._replace(state="undoing"),
            steps=tuple(
                one._replace(state="failed" if at == 3 else "undoing", evidence=why, said=why)
                for at, one in enumerate(shown.steps)
            ),
            can=(),
        )
        async with driven(session, size=(160, 48)) as console:
            console.app.push_screen(RunScreen(console.app.bridge, PRODUCTION, "r-0043"))
            await console.shows(f"Failed at {shown.steps[3].title}: {why}")

    asyncio.run(drive())


def test_an_ending_that_the_title_says_already_is_not_said_again() -> None:
    async def drive() -> None:
        session = FixedSession()
        shown = session.shown["r-0039"]
        session.shown["r-0039"] = shown._replace(ending=f"succeeded: {shown.line.title}: done.")
        session.shown["r-0040"] = session.shown["r-0040"]._replace(ending="failed, undone: Failed at smoke.")
        async with driven(session) as console:
            console.app.push_screen(RunScreen(console.app.bridge, PRODUCTION, "r-0039"))
            await console.shows("took 1 min 01 s")
            assert "done." not in console.text and not console.app.screen.query_one("#ending").display
            await console.press("minus")
            console.app.push_screen(RunScreen(console.app.bridge, PRODUCTION, "r-0040"))
            await console.shows(" Failed at smoke.")
            assert "undone: Failed" not in console.text

    asyncio.run(drive())


def test_to_undo_a_run_that_is_over_production_is_typed_and_elsewhere_a_y_does() -> None:
    async def drive() -> None:
        for environment, keys in ((PRODUCTION, ("y", "enter")), (STAGING, ("n",))):
            session = FixedSession()
            run = "r-0039" if environment == PRODUCTION else "r-0038"
            session.shown[run] = session.shown[run]._replace(can=("undo",))
            async with driven(session, environment) as console:
                console.app.push_screen(RunScreen(console.app.bridge, environment, run))
                await console.shows("u Undo the run")
                await console.press("u")
                await console.at("TypedScreen" if environment == PRODUCTION else "QuestionScreen")
                await console.press(*keys)
                await console.at("RunScreen")
                assert "answer" not in session.names()
                await console.press("u")
                await console.at("TypedScreen" if environment == PRODUCTION else "QuestionScreen")
                await console.press(*((*PRODUCTION, "enter") if environment == PRODUCTION else ("y",)))
                await console.until(partial(_asked, session, "answer"), "the undo")

    asyncio.run(drive())
