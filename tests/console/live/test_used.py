"""Where a credential is used, in words: whoever removes one decides by them."""

from __future__ import annotations

from console.live.credentials import uses_of
from profiles.models import Profile


def test_a_rotation_uses_what_it_rotates_and_what_it_rotates_with() -> None:
    rotation = {
        "kind": "database",
        "credential": {"secret": "db"},
        "admin": "root",
        "admin_password": {"secret": "dbadmin"},
        "roles": ["app"],
        "consumers": {"app": {"file": "/tmp/db"}},
    }
    profile = Profile.model_validate(
        {
            "system": "s",
            "hosts": {"web": {"local": True}},
            "environments": {
                "live": {
                    "hosts": ["web"],
                    "directory": "/opt/x",
                    "stack": {"kind": "compose", "project": "p", "files": ["x.yml"], "services": {"a": {}}},
                    "rotations": {"db": rotation},
                }
            },
            "credentials": {"db": {"kind": "database", "fields": ["user", "password"]}, "dbadmin": {}},
        }
    )
    uses = uses_of(profile)
    assert uses["dbadmin"] == ["rotation db of live"] and "rotation db of live" in uses["db"]
