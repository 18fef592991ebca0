"""Effective settings, hop by hop, from what `ssh -G` prints."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from console.hosts.base import HostRefused
from console.hosts.config import HostConfig
from console.hosts.settings import Ask, hop_from, parse, resolve, split_target


def table(entries: dict[str, str]) -> Ask:
    """A stand-in for `ssh -G`: options by host; -l and -p count as they do there."""

    def ask(arguments: Sequence[str]) -> str:
        given = dict(zip(arguments[:-2:2], arguments[1:-2:2], strict=True))
        lines = entries.get(arguments[-1], "").splitlines()
        if "-l" in given:
            lines.insert(0, f"user {given['-l']}")
        if "-p" in given:
            lines.insert(0, f"port {given['-p']}")
        return "\n".join(lines)

    return ask


def names(config: HostConfig, entries: dict[str, str]) -> list[str]:
    return [hop.shown for hop in resolve(config, table(entries))]


def test_parse_and_hop() -> None:
    hop = hop_from(
        "prod",
        parse(
            "user deploy\nhostname 10.0.0.5\nport 2222\nidentityfile ~/.ssh/a\nidentityfile ~/.ssh/b\n"
            "identitiesonly yes\nuserknownhostsfile ~/a ~/b\nglobalknownhostsfile none\nidentityagent none\n"
            "hashknownhosts yes\nproxyjump none\ncompression yes\n"
        ),
    )
    assert hop.shown == "deploy@10.0.0.5:2222"
    assert hop.lookup == "[10.0.0.5]:2222"
    assert hop.identities == ("~/.ssh/a", "~/.ssh/b")
    assert (hop.identities_only, hop.known_hosts, hop.global_known_hosts) == (True, ("~/a", "~/b"), ())
    assert (hop.agent, hop.hash_known_hosts, hop.proxy_jump, hop.compression) == (None, True, None, True)


def test_an_alias_is_looked_up_as_it_stands() -> None:
    assert hop_from("h", parse("hostname 10.0.0.5\nport 2222\nhostkeyalias prod")).lookup == "prod"


def test_without_an_ssh_program_the_profile_stands_alone() -> None:
    config = HostConfig("box", "10.0.0.5", user="deploy", port=2200, identity="/k")
    (hop,) = resolve(config, lambda _: "")
    assert (hop.shown, hop.identities, hop.identities_only) == ("deploy@10.0.0.5:2200", ("/k",), True)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("host", (None, "host", None)),
        ("a@host:22", ("a", "host", 22)),
        ("a@b@host", ("a@b", "host", None)),
        ("[::1]:22", (None, "::1", 22)),
        ("::1", (None, "::1", None)),
        ("ssh://a@host:1", ("a", "host", 1)),
    ],
)
def test_targets(text: str, expected: tuple[str | None, str, int | None]) -> None:
    assert split_target(text) == expected


@pytest.mark.parametrize("text", ["", "a@", "-oProxyCommand=x", "host:x"])
def test_bad_targets(text: str) -> None:
    with pytest.raises(ValueError):
        split_target(text)


def test_jumps_of_the_configuration_and_their_own() -> None:
    entries = {
        "prod": "hostname 10.0.0.5\nuser deploy\nproxyjump b,c",
        "b": "hostname 10.0.0.2\nuser x\nproxyjump a",
        "c": "hostname 10.0.0.3\nuser x\nproxyjump ignored",
        "a": "hostname 10.0.0.1\nuser x",
    }
    assert names(HostConfig("box", "prod"), entries) == [
        "x@10.0.0.1:22",
        "x@10.0.0.2:22",
        "x@10.0.0.3:22",
        "deploy@10.0.0.5:22",
    ]


def test_jumps_of_the_profile_come_first() -> None:
    entries = {"prod": "hostname 10.0.0.5\nuser d\nproxyjump ignored"}
    assert names(HostConfig("box", "prod", jump=("u@j1:1", "u@j2:2")), entries) == ["u@j1:1", "u@j2:2", "d@10.0.0.5:22"]


def test_a_circle_is_refused() -> None:
    entries = {f"h{n}": f"user x\nproxyjump h{n + 1}" for n in range(20)}
    with pytest.raises(HostRefused, match="circle"):
        resolve(HostConfig("box", "h0"), table(entries))


def test_a_hop_may_have_its_own_key() -> None:
    hop = HostConfig("j", "jump", user="u", identity="/jump-key", passphrase="jump-pass")
    config = HostConfig("box", "prod", user="d", identity="/key", jump=(hop,))
    first, last = resolve(config, table({}))
    assert (first.identities, first.passphrase) == (("/jump-key",), "jump-pass")
    assert last.identities == ("/key",)


def test_a_refused_configuration_is_a_sentence(tmp_path: object) -> None:
    with pytest.raises(HostRefused, match="ssh configuration for box is refused"):
        resolve(HostConfig("box", "prod", ssh_config=f"{tmp_path}/none"))


def test_a_file_of_host_keys_of_the_profile_is_the_only_one_for_that_host() -> None:
    """Neither the user's nor the machine's files count for it; a hop of the ssh configuration keeps its own."""
    entries = {"10.0.0.5": "userknownhostsfile ~/mine\nproxyjump door", "door": "userknownhostsfile ~/mine"}
    door, box = resolve(HostConfig("box", "10.0.0.5", known_hosts="/srv/keys"), table(entries))
    assert (box.known_hosts, box.global_known_hosts) == (("/srv/keys",), ())
    assert (door.known_hosts, door.asked) == (("~/mine",), "door")
    named = HostConfig("gate", "door", known_hosts="/srv/gate")
    door, box = resolve(HostConfig("box", "10.0.0.5", jump=(named,)), table(entries))
    assert (door.known_hosts, box.known_hosts) == (("/srv/gate",), ("~/mine",))
