"""Environment files on a host: written, looked at and put back, by the scripts as they are, in a real shell."""

from __future__ import annotations

import os
import stat
import subprocess
import tempfile
from pathlib import Path

import pytest

from console.hosts.command import Command, InputSecret, InputTemplate, InputText, TemplateSecret
from console.hosts.template import filled_in, value_of
from console.stacks import envfiles
from console.stacks.envfiles import ABSENT, FileTemplate, HostName, Line
from console.text.secret import labelled

SHELLS = [shell for shell in ("dash", "bash", "busybox") if any(Path(p, shell).exists() for p in ("/bin", "/usr/bin"))]
VALUES = {"jwt": "s3cret-$HOME 'no' \\x".replace("'", '"'), "db": "p@ss/w:rd", "jwt#previous": "older one"}


def fetch(one: InputSecret) -> str:
    return VALUES[labelled(one.name, one.label)]


@pytest.fixture(params=SHELLS)
def shell(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def run(command: Command, shell: str = "dash", **more: str) -> subprocess.CompletedProcess[str]:
    words = list(command.argv)
    if words[0] == "sh":
        words[:1] = ["busybox", "sh"] if shell == "busybox" else [shell]
    match command.stdin:
        case InputTemplate() as template:
            given = filled_in(template, fetch)
        case InputText(text=text):
            given = text
        case _:
            given = ""
    return subprocess.run(
        words, input=given, capture_output=True, text=True, timeout=20, check=False, env={**os.environ, **more}
    )


def digests(file: FileTemplate, host: str, nonce: str) -> dict[str, str]:
    """What a look prints of a file that is as its template has it."""
    values = {line.key: value_of(line.value(host, file.readers), fetch) for line in file.lines}
    return {key: envfiles.digest_in(nonce, key, value) for key, value in values.items()}


def template(path: Path, **more: object) -> FileTemplate:
    lines = (
        Line(key="LOG", parts=(InputText(text="info and more"),)),
        Line(key="HOST", parts=(HostName(),)),
        Line(key="JWT", parts=(TemplateSecret(name="jwt"),)),
        Line(
            key="URL",
            parts=(
                InputText(text="postgres://a:"),
                TemplateSecret(name="db", encode="url"),
                InputText(text="@db/x"),
            ),
        ),
        Line(key="EMPTY"),
    )
    return FileTemplate(name="env", path=str(path), lines=lines).model_copy(update=more)


def look(files: list[FileTemplate], shell: str) -> dict[str, envfiles.FileSeen]:
    result = run(envfiles.look(files, "n0nce"), shell)
    assert result.returncode == 0, result.stderr
    for value in VALUES.values():
        assert value not in result.stdout
    return envfiles.seen(result.stdout)


def differing(file: FileTemplate, seen: envfiles.FileSeen) -> set[str]:
    wanted = digests(file, "one", "n0nce")
    return {key for key in {*wanted, *seen.keys} if wanted.get(key) != seen.keys.get(key)}


def test_what_is_written_is_read_back_as_the_same(tmp_path: Path, shell: str) -> None:
    path = tmp_path / ".env"
    file = template(path)
    assert not look([file], shell)["env"].there
    done = run(envfiles.write([file], "one", "with jwt 0123"), shell)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    assert done.stdout == f"{path} is written: 5 settings\nwith jwt 0123\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_text().splitlines()[:2] == ["LOG='info and more'", "HOST=one"]
    seen = look([file], shell)["env"]
    assert (seen.there, seen.mode, seen.problem, seen.placeholders) == (True, "0600", "", ())
    assert differing(file, seen) == set()
    assert run(envfiles.written([file], "one"), shell).returncode == 0
    assert [each.name for each in tmp_path.iterdir()] == [".env"]
    # Control: a value that is another one, one that is missing, and one too many are seen as such.
    path.write_text(path.read_text().replace("info", "warn").replace("EMPTY=\n", "") + "EXTRA=1\n")
    assert differing(file, look([file], shell)["env"]) == {"LOG", "EMPTY", "EXTRA"}
    assert run(envfiles.written([file], "one"), shell).returncode == 1
    path.chmod(0o644)
    assert look([file], shell)["env"].mode == "0644"


def test_a_file_written_by_hand_is_understood(tmp_path: Path, shell: str) -> None:
    path = tmp_path / ".env"
    path.write_text(
        "# JWT=no\n\nexport LOG = \"info and more\"\nHOST=one # the host\nJWT=changeme\nURL='x\nPEM==\n'\n"
        "TODO=todo\nWORD=<the word>\n"
    )
    file = template(path)
    seen = look([file], shell)["env"]
    assert list(seen.keys) == ["LOG", "HOST", "JWT", "URL", "TODO", "WORD"]
    assert seen.placeholders == ("JWT", "TODO", "WORD")
    assert seen.keys["URL"] == ""
    assert differing(file, seen) == {"JWT", "URL", "EMPTY", "TODO", "WORD"}


@pytest.mark.parametrize("value", ["'quoted", '"all of it"', "a #b", "it's $HOME \\"])
def test_what_docker_alone_reads_has_no_quotes_and_no_comments(tmp_path: Path, shell: str, value: str) -> None:
    path = tmp_path / ".env"
    lines = (Line(key="ODD", parts=(InputText(text=value),)), Line(key="LOG", parts=(InputText(text="x"),)))
    file = template(path, lines=lines, readers=("docker",))
    assert run(envfiles.write([file], "one"), shell).returncode == 0
    assert path.read_text() == f"ODD={value}\nLOG=x\n"
    assert differing(file, look([file], shell)["env"]) == set()


def test_undo_is_by_value_while_the_run_is_open(tmp_path: Path, shell: str) -> None:
    path, state = tmp_path / ".env", str(tmp_path / "state")
    path.write_text("JWT='the older \\ value'\n")
    path.chmod(0o640)
    before = path.read_bytes()
    file = template(path)
    kept, lock = Path(state) / "kept", Path(state) / "lock"
    lock.mkdir(parents=True)
    kept.mkdir()
    (kept / "run").write_text("of-another-run\n")
    (kept / "env.text").write_text("dead\n")
    (lock / "owner.json").write_text('{"who": "ada", "run": "of-this-run", "since": 1}')
    fingerprint = look([file], shell)["env"].fingerprint
    for _ in range(2):
        done = run(envfiles.keep(state, [(file, fingerprint)]), shell)
        assert (done.returncode, done.stderr) == (0, "")
        assert run(envfiles.write([file], "one"), shell).returncode == 0
    assert (kept / "run").read_text().strip() == "of-this-run" and (kept / "env.text").read_bytes() == before
    assert {stat.S_IMODE(each.stat().st_mode) for each in kept.iterdir()} == {0o600}
    assert path.read_bytes() != before
    for _ in range(2):
        done = run(envfiles.restore(state, [file], [], "one"), shell)
        assert (done.returncode, done.stderr) == (0, "")
        assert path.read_bytes() == before and stat.S_IMODE(path.stat().st_mode) == 0o640
    # What another run kept is not this run's to put back.
    (lock / "owner.json").write_text('{"who": "ada", "run": "of-a-third-run"}')
    assert run(envfiles.restore(state, [file], [], "one"), shell).returncode == 1
    assert run(envfiles.forget(state), shell).returncode == 0
    assert not kept.exists()


def test_a_file_that_was_not_there_is_removed_again(tmp_path: Path, shell: str) -> None:
    path, state = tmp_path / ".env", str(tmp_path / "state")
    file = template(path)
    assert run(envfiles.keep(state, [(file, ABSENT)]), shell).returncode == 0
    assert run(envfiles.write([file], "one"), shell).returncode == 0
    assert path.exists()
    assert run(envfiles.restore(state, [file], [], "one"), shell).returncode == 0
    assert not path.exists()


def test_once_the_run_is_closed_the_old_template_is_filled_in(tmp_path: Path, shell: str) -> None:
    path, state = tmp_path / ".env", str(tmp_path / "state")
    old = template(path, lines=(Line(key="JWT", parts=(TemplateSecret(name="jwt"),)),))
    path.write_text("JWT=dead-secret\n")
    done = run(envfiles.restore(state, [template(path)], [old], "one"), shell)
    assert done.returncode == 0, done.stderr
    assert "dead-secret" not in path.read_text() and path.read_text() == f"JWT='{VALUES['jwt']}'\n"
    path.write_text("stays\n")
    done = run(envfiles.restore(state, [template(path)], [], "one"), shell)
    assert done.returncode == 1 and "not kept any more" in done.stderr and path.read_text() == "stays\n"


def test_a_file_that_somebody_changed_since_is_not_touched(tmp_path: Path, shell: str) -> None:
    path, state = tmp_path / ".env", str(tmp_path / "state")
    file = template(path)
    path.write_text("A=1\n")
    fingerprint = look([file], shell)["env"].fingerprint
    path.write_text("A=2\n")
    done = run(envfiles.keep(state, [(file, fingerprint)]), shell)
    assert done.returncode == 1 and "somebody changed it since" in done.stderr
    assert not (Path(state) / "kept").exists() and not (Path(state) / ".kept.new").exists()


def test_a_link_and_a_directory_that_is_missing_are_told(tmp_path: Path, shell: str) -> None:
    (tmp_path / "real").write_text("A=1\n")
    (tmp_path / "link").symlink_to("real")
    files = [
        template(tmp_path / "link", name="link"),
        template(tmp_path / "no" / "env", name="nodir"),
        template(tmp_path, name="dir"),
    ]
    seen = look(files, shell)
    assert "symbolic link" in seen["link"].problem
    assert "directory is not there" in seen["nodir"].problem
    assert "not a regular file" in seen["dir"].problem
    for file in files[:2]:
        done = run(envfiles.write([file], "one"), shell)
        assert done.returncode == 1 and "Nothing was changed" in done.stderr
    assert (tmp_path / "real").read_text() == "A=1\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_owner_and_mode(tmp_path: Path, shell: str) -> None:
    path = tmp_path / ".env"
    path.write_text("A=1\n")
    os.chown(path, 1234, 1235)
    assert run(envfiles.write([template(path)], "one"), shell).returncode == 0
    assert (path.stat().st_uid, path.stat().st_gid) == (1234, 1235)
    assert run(envfiles.write([template(path, owner="nobody", mode="0440")], "one"), shell).returncode == 0
    assert path.stat().st_uid == 65534 and stat.S_IMODE(path.stat().st_mode) == 0o440


def test_a_full_disk_leaves_the_file_as_it_was(tmp_path: Path, shell: str) -> None:
    """/dev/full refuses every write: the file aside stays short, and nothing is renamed."""
    path = tmp_path / ".env"
    path.write_text("A=1\n")
    file = template(path)
    command = envfiles.write([file], "one")
    script = command.argv[2].replace('section "$1" >"$new"', 'section "$1" >/dev/full; : >"$new"')
    assert script != command.argv[2]
    done = run(command.model_copy(update={"argv": ("sh", "-c", script, *command.argv[3:])}), shell)
    assert done.returncode == 1 and "could not be written" in done.stderr
    assert path.read_text() == "A=1\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="gives a file to another account, as sudo would")
def test_under_sudo_a_new_file_is_of_the_account_that_deploys(tmp_path: Path) -> None:
    new, there = tmp_path / "new.env", tmp_path / "there.env"
    there.write_text("OLD=1\n")
    os.chown(there, 4712, 4713)
    files = [template(new, name="new"), template(there, name="there")]
    done = run(envfiles.write(files, "one"), SUDO_UID="4711", SUDO_GID="4711")
    assert done.returncode == 0, done.stderr
    assert [(path.stat().st_uid, path.stat().st_gid) for path in (new, there)] == [(4711, 4711), (4712, 4713)]


def test_what_was_written_aside_does_not_stay_where_it_cannot_be_renamed(tmp_path: Path, shell: str) -> None:
    """A file that is mounted into a container cannot be replaced; what was to be there holds secrets."""
    path = tmp_path / ".env"
    command = envfiles.write([template(path)], "one")
    script = command.argv[2].replace('mv -f -- "$new"', 'false -- "$new"')
    assert script != command.argv[2]
    done = run(command.model_copy(update={"argv": ("sh", "-c", script, *command.argv[3:])}), shell)
    assert done.returncode == 1 and f"{path} could not be replaced" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_a_directory_of_somebody_else_is_said(shell: str) -> None:
    with tempfile.TemporaryDirectory() as made:  # every folder above it can be entered
        path = Path(made) / "env"
        Path(made).chmod(0o755)
        command = envfiles.write([template(path)], "one")
        assert isinstance(command.stdin, InputTemplate)
        words = [shell, *command.argv[1:]]
        done = subprocess.run(
            ["setpriv", "--reuid", "65534", "--clear-groups", "--", *words],
            input=filled_in(command.stdin, fetch), capture_output=True, text=True, timeout=20, check=False,
        )  # fmt: skip
        assert done.returncode == 1 and "nobody may not make files in the directory of" in done.stderr
        assert "disk" not in done.stderr


def test_a_value_of_a_megabyte_is_looked_at_in_no_time(tmp_path: Path, shell: str) -> None:
    """bash took 44 s for it, and the look has 30."""
    path = tmp_path / ".env"
    path.write_text(f"BIG='{'$y ' * 333_000}'\nLOG=x\n")
    seen = look([template(path)], shell)["env"]  # `run` waits 20 s
    assert seen.keys["BIG"] == envfiles.digest_in("n0nce", "BIG", "$y " * 333_000) and list(seen.keys) == ["BIG", "LOG"]
