"""The timer that doctor prints: whole, quoted, and read by systemd itself where there is one."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from console.cli.timer import program, timer_text
from tests.console.cli.program import called


def units(text: str) -> dict[str, str]:
    """The unit files in it, by name."""
    found: dict[str, str] = {}
    name = ""
    for line in text.splitlines():
        if line.startswith("# ~/.config/systemd/user/"):
            name = line.rpartition("/")[2]
            found[name] = ""
        elif line.startswith(("# then", "# Or")):
            name = ""
        elif name:
            found[name] += f"{line}\n"
    return found


def test_words_that_need_it_are_quoted() -> None:
    text = timer_text(("/opt/100% $mine/quarterdeck",), "/srv/$x state")
    assert 'ExecStart="/opt/100%% $$mine/quarterdeck" wake' in text
    assert 'Environment="QUARTERDECK_STATE_DIR=/srv/$x state"' in text
    assert text.splitlines()[-1] == (
        "*/2 * * * * QUARTERDECK_STATE_DIR='/srv/$x state' '/opt/100\\% $mine/quarterdeck' wake"
    )
    assert "Environment" not in timer_text(("/usr/bin/quarterdeck",))


def test_the_program_is_called_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "quarterdeck").write_text("#!/bin/sh\n")
    (tmp_path / "quarterdeck").chmod(0o755)
    monkeypatch.chdir(tmp_path)
    assert program("./quarterdeck") == (str(tmp_path / "quarterdeck"),)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert program("quarterdeck") == (str(tmp_path / "quarterdeck"),)
    assert program("-c") == (str(tmp_path / "quarterdeck"),)


def test_doctor_prints_it(capsys: pytest.CaptureFixture[str], places: Path) -> None:
    said = called(capsys, "doctor", "--timer")
    assert said.code == 0 and set(units(said.out)) == {"quarterdeck-wake.service", "quarterdeck-wake.timer"}
    assert "a timer could: quarterdeck doctor --timer" in called(capsys, "doctor").out


def test_a_timer_that_was_asked_for_with_a_profile_names_it_from_anywhere(
    capsys: pytest.CaptureFixture[str], places: Path
) -> None:
    assert " wake" in called(capsys, "doctor", "--timer").out and " -p " not in called(capsys, "doctor", "--timer").out
    said = called(capsys, "-p", "demo", "doctor", "--timer")
    assert " -p demo wake\n" in units(said.out)["quarterdeck-wake.service"]
    assert " -p demo --passphrase-fd 3 wake " in said.out and said.out.endswith(" -p demo wake\n")
    (places / "own.yaml").write_text("system: s\n")
    said = called(capsys, "-p", "own.yaml", "doctor", "--timer")
    assert said.out.endswith(f" -p {places / 'own.yaml'} wake\n")
    assert called(capsys, "-p", "nothing.yaml", "doctor", "--timer").code == 2


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze: apt-get install systemd")
def test_systemd_takes_the_units(tmp_path: Path) -> None:
    for name, text in units(timer_text(("/bin/true",), "/srv/my state")).items():
        (tmp_path / name).write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "--user", "verify", *map(str, sorted(tmp_path.iterdir()))],
        capture_output=True,
        text=True,
        timeout=60,
        env={"PATH": "/usr/bin:/bin", "XDG_RUNTIME_DIR": str(tmp_path), "HOME": str(tmp_path)},
    )
    assert done.returncode == 0 and "quarterdeck" not in done.stderr, done.stderr
