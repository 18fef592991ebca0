"""Fetches Docker Compose v2 as a package of the next Debian release, without touching the machine's own packages.

Debian 12 has no Compose v2. The mirror is the one that the machine itself uses: its own source entries are read and
only the word for the release is changed. apt works in a folder of its own and checks signatures as always.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.lab.processes import LabError, run

THIS_RELEASE, NEXT_RELEASE = "bookworm", "trixie"


def fetch(folder: Path) -> Path:
    """Put the program `docker-compose` (v2) into `folder`, if it is not there yet, and return its path."""
    target = folder / "docker-compose"
    if target.exists():
        return target
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="quarterdeck-apt-") as name:
        work = Path(name)
        work.chmod(0o755)  # apt downloads as a user of its own
        for part in ("lists/partial", "cache/archives/partial"):
            (work / part).mkdir(parents=True)
        (work / "next.sources").write_text(next_sources(Path("/etc/apt")))
        options = [
            f"Dir::Etc::sourcelist={work / 'next.sources'}",
            "Dir::Etc::sourceparts=-",
            f"Dir::State::lists={work / 'lists'}",
            f"Dir::Cache={work / 'cache'}",
        ]
        apt = ["apt-get", "-q", *(word for option in options for word in ("-o", option))]
        run(*apt, "update", timeout_s=300)
        run(*apt, "download", "docker-compose", cwd=work, timeout_s=300)
        package = next(work.glob("docker-compose_*.deb"))
        run("dpkg-deb", "--extract", str(package), str(work / "unpacked"))
        fresh = target.with_suffix(".new")
        shutil.copy(work / "unpacked/usr/libexec/docker/cli-plugins/docker-compose", fresh)
        fresh.chmod(0o755)
        fresh.rename(target)
    shown = subprocess.run([target, "version", "--short"], capture_output=True, text=True, timeout=30)
    if shown.returncode or not shown.stdout.startswith("2."):
        raise LabError(f"the fetched docker-compose says {shown.stdout or shown.stderr}")
    return target


def next_sources(etc_apt: Path) -> str:
    """The machine's own main sources of this release, rewritten for the next one (deb822 text).

    Raises LabError when the machine has none that can be read.
    """
    for file in sorted([*etc_apt.glob("sources.list"), *etc_apt.glob("sources.list.d/*")]):
        text = file.read_text(errors="replace") if file.suffix in (".list", ".sources") else ""
        for entry in _deb822(text) if file.suffix == ".sources" else _one_line(text):
            suites, components = entry["suites"].split(), entry.get("components", "").split()
            if THIS_RELEASE in suites and "main" in components and "deb" in entry["types"].split():
                kept = {"Types": "deb", "URIs": entry["uris"], "Suites": NEXT_RELEASE, "Components": "main"}
                if "signed-by" in entry:
                    kept["Signed-By"] = entry["signed-by"]
                return "".join(f"{key}: {value}\n" for key, value in kept.items())
    raise LabError(f"no source of {THIS_RELEASE} main was found below {etc_apt}: Compose v2 cannot be fetched")


def _deb822(text: str) -> list[dict[str, str]]:
    entries: list[dict[str, str]] = [{}]
    last = ""
    for line in text.splitlines():
        if not line.strip():
            entries.append({})
        elif line[0] in " \t":
            entries[-1][last] += "\n" + line
        elif not line.startswith("#"):
            key, _, value = line.partition(":")
            last = key.strip().lower()
            entries[-1][last] = value.strip()
    return [e for e in entries if {"types", "uris", "suites"} <= e.keys() and e.get("enabled", "yes") != "no"]


def _one_line(text: str) -> list[dict[str, str]]:
    entries = []
    for line in text.splitlines():
        words = line.partition("#")[0]
        options = ""
        if "[" in words and "]" in words:
            before, _, rest = words.partition("[")
            options, _, after = rest.partition("]")
            words = before + after
        parts = words.split()
        if len(parts) >= 4:
            entry = {"types": parts[0], "uris": parts[1], "suites": parts[2], "components": " ".join(parts[3:])}
            signed = [word.partition("=")[2] for word in options.split() if word.startswith("signed-by=")]
            entries.append(entry | ({"signed-by": signed[0]} if signed else {}))
    return entries
