"""The effective settings of an SSH connection, hop by hop, as OpenSSH itself resolves them.

`ssh -G` follows Include, Match, ProxyJump and tokens; paramiko's own parser ignores Include without a word (measured
with 5.1). Where there is no `ssh` program the profile's values stand alone. `parse` is pure.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from console.hosts.base import HostRefused
from console.hosts.config import HostConfig

MAX_HOPS = 8
_G_TIMEOUT_S = 10.0

Ask = Callable[[Sequence[str]], str]
"""Runs `ssh -G` with these arguments and gives what it printed; tests put a table here."""


@dataclass(frozen=True, slots=True)
class HopSettings:
    """One hop: where it is, who we are there, and by what its key is known."""

    asked: str
    """The name it was asked for by: an alias or an address."""
    hostname: str
    port: int
    user: str
    identities: tuple[str, ...] = ()
    identities_only: bool = False
    agent: str | None = "SSH_AUTH_SOCK"
    """Path of the agent's socket, "SSH_AUTH_SOCK" for the one in the environment, or None for no agent."""
    known_hosts: tuple[str, ...] = ("~/.ssh/known_hosts", "~/.ssh/known_hosts2")
    global_known_hosts: tuple[str, ...] = ("/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2")
    host_key_alias: str | None = None
    hash_known_hosts: bool = False
    compression: bool = False
    """Whether what goes over the line is packed: `Compression yes`, worth it on a slow one."""
    proxy_jump: str | None = None
    proxy_command: str | None = None
    passphrase: str | None = None
    """Name of the credential that opens the identity named in the profile."""
    profile_identity: str | None = None

    @property
    def lookup(self) -> str:
        """The name in known_hosts: the alias as it stands, or the host name, with the port where it is not 22."""
        if self.host_key_alias:
            return self.host_key_alias
        return self.hostname if self.port == 22 else f"[{self.hostname}]:{self.port}"

    @property
    def shown(self) -> str:
        """What a person would call it."""
        return f"{self.user}@{self.hostname}:{self.port}"


def parse(output: str) -> dict[str, list[str]]:
    """What `ssh -G` printed: each keyword, in lower case, with its values in order."""
    found: dict[str, list[str]] = {}
    for line in output.splitlines():
        key, _, value = line.strip().partition(" ")
        if key:
            found.setdefault(key.lower(), []).append(value.strip())
    return found


def hop_from(asked: str, options: Mapping[str, Sequence[str]]) -> HopSettings:
    """The settings of one hop from the parsed output of `ssh -G`."""

    def first(key: str) -> str | None:
        values = options.get(key)
        value = values[0] if values else None
        return None if value is None or value.lower() == "none" else value

    def paths(key: str, default: tuple[str, ...]) -> tuple[str, ...]:
        value = (options.get(key) or [""])[0]
        if not value:
            return default
        return tuple(path for path in value.split() if path.lower() != "none")

    standard = HopSettings(asked, asked, 22, "")
    agent: str | None = "SSH_AUTH_SOCK"
    if options.get("identityagent"):
        agent = first("identityagent")
        if agent is not None and agent.startswith("$"):
            agent = "SSH_AUTH_SOCK" if agent.strip("${}") == "SSH_AUTH_SOCK" else None
    return HopSettings(
        asked=asked,
        hostname=first("hostname") or asked,
        port=int(first("port") or 22),
        user=first("user") or "",
        identities=tuple(options.get("identityfile", ())),
        identities_only=first("identitiesonly") == "yes",
        agent=agent,
        known_hosts=paths("userknownhostsfile", standard.known_hosts),
        global_known_hosts=paths("globalknownhostsfile", standard.global_known_hosts),
        host_key_alias=first("hostkeyalias"),
        hash_known_hosts=first("hashknownhosts") == "yes",
        compression=first("compression") == "yes",
        proxy_jump=first("proxyjump"),
        proxy_command=first("proxycommand"),
    )


def split_target(text: str) -> tuple[str | None, str, int | None]:
    """`[user@]host[:port]`, also `[user@][v6]:port` and `ssh://…`, as ProxyJump writes them."""
    text = text.removeprefix("ssh://")
    user, at, rest = text.rpartition("@")
    port: str = ""
    if rest.startswith("["):
        host, _, tail = rest[1:].partition("]")
        port = tail.removeprefix(":")
    elif rest.count(":") == 1:
        host, _, port = rest.partition(":")
    else:
        host = rest
    if not host or host.startswith("-") or (port and not port.isdecimal()):
        raise ValueError(f"'{text}' is not a jump host; it is written user@host:port")
    return (user if at else None), host, int(port) if port else None


def resolve(config: HostConfig, ask: Ask | None = None) -> tuple[HopSettings, ...]:
    """Every hop from here to the host, the host itself last.

    Raises HostRefused when `ssh -G` refuses the configuration, or hops name each other in a circle.
    """
    asking = ask or _ask(config.name)
    last = _one(config, asking, config.user, config.address, config.port)
    last = _as_profiled(last, config)
    jumps: list[str | HostConfig] = list(config.jump)
    if not jumps and last.proxy_jump:
        jumps = [part.strip() for part in last.proxy_jump.split(",")]
    hops: list[HopSettings] = []
    first = True
    while jumps:
        jump = jumps.pop(0)
        if isinstance(jump, HostConfig):
            hops.append(_as_profiled(_one(jump, ask or _ask(jump.name), jump.user, jump.address, jump.port), jump))
            first = False
            continue
        try:
            user, host, port = split_target(jump)
        except ValueError as error:
            raise HostRefused(config.name, f"{config.name}: {error}.") from error
        hop = _one(config, asking, user, host, port)
        if config.identity is not None and config.jump:
            # A chain written in the profile is one person's way in: its key is offered on every hop, then the hop's.
            hop = replace(
                hop,
                identities=(config.identity, *(path for path in hop.identities if path != config.identity)),
                passphrase=config.passphrase,
                profile_identity=config.identity,
            )
        # As `ssh -J a,b c` does: only the first hop's own ProxyJump still counts.
        if first and hop.proxy_jump:
            before = [part.strip() for part in hop.proxy_jump.split(",")]
            jumps = [*before, host if user is None and port is None else _joined(user, host, port), *jumps]
            if len(jumps) > MAX_HOPS:
                raise HostRefused(
                    config.name,
                    f"{config.name} would be reached over more than {MAX_HOPS} hops: the ProxyJump settings of the ssh "
                    "configuration name each other in a circle.",
                )
            # The hop comes again behind those before it; its own ProxyJump is then used up.
            asking = _without_jump(asking, host)
            continue
        first = False
        hops.append(hop)
    for hop in (*hops[1:], last) if hops else ():
        if hop.proxy_command:
            raise HostRefused(
                config.name,
                f"{config.name}: {hop.asked} has both a jump host and a ProxyCommand; only one can lead there.",
            )
    return (*hops, last)


def _as_profiled(hop: HopSettings, config: HostConfig) -> HopSettings:
    """A key that the profile names is the only one offered; a file of host keys that it names the only one asked."""
    if config.known_hosts is not None:
        # Instead of the user's files and of the machine's: a key that was accepted elsewhere does not count here.
        hop = replace(hop, known_hosts=(str(Path(config.known_hosts).expanduser()),), global_known_hosts=())
    if config.identity is None:
        return hop
    return replace(
        hop,
        identities=(config.identity,),
        identities_only=True,
        passphrase=config.passphrase,
        profile_identity=config.identity,
    )


def _joined(user: str | None, host: str, port: int | None) -> str:
    where = f"[{host}]" if ":" in host else host
    return f"{user + '@' if user else ''}{where}{f':{port}' if port else ''}"


def _without_jump(ask: Ask, host: str) -> Ask:
    def asking(arguments: Sequence[str]) -> str:
        output = ask(arguments)
        if arguments[-1] == host:
            output = "\n".join(line for line in output.splitlines() if not line.lower().startswith("proxyjump "))
        return output

    return asking


def _one(config: HostConfig, ask: Ask, user: str | None, host: str, port: int | None) -> HopSettings:
    arguments: list[str] = []
    if config.ssh_config is not None:
        arguments += ["-F", str(Path(config.ssh_config).expanduser())]
    if user is not None:
        arguments += ["-l", user]
    if port is not None:
        arguments += ["-p", str(port)]
    hop = hop_from(host, parse(ask([*arguments, "--", host])))
    return replace(hop, user=user or hop.user or _me(), port=port or hop.port)


def _me() -> str:
    import getpass

    return getpass.getuser()


def _ask(name: str) -> Ask:
    program = shutil.which("ssh")

    def asking(arguments: Sequence[str]) -> str:
        if program is None:
            return ""
        try:
            done = subprocess.run(
                [program, "-G", *arguments],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=_G_TIMEOUT_S,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise HostRefused(
                name,
                f"'ssh -G' did not say within {_G_TIMEOUT_S:g} s how {name} is reached; a 'Match exec' of the ssh "
                "configuration may hang.",
            ) from error
        if done.returncode != 0:
            said = done.stderr.decode("utf-8", "replace").strip().splitlines()
            raise HostRefused(name, f"the ssh configuration for {name} is refused: {said[-1] if said else 'no reason'}")
        return done.stdout.decode("utf-8", "replace")

    return asking
