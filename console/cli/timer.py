"""The text of a timer that calls `quarterdeck wake`: units of the user's service manager, and a line for cron. Pure."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path

MINUTES = 2

_UNITS = """\
# ~/.config/systemd/user/quarterdeck-wake.service
[Unit]
Description=Go on with what Quarterdeck has waiting

[Service]
Type=oneshot
{environment}ExecStart={command} wake
# The runners that it starts are not to end with it.
KillMode=process
# Where runs need credentials of a sealed file: its passphrase by a descriptor.
#LoadCredentialEncrypted=passphrase
#ExecStart=/bin/sh -c 'exec {shell} --passphrase-fd 3 wake 3<"$CREDENTIALS_DIRECTORY/passphrase"'

# ~/.config/systemd/user/quarterdeck-wake.timer
[Unit]
Description=Go on with what Quarterdeck has waiting

[Timer]
OnBootSec={minutes}min
OnUnitInactiveSec={minutes}min

[Install]
WantedBy=timers.target

# then:
#   loginctl enable-linger
#   systemctl --user daemon-reload && systemctl --user enable --now quarterdeck-wake.timer
# It fails (exit code 6, or 3) while a run waits for a person: systemctl --user --failed

# Or a line of `crontab -e`, which mails what it says and says nothing while nothing waits:
*/{minutes} * * * * {cron} wake"""


def program(called: str) -> tuple[str, ...]:
    """The words that call this program from anywhere, by what it was called as."""
    if Path(called).name == "quarterdeck":
        return (str(Path(shutil.which(called) or called).absolute()),)
    found = shutil.which("quarterdeck")
    return (found,) if found else (sys.executable, "-P", "-c", "from console.cli import main; main()")


def timer_text(words: tuple[str, ...], state: str = "") -> str:
    """Units and cron line for a program. `state`: the state directory, where it is not the usual one."""
    shell = shlex.join(words)
    cron = (f"QUARTERDECK_STATE_DIR={shlex.quote(state)} " if state else "") + shell
    return _UNITS.format(
        environment=f"Environment={_unit(f'QUARTERDECK_STATE_DIR={state}')}\n" if state else "",
        command=" ".join(_unit(word, executed=True) for word in words),
        shell=shell.replace("%", "%%").replace("'", "'\\''"),
        cron=cron.replace("%", "\\%"),  # cron makes a line feed of a bare one
        minutes=MINUTES,
    )


def _unit(word: str, *, executed: bool = False) -> str:
    """A word as a unit file takes it: quoted where need be, specifiers, and variables of a command, as plain text."""
    plain = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    plain = plain.replace("$", "$$") if executed else plain
    return f'"{plain}"' if plain != word or any(one.isspace() or one in "'\";#" for one in word) else word
