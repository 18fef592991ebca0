"""The keyring: what opening, reading and storing cost, and whether two writers lose anything.

Beside floors that do the same work without us: one Argon2id with the same parameters for opening, one write with fsync
and rename of a file of the same size for storing, a bare interpreter for importing. The Secret Service is the real one
(gnome-keyring in a D-Bus session of its own), where it is installed.

Budgets: opened within 0.5 s, read within 1 ms, entries lost = 0.
"""

from __future__ import annotations

import json
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bench.tables import kept, show, spread
from console.credentials.choose import open_backend
from console.credentials.errors import WrongPassphrase
from console.credentials.sealed import SealedFileKeyring
from console.credentials.sealed_file import Kdf
from console.credentials.store import Credentials
from console.text.secret import Secret

ROOT = Path(__file__).parent.parent
PASSPHRASE = Secret("a passphrase of the benchmark")
OPENINGS, READS, WRITES, WRITERS, EACH = 7, 1000, 100, 2, 1000
OPEN_S, READ_S = 0.5, 0.001

WRITER = """
import sys
from pathlib import Path
from console.credentials.sealed import SealedFileKeyring
from console.text.secret import Secret
place, who, count = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
ring = SealedFileKeyring(place)
ring.unlock(Secret(sys.stdin.read()))
for number in range(count):
    ring.set_password("bench", f"{who}-{number}", f"value {who} {number}")
"""
SERVICE = """
import json, sys, time
from pathlib import Path
from console.credentials.choose import open_backend
from console.credentials.store import Credentials
from console.text.secret import Secret
kept = Credentials(open_backend("system", Path(sys.argv[1]) / "keyring"), "bench")
took = {"store": [], "read": []}
for number in range(20):
    began = time.perf_counter(); kept.set(f"entry-{number}", Secret(f"value {number}"))
    took["store"].append(time.perf_counter() - began)
    began = time.perf_counter(); assert kept.get(f"entry-{number}").reveal() == f"value {number}"
    took["read"].append(time.perf_counter() - began)
took["there"] = len(kept.list())
print(json.dumps(took))
"""
SESSION = (
    "printf pass | gnome-keyring-daemon --unlock --components=secrets >/dev/null 2>&1\n"
    "n=0; until dbus-send --session --print-reply --dest=org.freedesktop.secrets /org/freedesktop/secrets "
    "org.freedesktop.DBus.Peer.Ping >/dev/null 2>&1; do n=$((n + 1)); [ $n -lt 100 ] || exit 9; sleep 0.1; done\n"
    'exec "$@"'
)


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory(prefix="quarterdeck-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        rows = [*_importing(), *_sealed(folder / "private" / "keyring"), *_writers(folder / "two"), *_user(folder)]
        rows += _service(folder)
    show(("what", "ours", "floor", "budget", ""), rows)


def _timed(do: Callable[[], object], times: int) -> list[float]:
    took = []
    for _ in range(times):
        began = time.perf_counter()
        do()
        took.append(time.perf_counter() - began)
    return took


def _python(code: str) -> list[float]:
    return _timed(lambda: subprocess.run([sys.executable, "-P", "-c", code], check=True, cwd=ROOT, env=_env()), 5)


def _env() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def _importing() -> list[tuple[str, ...]]:
    bare = _python("pass")
    rooms = _python("import console.credentials.store, console.credentials.choose")
    opened = _python(
        "from pathlib import Path; from console.credentials.choose import open_backend; "
        "open_backend('sealed', Path('/nowhere/keyring'))"
    )
    return [
        ("import the rooms", spread(rooms), spread(bare), "", ""),
        ("import and choose the sealed file", spread(opened), spread(bare), "", ""),
    ]


def _sealed(place: Path) -> list[tuple[str, ...]]:
    from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

    place.parent.mkdir(mode=0o700)
    made = SealedFileKeyring(place)
    made.create(PASSPHRASE)
    kdf = Kdf()

    def derive() -> None:
        Argon2id(salt=b"0" * 16, length=32, iterations=kdf.passes, lanes=kdf.lanes, memory_cost=kdf.memory_kib).derive(
            PASSPHRASE.reveal().encode()
        )

    opening = _timed(lambda: SealedFileKeyring(place).unlock(PASSPHRASE), OPENINGS)
    credentials = Credentials(open_backend("sealed", place), "bench")
    ring = credentials.backend.ring
    assert isinstance(ring, SealedFileKeyring)
    ring.unlock(PASSPHRASE)
    for number in range(50):
        credentials.set(f"entry-{number}", Secret(f"value {number}"))
    reading = _timed(lambda: credentials.get("entry-25"), READS)
    storing = _timed(lambda: ring.set_password("bench", "one", "value"), WRITES)
    whole = _timed(lambda: credentials.set("entry-25", Secret("another value")), 20)
    size = place.stat().st_size

    def floor() -> None:
        new = place.with_name("floor.new")
        with new.open("wb") as file:
            file.write(b"x" * size)
            file.flush()
            os.fsync(file.fileno())
        new.replace(place.with_name("floor"))
        directory = os.open(place.parent, os.O_RDONLY)
        os.fsync(directory)
        os.close(directory)

    refused = 0
    for _ in range(3):
        try:
            SealedFileKeyring(place).unlock(Secret("wrong"))
        except WrongPassphrase:
            refused += 1
    middle = sorted(opening)[len(opening) // 2]
    read = sorted(reading)[len(reading) // 2]
    derived, written = _timed(derive, OPENINGS), _timed(floor, 50)
    return [
        ("open with the passphrase", spread(opening), spread(derived), f"{OPEN_S} s", kept(middle, OPEN_S)),
        ("read one of 50", _ms(reading), "", "1 ms", kept(read, READ_S)),
        ("write one entry", _ms(storing), _ms(written), "", ""),
        ("store a credential, read back, noted", _ms(whole), "", "", ""),
        ("wrong passphrase refused", f"{refused} of 3", "", "3", kept(3 - refused, 0)),
    ]


def _ms(took: list[float]) -> str:
    return spread([one * 1e3 for one in took], "ms")


def _writers(folder: Path, user: str = "") -> list[tuple[str, ...]]:
    folder.mkdir(mode=0o700)
    place = folder / "keyring"
    made = SealedFileKeyring(place)
    made.create(PASSPHRASE)
    began = time.perf_counter()
    children = [
        subprocess.Popen(
            [sys.executable, "-P", "-c", WRITER, str(place), str(who), str(EACH)],
            stdin=subprocess.PIPE, cwd=ROOT, env=_env(), text=True,
        )
        for who in range(WRITERS)
    ]  # fmt: skip
    for child in children:
        assert child.stdin is not None
        child.stdin.write(PASSPHRASE.reveal())
        child.stdin.close()
    codes = [child.wait(600) for child in children]
    took = time.perf_counter() - began
    again = SealedFileKeyring(place)
    again.unlock(PASSPHRASE)
    lost = sum(
        again.get_password("bench", f"{who}-{number}") != f"value {who} {number}"
        for who in range(WRITERS)
        for number in range(EACH)
    )
    what = f"{WRITERS} writers x {EACH} writes: entries lost"
    return [(what, f"{lost} ({took:.1f} s, exit codes {codes})", "", "0", kept(lost, 0))]


def _user(folder: Path) -> list[tuple[str, ...]]:
    """The same file format as a plain user with no home, no D-Bus and no terminal."""
    if os.geteuid() != 0:
        return []
    nobody = pwd.getpwnam("nobody")
    place = folder / "nobody"
    place.mkdir(mode=0o700)
    os.chown(place, nobody.pw_uid, nobody.pw_gid)
    code = (
        "import sys, time; from pathlib import Path; from console.credentials.choose import open_backend\n"
        "from console.credentials.store import Credentials; from console.text.secret import Secret\n"
        "backend = open_backend('auto', Path(sys.argv[1]) / 'keyring'); began = time.perf_counter()\n"
        "backend.ring.create(Secret(sys.stdin.read())); kept = Credentials(backend, 'bench')\n"
        "kept.set('one', Secret('value')); assert kept.get('one').reveal() == 'value'\n"
        "print(time.perf_counter() - began)"
    )
    what = "made, stored and read as a plain user"
    try:
        subprocess.run([sys.executable, "-c", "import console"], check=True, cwd="/", user=nobody.pw_uid, env=_env())
    except (OSError, subprocess.CalledProcessError):
        return [(what, "not measured: this checkout is not for every user of the machine", "", "", "")]
    done = subprocess.run(
        [sys.executable, "-P", "-c", code, str(place)],
        input=PASSPHRASE.reveal(), capture_output=True, text=True, cwd="/", timeout=60, user=nobody.pw_uid,
        group=nobody.pw_gid, extra_groups=(), env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    said = f"{float(done.stdout):.3f} s" if done.returncode == 0 else f"failed: {done.stderr.strip()[-200:]}"
    return [(what, said, "", "", kept(done.returncode, 0))]


def _service(folder: Path) -> list[tuple[str, ...]]:
    if any(shutil.which(name) is None for name in ("dbus-run-session", "gnome-keyring-daemon", "dbus-send")):
        return [("Secret Service", "not measured: needs gnome-keyring and dbus", "", "", "")]
    home = folder / "home"
    home.mkdir(mode=0o700)
    env = {**_env(), "HOME": str(home), "XDG_DATA_HOME": str(home / "data"), "XDG_RUNTIME_DIR": str(home)}
    words = ["dbus-run-session", "--", "sh", "-c", SESSION, "sh", sys.executable, "-P", "-c", SERVICE, str(home)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, env=env, cwd=ROOT)
    if done.returncode != 0:
        return [("Secret Service", f"not measured: {done.stderr.strip()[-160:]}", "", "", "")]
    took = json.loads(done.stdout.splitlines()[-1])
    return [
        ("Secret Service: read", _ms(took["read"]), "", "", ""),
        ("Secret Service: store, read back, noted", _ms(took["store"]), "", "", ""),
    ]


if __name__ == "__main__":
    main()
