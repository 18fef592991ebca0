"""Which agent goes away with a login: judged by who listens, against real agents and a real sshd that forwards one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from console.hosts.agents import Listener, ancestors_of, ends_with_login, judge, listener_of
from console.hosts.ssh import SshHost
from tests.console.hosts.contract import TIMING
from tests.console.hosts.sshd import Sshd, poll, running
from tests.console.hosts.test_ssh import config_of

ROOT = Path(__file__).parents[3]
FORWARDED = "/tmp/ssh-XXXXabcdef/agent.4711"
TELL = "import os; from console.hosts.agents import ends_with_login as e; print([e(os.environ['SSH_AUTH_SOCK'])])"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    with running(tmp_path_factory.mktemp("sshd") / "agents", "AllowAgentForwarding yes") as sshd:
        yield sshd


@pytest.fixture
def agent(server: Sshd, tmp_path: Path) -> Iterator[Path]:
    """A real agent that holds the key which the server takes, as one that somebody keeps running."""
    path = tmp_path / "agent.sock"
    child = subprocess.Popen(["ssh-agent", "-D", "-a", str(path)], stdout=subprocess.DEVNULL)
    try:
        assert poll(path.exists)
        subprocess.run(
            ["ssh-add", "-q", str(server.identity)], check=True, env={**os.environ, "SSH_AUTH_SOCK": str(path)}
        )
        yield path
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait(10)


@pytest.mark.parametrize(
    ("path", "listener", "remote", "says"),
    [
        (FORWARDED, Listener(5, "sshd"), True, "forwarded"),
        (FORWARDED, Listener(5, "sshd-session"), True, "forwarded"),
        ("/home/me/.ssh/agent/s.host.sshd.x", Listener(5, "sshd-session"), False, "forwarded"),
        ("/run/user/1000/gnupg/S.gpg-agent.ssh", Listener(5, "sshd"), True, "forwarded"),
        (FORWARDED, Listener(5, "dropbear"), True, "forwarded"),
        (FORWARDED, Listener(4712, "ssh-agent"), True, ""),
        (FORWARDED, Listener(77, "bash"), True, "started for bash (process 77)"),
        (FORWARDED, Listener(77, "gnome-session-b"), False, ""),
        (FORWARDED, Listener(77, "systemd"), True, ""),
        (FORWARDED, Listener(4712, gone=True), True, ""),
        ("/run/user/1000/gnupg/S.gpg-agent.ssh", Listener(5, "gpg-agent"), True, ""),
        ("/run/user/1000/openssh_agent", Listener(5, "systemd"), True, ""),
        ("/run/user/1000/keyring/ssh", Listener(5, "gnome-keyring-d"), False, ""),
        (FORWARDED, Listener(0), True, "cannot be told"),
        (FORWARDED, Listener(0), False, ""),
        ("/run/user/1000/openssh_agent", Listener(0), True, ""),
        (FORWARDED, None, True, ""),
    ],
)
def test_what_is_judged(path: str, listener: Listener | None, remote: bool, says: str) -> None:
    said = judge(path, listener, {77, 1}, remote=remote)
    assert says in said and bool(said) is bool(says)


def test_an_agent_that_stays_is_told_from_one_that_was_started_for_a_command(agent: Path) -> None:
    found = listener_of(str(agent))
    assert found is not None and found.name == "ssh-agent" and found.cgroup
    assert ends_with_login(str(agent)) == ""
    assert listener_of(str(agent.with_name("none"))) is None
    assert os.getppid() in ancestors_of(os.getpid())
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "SSH_CONNECTION": "192.0.2.1 1 192.0.2.2 22"}
    for words, said in (
        (["ssh-agent", sys.executable, "-c", TELL], "was started for python"),
        (
            ["sh", "-c", f'eval "$(ssh-agent -s)" >/dev/null; {sys.executable} -c "$1"; ssh-agent -k', "sh", TELL],
            "['']",
        ),
    ):
        done = subprocess.run(words, capture_output=True, text=True, timeout=30, env=environ)
        assert said in done.stdout, done.stdout + done.stderr


def test_an_agent_that_a_login_forwards_is_seen_also_behind_a_link(server: Sshd, agent: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    code = f'ln -sf $SSH_AUTH_SOCK {link}; export PYTHONPATH={ROOT}; {sys.executable} -c "{TELL}"; '
    code += f'SSH_AUTH_SOCK={link} {sys.executable} -c "{TELL}"'
    done = subprocess.run(
        ["ssh", "-A", "-F", str(server.config), "-p", str(server.port), "-i", str(server.identity)]  # noqa: RUF005
        + ["-o", f"IdentityAgent {agent}", "-o", "StrictHostKeyChecking yes", f"{server.user}@127.0.0.1", code],
        capture_output=True,
        text=True,
        timeout=60,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "SSH_AUTH_SOCK": str(agent)},
    )
    assert done.stdout.count("forwarded by your SSH login") == 2, done.stdout + done.stderr


def test_a_host_says_whether_it_was_the_agent_that_let_us_in(
    server: Sshd, agent: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key of the agent alone; one that is also in a file; a key in a file while there is an agent."""
    monkeypatch.setenv("SSH_AUTH_SOCK", str(agent))
    config = tmp_path / "config"
    config.write_text(server.config.read_text().replace("IdentityAgent none", "IdentityAgent SSH_AUTH_SOCK"))
    alone = tmp_path / "alone" / "id"
    alone.parent.mkdir()
    alone.with_suffix(".pub").write_text(server.identity.with_suffix(".pub").read_text())
    for identity, agents in (
        (None, {str(agent)}),
        (str(alone), {str(agent)}),
        (str(server.identity), set()),
    ):
        host = SshHost(config_of(server, identity=identity, ssh_config=str(config)), TIMING)
        assert host.agents() == agents, identity
        host.close()
    monkeypatch.delenv("SSH_AUTH_SOCK")
    host = SshHost(config_of(server), TIMING)
    assert host.agents() == set()
    host.close()
