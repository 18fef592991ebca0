"""Runs from the command line, with real runners on the demo: followed, detached, interrupted, confirmed, undone."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import time
from pathlib import Path

from console.demo.control import DemoSystem
from tests.console.cli.program import PROGRAM, Terminal, quarterdeck

RESTART = ("-p", "demo", "run", "restart", "staging", "--set", "service=frontend-training")
DEPLOY = ("-p", "demo", "run", "deploy", "staging", "--set", "candidate=1.1.0")


def only_run() -> str:
    runs = json.loads(quarterdeck("-p", "demo", "runs", "--json").out)
    assert len(runs) == 1
    return str(runs[0]["id"])


def test_run_follow_show_undo(demo: DemoSystem) -> None:
    said = quarterdeck(*DEPLOY, "--yes", "--reason", "because")
    assert said.code == 0 and "smoke" in said.err and "succeeded" in said.out
    run = only_run()
    again = quarterdeck("-p", "demo", "runs", "follow", run)
    assert again.code == 0 and "smoke" in again.err and "succeeded" in again.out, "all of a run that has ended"
    shown = json.loads(quarterdeck("-p", "demo", "runs", "show", run, "--json").out)
    assert shown["exit_code"] == 0 and shown["reason"] == "because" and shown["can"] == ["undo"]
    said = quarterdeck("-p", "demo", "runs", "undo", run)
    assert said.code == 4 and "no terminal" in said.err and "--yes" in said.err
    assert "Once what it did is taken back, in reverse, r1 (1.0.0), never verified, is live." in said.err
    said = quarterdeck("-p", "demo", "runs", "undo", run, "--yes", "--json")
    assert said.code == 0 and json.loads(said.out)["line"]["state"] == "undone"
    assert quarterdeck("-p", "demo", "audit", "verify").code == 0


def test_a_release_that_fails_its_smoke_test_ends_with_one_and_is_undone(demo: DemoSystem) -> None:
    said = quarterdeck("-p", "demo", "run", "deploy", "staging", "--set", "candidate=1.3.0-smoke", "--yes", "--json")
    assert said.code == 1
    document = json.loads(said.out)
    assert document["line"]["state"] == "failed, undone" and document["exit_code"] == 1
    assert quarterdeck("-p", "demo", "runs", "show", document["line"]["id"]).code == 1
    status = json.loads(quarterdeck("-p", "demo", "status", "staging", "--json").out)
    assert status["environments"][0]["release"] == "1.0.0"


def test_where_the_plan_is_another_the_command_that_shows_it_works_as_it_is_printed(demo: DemoSystem) -> None:
    said = quarterdeck(*RESTART, "--yes", "--expect", "0" * 64)
    way = next(line for line in said.err.splitlines() if "look at it: " in line).partition("look at it: quarterdeck ")[
        2
    ]
    assert said.code == 4 and way == "-p demo plan restart staging --set service=frontend-training"
    assert quarterdeck(*way.split()).code == 0


def test_detached_is_unfinished_and_goes_on(demo: DemoSystem) -> None:
    said = quarterdeck(*RESTART, "--yes", "--detach", "--json")
    assert said.code == 6
    run = json.loads(said.out)["run"]
    assert quarterdeck("-p", "demo", "runs", "follow", run).code == 0


def test_production_runs_only_with_its_name_or_with_reason_and_digest(demo: DemoSystem) -> None:
    words = ("-p", "demo", "run", "restart", "production", "--set", "service=backend")
    said = quarterdeck(*words, "--yes")
    assert said.code == 4 and "--reason and --expect" in said.err
    digest = said.err.split("the digest of this plan is ")[1].strip()
    assert quarterdeck(*words, "--yes", "--reason", "x").code == 4
    assert quarterdeck(*words, "--yes", "--expect", digest).code == 4
    assert quarterdeck(*words, "--yes", "--reason", " ", "--expect", digest).code == 4
    with Terminal(*words) as terminal:
        terminal.expect("Type production to run this in production")
        terminal.type("y\n")
        assert terminal.ended() == 4 and "nothing was changed" in terminal.seen
    assert quarterdeck("-p", "demo", "runs").out == "No runs yet.\n"
    assert quarterdeck(*words, "--yes", "--reason", "x", "--expect", digest[:12]).code == 0
    with Terminal(*words) as terminal:
        terminal.expect("Type production to run this in production")
        terminal.type("production\n")
        assert terminal.ended() == 0 and "succeeded" in terminal.seen


def test_elsewhere_a_yes_is_enough_and_the_default_is_no(demo: DemoSystem) -> None:
    with Terminal(*RESTART) as terminal:
        terminal.expect("Run this? [y/N]")
        terminal.type("\n")
        assert terminal.ended() == 4
    with Terminal(*RESTART) as terminal:
        terminal.expect("Run this? [y/N]")
        terminal.type("\x04")
        assert terminal.ended() == 130
    with Terminal(*RESTART) as terminal:
        terminal.expect("Run this? [y/N]")
        terminal.type("\x03")
        assert terminal.ended() == 130
    assert quarterdeck("-p", "demo", "runs").out == "No runs yet.\n"
    with Terminal(*RESTART) as terminal:
        terminal.expect("Run this? [y/N]")
        terminal.type("y\n")
        assert terminal.ended() == 0


def test_the_question_reaches_the_person_though_everything_is_redirected(demo: DemoSystem, tmp_path: Path) -> None:
    # Descriptor 3 keeps the terminal open: a pseudo-terminal that nobody has open is taken for one that hung up.
    script = f'exec "$@" 3<>/dev/tty </dev/null >{tmp_path}/out 2>{tmp_path}/err'
    with Terminal("-c", script, "sh", *PROGRAM, *RESTART, program=("/bin/sh",)) as terminal:
        terminal.expect("Run this? [y/N]")
        terminal.type("n\n")
        assert terminal.ended() == 4
    assert "Not confirmed" in (tmp_path / "err").read_text()


def test_a_run_made_elsewhere_is_confirmed_like_a_new_one(demo: DemoSystem, tmp_path: Path) -> None:
    words = ("-p", "demo", "run", "deploy", "production", "--set", "candidate=1.0.0")
    digest = quarterdeck(*words, "--yes").err.split("the digest of this plan is ")[1].split()[0]
    assert quarterdeck(*words, "--yes", "--reason", "x", "--expect", digest).code == 0
    run = only_run()
    elsewhere = {"env": {**os.environ, "QUARTERDECK_STATE_DIR": str(tmp_path / "elsewhere")}}
    undo = ("-p", "demo", "runs", "undo", run)
    for more in (("--yes", "--reason", "y"), ("--yes", "--expect", digest)):
        said = quarterdeck(*undo, *more, **elsewhere)
        assert said.code == 4 and "--reason and --expect" in said.err and digest in said.err
    said = quarterdeck(*undo, "--yes", "--reason", "y", "--expect", "0" * 64, **elsewhere)
    assert said.code == 4 and "not the one you expected" in said.err
    said = quarterdeck(*undo, **elsewhere)  # no terminal: the plan is shown whole, and nothing done
    assert said.code == 4 and "was not made here" in said.err and "no terminal" in said.err
    assert f"digest {digest}" in said.err and "undo:" in said.err
    assert json.loads(quarterdeck("-p", "demo", "runs", "show", run, "--json").out)["line"]["state"] == "succeeded"
    said = quarterdeck(*undo, "--yes", "--reason", "y", "--expect", digest[:12], **elsewhere)
    assert said.code == 0, said
    shown = json.loads(quarterdeck("-p", "demo", "runs", "show", run, "--json", **elsewhere).out)
    assert shown["line"]["state"] == "undone"


def test_ctrl_c_asks_first_then_leaves_the_run_alone(demo: DemoSystem) -> None:
    with Terminal(*DEPLOY, "--yes") as terminal:
        terminal.expect("has begun")
        terminal.type("\x03")
        terminal.expect("Cancel the run?")
        terminal.type("\x03")
        assert terminal.ended() == 6 and "The run goes on" in terminal.seen
    assert quarterdeck("-p", "demo", "runs", "follow", only_run()).code == 0


def test_ctrl_c_and_u_cancels_and_undoes(demo: DemoSystem) -> None:
    with Terminal(*DEPLOY, "--yes") as terminal:
        terminal.expect("has begun")
        terminal.type("\x03")
        terminal.expect("Cancel the run?")
        terminal.type("u\n")
        terminal.expect("asked it to stop")
        code = terminal.ended()
    assert code == 130, terminal.seen  # at the next boundary, and without another question
    state = json.loads(quarterdeck("-p", "demo", "runs", "show", only_run(), "--json").out)
    assert state["line"]["state"] == "cancelled, undone"


def test_ctrl_c_of_somebody_who_only_follows_asks_nothing(demo: DemoSystem) -> None:
    assert quarterdeck(*DEPLOY, "--yes", "--detach").code == 6
    run = only_run()
    with Terminal("-p", "demo", "runs", "follow", run) as terminal:
        terminal.expect("running")
        terminal.type("\x03")
        assert terminal.ended() == 6 and "Cancel" not in terminal.seen
    assert quarterdeck("-p", "demo", "runs", "follow", run).code == 0


def test_interrupted_without_a_terminal_it_leaves_one_document(demo: DemoSystem) -> None:
    child = subprocess.Popen(
        [*PROGRAM, *DEPLOY, "--yes", "--json"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert child.stderr is not None
    while "has begun" not in child.stderr.readline():
        assert child.poll() is None
    child.send_signal(signal.SIGINT)
    out, _ = child.communicate(timeout=30)
    assert child.returncode == 6
    run = json.loads(out)["line"]["id"]
    assert quarterdeck("-p", "demo", "runs", "follow", run).code == 0


def test_audit_verify_names_the_first_bad_record(demo: DemoSystem, own_places: Path) -> None:
    for reason in ("one", "two", "three"):
        assert quarterdeck("-p", "demo", "lock", "staging", "--reason", reason).code == 0
        assert quarterdeck("-p", "demo", "unlock", "staging").code == 0
    said = quarterdeck("audit", "verify")
    assert (said.code, said.out) == (0, "6 records, 0 checkpoints, every chain is whole.\n")
    store = own_places / ".local/state/quarterdeck/store.sqlite3"
    changes = {
        "UPDATE record SET body = replace(body, 'two', 'six') WHERE seq = 3": "record 3 of audit: its content was",
        "UPDATE record SET body = '{' WHERE seq = 4": "record 4 of audit: its content was changed, it is no JSON",
        "UPDATE record SET at = at + 1 WHERE seq = 5": "record 5 of audit was changed",
        "DELETE FROM record WHERE seq = 2": "record 3 of audit: record 2 is missing before it",
        "UPDATE record SET prev_hash = 'x' WHERE seq = 6": "record 6 of audit does not follow",
    }
    whole = store.read_bytes()
    for statement, sentence in changes.items():
        with sqlite3.connect(store) as connection:
            assert connection.execute(statement).rowcount == 1
        connection.close()
        said = quarterdeck("audit", "verify")
        assert said.code == 3 and sentence in said.err and "NOT whole" in said.out, (statement, said)
        document = json.loads(quarterdeck("audit", "verify", "--json").out)
        assert sentence in document["broken"][0]
        store.write_bytes(whole)
    assert quarterdeck("audit", "verify").code == 0


def test_ctrl_c_while_looking_is_130_and_one_document(demo: DemoSystem) -> None:
    pid = next(piece.pid for piece in demo.status().pieces if piece.name == "staging/backend")
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    try:
        child = subprocess.Popen(
            [*PROGRAM, "-p", "demo", "status", "--json"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        time.sleep(0.7)  # not for synchronisation: any moment will do, and most of it is the look at what hangs
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=30)
    finally:
        os.kill(pid, signal.SIGCONT)
    assert child.returncode == 130 and "Traceback" not in err
    assert json.loads(out)["exit_code"] == 130
