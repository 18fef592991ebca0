"""How the ground under the store is: where it lies, whether it can be written, how much room there is.

Said by console, `status` and `doctor` before something fails because of it.
"""

from __future__ import annotations

import os
from pathlib import Path

from console.store import reserve
from console.store.places import Places

SCARCE_BYTES = 64 << 20
"""With less room than that a person is told: a run with much output needs as much."""


def troubles(places: Places) -> dict[str, str]:
    """What is not as it should be under the store: kind to sentence. Cheap: some questions to the kernel."""
    said = {"network": places.instead} if places.instead else {}
    try:
        found = os.statvfs(places.state)
    except OSError as error:
        return {**said, "gone": f"The state directory {places.state} is not there any more: {error.strerror}."}
    if found.f_flag & os.ST_RDONLY or not os.access(places.state, os.W_OK):
        why = "its file system is mounted read-only" if found.f_flag & os.ST_RDONLY else "its mode forbids it"
        said["read-only"] = (
            f"The state directory {places.state} cannot be written: {why}. Everything can be looked at; nothing can be "
            "begun, ended or undone from here. Set QUARTERDECK_STATE_DIR to one that can be written."
        )
    elif found.f_bavail * found.f_frsize < SCARCE_BYTES:
        left = found.f_bavail * found.f_frsize
        said["full" if left < reserve.ROOM_BYTES else "nearly full"] = _scarce(places.state, left)
    if found.f_files and not found.f_favail:
        said["inodes"] = f"The disk of the state directory {places.state} has no room for one more file (inodes)."
    return said


def _scarce(state: Path, left: int) -> str:
    begun = "No run and no step is begun" if left < reserve.ROOM_BYTES else "Long output may not be kept"
    return (
        f"The disk of the state directory {state} is {'full' if left < reserve.ROOM_BYTES else 'nearly full'}: "
        f"{left / (1 << 20):.1f} MB left. {begun}; what has begun can be undone, a reserve is kept for that. Make room "
        "there, or see what is kept: quarterdeck runs prune --dry-run"
    )
