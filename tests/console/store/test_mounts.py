"""A network file system under the state directory is recognised by the kernel's table, and a local one is used."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from console.store import mounts, places
from console.store.mounts import network_type, type_of
from console.store.places import PlaceUnusable, local_root

TABLE = """\
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
30 22 0:40 / /home rw,relatime shared:2 - nfs4 files:/home rw,vers=4.2,hard
31 30 254:1 / /home/local rw,relatime shared:3 - xfs /dev/vdb rw
32 22 0:41 / /mnt/with\\040space rw - cifs //files/share rw
33 22 0:42 / /srv rw - ext4 /dev/vdc rw
34 33 0:43 / /srv rw - fuse.sshfs me@files: rw
35 22 0:44 / /w rw - 9p C: rw
36 22 0:45 / /crypt rw - fuse.gocryptfs /c rw
37 22 0:46 / /other rw master:7 propagate_from:2 - smb3 //files/other rw
38 22 0:47 / /odd rw - fuse.somethingnew x rw
broken line
"""


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "mountinfo"
    path.write_text(TABLE)
    return path


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/home/me/.local/state/quarterdeck", "nfs4"),
        ("/home", "nfs4"),
        ("/home/local/me", ""),
        ("/homestead/me", ""),
        ("/mnt/with space/x", "cifs"),
        ("/srv/x", "fuse.sshfs"),
        ("/w/x", "9p"),
        ("/crypt/x", ""),
        ("/other/x", "smb3"),
        ("/odd/x", "fuse.somethingnew"),
        ("/var/tmp/x", ""),
    ],
)
def test_the_type_is_that_of_the_longest_mount_point_and_of_the_last_one_there(
    path: str, kind: str, table: Path
) -> None:
    assert network_type(Path(path), table) == kind


def test_a_link_to_a_network_is_followed(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "far")
    table = tmp_path / "mountinfo"
    table.write_text(f"1 0 0:1 / / rw - ext4 /dev/vda rw\n2 1 0:2 / {tmp_path}/far rw - nfs files:/ rw\n")
    assert network_type(tmp_path / "link" / "state", table) == "nfs"
    assert network_type(tmp_path / "near", table) == ""


def test_without_a_table_nothing_is_known(tmp_path: Path) -> None:
    assert network_type(tmp_path, tmp_path / "none") == ""
    assert type_of("/x", "") == ""


def test_the_real_table_is_read() -> None:
    """The table of this machine, as it is now, has a type for the root."""
    assert type_of("/", mounts.TABLE.read_text()) != ""
    assert type_of("/proc/self", mounts.TABLE.read_text()) == "proc"


@pytest.fixture
def far(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state directory on a network, as the table says; the local place is the test's own."""
    asked = tmp_path / "far" / "state"
    table = tmp_path / "mountinfo"
    table.write_text(f"1 0 0:1 / / rw - ext4 /dev/vda rw\n2 1 0:2 / {tmp_path}/far rw - nfs4 files:/ rw\n")
    monkeypatch.setattr(mounts, "TABLE", table)
    monkeypatch.setattr(network_type, "__defaults__", (table,))
    monkeypatch.setattr(places, "LOCAL", tmp_path / "var-tmp")
    (tmp_path / "var-tmp").mkdir()
    monkeypatch.setenv("QUARTERDECK_STATE_DIR", str(asked))
    return asked


def test_a_state_directory_on_a_network_is_not_used(far: Path, tmp_path: Path) -> None:
    found = places.places()
    assert found.state == local_root() == tmp_path / "var-tmp" / f"quarterdeck-{os.getuid()}"
    assert not far.exists(), "nothing was made there"
    assert str(far) in found.instead and "nfs4" in found.instead and str(found.state) in found.instead
    os.environ["QUARTERDECK_STATE_DIR"] = str(found.state)  # as a runner is told
    assert places.places() == found._replace(instead="")


def test_where_nothing_is_local_it_is_used_and_said(far: Path, tmp_path: Path) -> None:
    mounts.TABLE.write_text("1 0 0:1 / / rw - nfs files:/root rw\n")
    found = places.places()
    assert found.state == far and "is none that is local" in found.instead


def test_somebody_elses_local_place_is_not_used(far: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """/var/tmp is everybody's: what lies there under our name may have been put there by a stranger."""
    local_root().mkdir()
    if os.getuid() == 0:
        os.chown(local_root(), 4711, 4711)
    else:
        local_root().rmdir()
        local_root().symlink_to(tmp_path)
    with pytest.raises(PlaceUnusable, match=r"another user|not a directory of its own"):
        places.places()


def test_a_local_one_is_used_as_it_was_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUARTERDECK_STATE_DIR", str(tmp_path / "state"))
    assert places.places().state == tmp_path / "state" and places.places().instead == ""
