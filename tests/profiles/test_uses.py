"""Which credentials an environment uses: those that it names, and those of the way to its hosts."""

from __future__ import annotations

from profiles.models import Profile
from profiles.uses import used_by


def host(name: str, **more: object) -> dict[str, object]:
    return {"address": f"{name}.example.com", "identity": "/k", "passphrase": {"secret": f"key-of-{name}"}, **more}


def environment(hosts: list[str], **more: object) -> dict[str, object]:
    return {
        "hosts": hosts,
        "directory": "/opt/x",
        "stack": {"kind": "compose", "project": "p", "files": ["x.yml"], "services": {"a": {}}},
        **more,
    }


def test_its_own_the_hosts_it_goes_through_and_nothing_of_another() -> None:
    probe = {"kind": "http", "url": "http://x/", "via": "monitor", "auth": {"bearer": {"secret": "token"}}}
    profile = Profile.model_validate(
        {
            "system": "s",
            "hosts": {
                "web": host("web", jump=["inner"]),
                "inner": host("inner", jump=["outer"]),
                "outer": host("outer"),
                "monitor": host("monitor"),
                "other": host("other"),
            },
            "environments": {
                "one": environment(["web"], probes={"p": probe}),
                "two": environment(["other"]),
            },
            "credentials": {
                name: {}
                for name in ("token", "key-of-web", "key-of-inner", "key-of-outer", "key-of-monitor", "key-of-other")
            },
        }
    )
    assert used_by(profile, "one") == {"token", "key-of-web", "key-of-inner", "key-of-outer", "key-of-monitor"}
    assert used_by(profile, "two") == {"key-of-other"}
