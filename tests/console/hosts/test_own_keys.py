"""Which key a login offers, told by the key itself: not by the name of its file, and not by a KEY.pub of before."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from console.hosts.command import Command
from console.hosts.login import _public_blob
from console.hosts.ssh import SshHost
from console.hosts.try_key import offered_here
from tests.console.hosts.contract import TIMING
from tests.console.hosts.sshd import Sshd, poll, running
from tests.console.hosts.test_ssh import config_of


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    with running(tmp_path_factory.mktemp("sshd") / "keys") as sshd:
        yield sshd


def made(folder: Path, name: str, passphrase: str = "") -> Path:
    """A key that no server knows."""
    path = folder / name
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-f", str(path)], check=True)
    return path


@pytest.fixture
def agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An agent, empty, in this process's environment."""
    path = tmp_path / "agent.sock"
    child = subprocess.Popen(["ssh-agent", "-D", "-a", str(path)], stdout=subprocess.DEVNULL)
    try:
        assert poll(path.exists)
        monkeypatch.setenv("SSH_AUTH_SOCK", str(path))
        yield path
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait(10)


def bare(server: Sshd, folder: Path) -> str:
    """The server's ssh_config without a word of keys and agents."""
    lines = server.config.read_text().splitlines(True)
    path = folder / "ssh_config"
    path.write_text("".join(line for line in lines if "Identit" not in line))
    return str(path)


def add(key: Path) -> None:
    subprocess.run(["ssh-add", "-q", str(key)], check=True, env=dict(os.environ))


def test_a_public_half_of_before_beside_a_key_hides_it_no_more(server: Sshd, agent: Path, tmp_path: Path) -> None:
    """A rotation renewed the key file, and its KEY.pub is still of the old key, which the agent holds too."""
    old, file = made(tmp_path, "old"), tmp_path / "id"
    shutil.copy(server.identity, file)
    shutil.copy(old.with_suffix(".pub"), tmp_path / "id.pub")
    add(old)
    host = SshHost(config_of(server, identity=str(file), ssh_config=bare(server, tmp_path)), TIMING)
    try:
        assert host.run(Command(argv=("true",))).rc == 0
    finally:
        host.close()


def test_a_key_says_its_public_half_also_under_a_passphrase(tmp_path: Path) -> None:
    plain, sealed = made(tmp_path, "plain"), made(tmp_path, "sealed", "a passphrase")
    before = {key: _public_blob(key.with_suffix(".pub")) for key in (plain, sealed)}
    for key in (plain, sealed):
        key.with_suffix(".pub").unlink()
        assert before[key] is not None and _public_blob(key) == before[key]
    plain.write_text("-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n")
    assert _public_blob(plain) is None


def test_where_a_login_takes_a_key_from(server: Sshd, agent: Path, tmp_path: Path) -> None:
    key, other, copy = made(tmp_path, "key"), made(tmp_path, "other"), tmp_path / "copy"
    copy.write_bytes(key.read_bytes())
    copy.chmod(0o600)
    private, config = key.read_text(), bare(server, tmp_path)

    def offered(identity: Path | None) -> object:
        named = str(identity) if identity is not None else None
        return offered_here(config_of(server, identity=named, ssh_config=config), private)

    assert offered(copy) == ((str(copy),), False)
    assert offered(other) == ((), False)
    add(key)
    assert offered(copy) == ((str(copy),), True)
    assert offered(other) == ((), False), "only the named one is offered"
    assert offered(None) == ((), True)
