"""From a profile's host to what is needed to reach it: nothing of it is lost on the way."""

from __future__ import annotations

from console.environment import host_config
from profiles.hosts import Host as HostEntry
from profiles.models import Profile


def profile(**host: object) -> Profile:
    return Profile.model_validate(
        {
            "system": "x",
            "keyring": "sealed",
            "credentials": {"key": {"kind": "ssh-passphrase"}} if "passphrase" in host else {},
            "hosts": {"box": host, "door": {"address": "door.example"}},
            "environments": {
                "only": {
                    "hosts": ["box"],
                    "directory": "/srv/x",
                    "stack": {
                        "kind": "compose",
                        "project": "x",
                        "files": ["compose.yml"],
                        "services": {"web": {"health": "none"}},
                        "images": {"web": "x.example/y:{release}"},
                    },
                }
            },
        }
    )


def test_everything_that_a_profile_says_of_a_host_arrives() -> None:
    said: dict[str, object] = {
        "address": "10.0.0.5",
        "user": "deploy",
        "port": 2222,
        "jump": ["door"],
        "identity": "/keys/one",
        "ssh_config": "/keys/config",
        "known_hosts": "/keys/hosts",
        "docker_socket": "/run/other.sock",
    }
    made = profile(**said)
    config = host_config(made, made.hosts["box"])
    (door,) = config.jump
    assert not isinstance(door, str) and (door.name, door.address) == ("door", "door.example")
    for name, value in said.items():
        if name != "jump":
            assert getattr(config, name) == value, name


def test_no_field_of_a_host_is_forgotten() -> None:
    """A field that a profile may say and nobody passes on would be a promise that nothing keeps."""
    elsewhere = {"title", "become"}  # shown, and used by the stack
    config = host_config(profile(local=True), HostEntry(name="box", local=True))
    assert {name for name in HostEntry.model_fields if name not in elsewhere and not hasattr(config, name)} == set()
