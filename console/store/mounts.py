"""Which file system a path lies on, by the kernel's table of mounts: a store is kept on a local one only.

On a network file system SQLite's locks may not hold (two machines then write over each other), what was acknowledged
may be in another machine's memory, and a server that hangs would hang the journal of a run.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

TABLE = Path("/proc/self/mountinfo")
NETWORK = frozenset(
    (
        *("nfs", "nfs4", "cifs", "smb2", "smb3", "smbfs", "ncpfs", "afs", "auristorfs", "coda", "9p", "virtiofs"),
        *("ceph", "lustre", "glusterfs", "gpfs", "beegfs", "orangefs", "pvfs2", "davfs", "acfs", "vboxsf", "prl_fs"),
    )
)
"""Types that are a network's, or another machine's: a file is seen by more than one kernel."""
_LOCAL_FUSE = frozenset(
    ("fuseblk", "fuse.ext2", "fuse.ext4", "fuse.ntfs", "fuse.ntfs-3g", "fuse.lxcfs", "fuse.fuse-overlayfs",
     "fuse.overlayfs", "fuse.bindfs", "fuse.mergerfs", "fuse.gocryptfs", "fuse.encfs", "fuse.cryfs")
)  # fmt: skip
"""Of the file systems in user space those that are known to be local; of the others that is not known."""
_ESCAPED = re.compile(r"\\([0-7]{3})")


def network_type(path: Path, table: Path = TABLE) -> str:
    """The type of the network file system that `path` lies on, such as `nfs4`; empty for a local one.

    Where there is no such table (not Linux), or it cannot be read, nothing is known: empty.
    """
    try:
        text = table.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return ""
    # As it was given first: looking for links on a server that does not answer would hang.
    kind = _network(type_of(str(path), text))
    return kind or _network(type_of(os.path.realpath(path), text))


def _network(kind: str) -> str:
    return kind if kind in NETWORK or (kind.startswith("fuse.") and kind not in _LOCAL_FUSE) else ""


def type_of(path: str, table: str) -> str:
    """The type of the file system that an absolute path lies on, by the text of a mountinfo; empty if none fits.

    The longest mount point wins, of several at one place the last: that is the one on top.
    """
    best, kind = -1, ""
    for line in table.splitlines():
        before, separator, after = line.partition(" - ")
        fields, rest = before.split(" "), after.split(" ")
        if not separator or len(fields) < 5:
            continue
        point = _ESCAPED.sub(lambda code: chr(int(code[1], 8)), fields[4])
        if (path == point or path.startswith(f"{point.rstrip('/')}/")) and len(point) >= best:
            best, kind = len(point), rest[0]
    return kind
