"""Environment files written as root in a directory of an account that is not trusted like root: the service's own."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from console.hosts.command import InputTemplate
from console.hosts.template import filled_in
from console.stacks import envfile_scripts, envfiles
from tests.console.hosts.sshd import poll
from tests.console.stacks.test_envfiles import SHELLS, fetch, look, run, template

SERVICE = 65534
MARK = ".quarterdeck-new"

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root is fooled into what only root may do")

NAIVE = r"""
i=0
while [ $i -lt 20 ]; do
  rm -f -- "$1/..env.quarterdeck-new"
  printf 'JWT=1\n' | awk '{ print }' >"$1/..env.quarterdeck-new" && mv -f -- "$1/..env.quarterdeck-new" "$1/.env"
  i=$((i + 1))
done
"""
"""How it was once written: aside under a name that can be told beforehand."""

ATTACK = """
import os, sys
folder, victim = sys.argv[1:]
os.chdir(folder)
open("begun", "w").close()
n = 0
while True:
    for name in [*(one for one in os.listdir(".") if one.startswith("..env.quarterdeck-new.")), ".env"]:
        n += 1
        try:
            os.rename(name, f"taken{n}")
            os.symlink(victim if name != ".env" else victim + "/.env", name)
        except OSError:
            pass
    try:
        os.symlink(victim + "/.env", "..env.quarterdeck-new")
    except OSError:
        pass
"""
"""Whatever is made aside is taken away at once, with a link in its place."""


@dataclass(frozen=True)
class Place:
    """A directory of the service, and one of root's with a file of the same name in it."""

    folder: Path
    root: Path

    @property
    def env(self) -> Path:
        return self.folder / ".env"

    def aside(self) -> list[str]:
        return [one.name for one in self.folder.iterdir() if MARK in one.name]

    def unharmed(self) -> bool:
        file = self.root / ".env"
        seen = file.lstat()
        whole = (file.read_text(), seen.st_uid, stat.S_IMODE(seen.st_mode)) == ("ROOT=1\n", 0, 0o600)
        return whole and [one.name for one in self.root.iterdir()] == [".env"] and self.root.stat().st_uid == 0


@pytest.fixture
def place() -> Iterator[Place]:
    with tempfile.TemporaryDirectory() as made:  # the service can enter every folder above it
        Path(made).chmod(0o755)
        found = Place(Path(made) / "app", Path(made) / "root")
        found.folder.mkdir()
        os.chown(found.folder, SERVICE, SERVICE)
        found.root.mkdir(mode=0o700)
        (found.root / ".env").write_text("ROOT=1\n")
        (found.root / ".env").chmod(0o600)
        yield found


@pytest.fixture(params=SHELLS)
def shell(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@contextmanager
def attacked(place: Place) -> Iterator[None]:
    words = ["setpriv", "--reuid", str(SERVICE), "--regid", str(SERVICE), "--clear-groups", "--"]
    words += [sys.executable, "-c", ATTACK, str(place.folder), str(place.root)]
    attacker = subprocess.Popen(words)
    try:
        assert poll(lambda: (place.folder / "begun").exists())
        yield
    finally:
        attacker.kill()
        attacker.wait(10)


def test_the_attack_is_one(place: Place) -> None:
    """Control: a script that writes aside under a known name, by path, has root write where the link leads."""
    with attacked(place):
        subprocess.run(["sh", "-c", NAIVE, "naive", str(place.folder)], timeout=20, check=False)
    assert not place.unharmed()


def test_root_writes_nowhere_else_while_links_are_swapped(place: Place, shell: str) -> None:
    files = [template(place.env, owner="nobody")]
    with attacked(place):
        for _ in range(15):
            done = run(envfiles.write(files, "one"), shell)
            assert done.returncode in (0, 1)
            if done.returncode:
                assert "Nothing was changed" in done.stderr or "could not be" in done.stderr, done.stderr
    assert place.unharmed()


def swapped(where: Path, becomes: str) -> dict[str, str]:
    """A `mktemp` whose directory is another thing by the time that it returns."""
    script = where / "mktemp"
    real = shutil.which("mktemp")
    script.write_text(f'#!/bin/sh\nmade=$({real} "$@")\nmv "$made" taken\n{becomes}\nprintf "%s\\n" "$made"\n')
    script.chmod(0o755)
    return {"PATH": f"{where}:{os.environ['PATH']}"}


@pytest.mark.parametrize(
    "becomes",
    [
        'ln -s ../root "$made"',
        'ln -s ../empty "$made"',
        'mv kept "$made"',
        'mkdir -m 700 "$made" && chown 65534 "$made"',
        'mkdir "$made" && chmod 777 "$made"',
    ],
)
def test_what_is_entered_is_what_was_made(place: Place, tmp_path: Path, shell: str, becomes: str) -> None:
    place.root.with_name("empty").mkdir(mode=0o700)
    (place.folder / "kept").mkdir(mode=0o700)  # root's own, with something in it
    (place.folder / "kept" / ".env").write_text("KEPT=1\n")
    place.env.write_text("A=1\n")
    done = run(envfiles.write([template(place.env)], "one"), shell, **swapped(tmp_path, becomes))
    assert done.returncode == 1 and "exchanged meanwhile" in done.stderr
    assert place.env.read_text() == "A=1\n" and place.unharmed()
    assert list(place.root.with_name("empty").iterdir()) == []
    kept = place.folder / "kept" / ".env"
    found = [kept] if kept.exists() else [place.folder / name / ".env" for name in place.aside()]
    assert found[0].read_text() == "KEPT=1\n"


def test_what_a_killed_run_left_is_removed_and_nothing_else(place: Place, shell: str) -> None:
    ours, foreign, link = (place.folder / f"..env{MARK}.{end}" for end in ("aaaaaa", "bbbbbb", "cccccc"))
    for folder in (ours, foreign):
        folder.mkdir(mode=0o700)
        (folder / ".env").write_text("JWT=secret\n")
    os.chown(foreign, SERVICE, SERVICE)
    link.symlink_to(place.root)
    (place.folder / f"..env{MARK}").write_text("JWT=secret\n")  # as versions before wrote it
    assert run(envfiles.write([template(place.env)], "one"), shell).returncode == 0
    assert sorted(place.aside()) == [foreign.name, link.name]
    assert (foreign / ".env").exists() and place.unharmed()


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_write_that_is_interrupted_leaves_no_secret(place: Place, shell: str, how: signal.Signals) -> None:
    place.env.write_text("A=1\n")
    command = envfiles.write([template(place.env)], "one")
    script = command.argv[2].replace('section "$1" >"$new"', 'section "$1" >"$new"; sleep 20')
    assert script != command.argv[2] and isinstance(command.stdin, InputTemplate)
    words = ["busybox", "sh"] if shell == "busybox" else [shell]
    process = subprocess.Popen(
        [*words, "-c", script, *command.argv[3:]], stdin=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stdin is not None
    process.stdin.write(filled_in(command.stdin, fetch))
    process.stdin.close()
    assert poll(lambda: any(one.stat().st_size for one in place.folder.glob(f"..env{MARK}.*/.env")))
    os.killpg(process.pid, how)
    assert process.wait(10) != 0
    if how == signal.SIGKILL:  # nothing can be done at once; the next write does it
        assert place.aside()
        assert run(envfiles.write([template(place.env)], "one"), shell).returncode == 0
    else:
        assert poll(lambda: not place.aside()) and place.env.read_text() == "A=1\n"
    assert place.aside() == []


def test_a_directory_that_gives_its_group_to_what_is_made_in_it(place: Place, shell: str) -> None:
    place.folder.chmod(0o2775)
    assert run(envfiles.write([template(place.env)], "one"), shell).returncode == 0
    assert place.env.exists() and place.aside() == []


def test_no_file_is_kept_through_a_link(place: Place, tmp_path: Path, shell: str) -> None:
    """An undo would give it to the owner of the link."""
    state = tmp_path / "state"
    secret = place.root / ".env"
    fingerprint = look([template(secret)], shell)["env"].fingerprint
    place.env.symlink_to(secret)
    done = run(envfiles.keep(str(state), [(template(place.env), fingerprint)]), shell)
    assert done.returncode == 1 and "is a symbolic link" in done.stderr
    assert list(state.iterdir()) == []


def test_the_state_of_another_account_is_not_gone_by(place: Place, tmp_path: Path, shell: str) -> None:
    """It could have root put back what that account names. That of the account that deploys is trusted."""
    state = tmp_path / "state"
    place.env.write_text("A=1\n")
    fingerprint = look([template(place.env)], shell)["env"].fingerprint
    files = [template(place.env)]
    assert run(envfiles.keep(str(state), [(files[0], fingerprint)]), shell).returncode == 0
    os.chown(state, SERVICE, SERVICE)
    for command in (
        envfiles.keep(str(state), [(files[0], fingerprint)]),
        envfiles.restore(str(state), files, [], "one"),
        envfiles.forget(str(state)),
    ):
        done = run(command, shell)
        assert done.returncode == 1 and "is not the account that deploys" in done.stderr
    assert (state / "kept" / "env.text").exists()
    sudo = {"SUDO_UID": str(SERVICE), "SUDO_GID": str(SERVICE)}
    assert run(envfiles.write(files, "one"), shell, **sudo).returncode == 0
    assert run(envfiles.restore(str(state), files, [], "one"), shell, **sudo).returncode == 0
    assert place.env.read_text() == "A=1\n"


@pytest.mark.parametrize("name", [name for name in vars(envfile_scripts) if name.endswith("_SCRIPT")])
def test_the_scripts_are_clean(name: str) -> None:
    """shellcheck's word, where it is installed; SC2317 is about functions of the shared part that a script leaves."""
    text = getattr(envfile_scripts, name)
    subprocess.run(["sh", "-n", "-c", text], check=True)
    program = shutil.which("shellcheck")
    if program is not None:
        words = [program, "-s", "sh", "-e", "SC2317", "-"]
        done = subprocess.run(words, input=text, text=True, capture_output=True, check=False)
        assert done.returncode == 0, done.stdout
