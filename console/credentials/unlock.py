"""Unlocking: where a passphrase comes from, and how a key reaches the processes that need it.

A passphrase is asked for by our own code (the console's masked field, or the terminal for the command line), never
by a keyring back end. A detached child gets the key through an inherited file descriptor: only the *number* of the
descriptor may stand in its arguments; neither key nor passphrase is ever in arguments or environment.
"""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NoReturn, Protocol

from console.credentials.cores import no_core_dumps
from console.credentials.errors import KeyringLocked, WrongPassphrase
from console.text.secret import MASK, Secret, SecretLeak

KEY_BYTES: Final = 32
FILE_ID_BYTES: Final = 16
FD_DEADLINE_S: Final = 10.0
_MAGIC: Final = b"quarterdeck-key-1\0"
_MAX_PASSPHRASE: Final = 4096
LOCKED: Final = (
    "The keyring is locked and there is no terminal to ask for its passphrase. Unlock it from a terminal, or hand the "
    "passphrase over by a descriptor: --passphrase-fd N."
)


class SessionKey:
    """The key of one sealed file, for as long as a session lasts. Shows itself nowhere; `wipe` forgets it."""

    __slots__ = ("__key", "file_id")
    file_id: str
    """Which sealed file it opens (hexadecimal); no secret."""

    def __init__(self, key: bytes, file_id: str) -> None:
        if len(key) != KEY_BYTES or len(bytes.fromhex(file_id)) != FILE_ID_BYTES:
            raise ValueError("A session key is 32 bytes for a file named by 16 bytes in hexadecimal.")
        self.__key = bytearray(key)
        self.file_id = file_id

    def reveal(self) -> bytes:
        """The key. Raises KeyringLocked after `wipe`."""
        if not any(self.__key):
            raise KeyringLocked("The keyring was locked again in this session. Unlock it to go on.")
        return bytes(self.__key)

    def wipe(self) -> None:
        """Overwrites the key, as far as Python allows."""
        self.__key[:] = bytes(KEY_BYTES)

    def __repr__(self) -> str:
        return MASK

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise SecretLeak("A session key cannot be pickled or copied; hand it on with write_key_fd.")


def write_key_fd(key: SessionKey) -> int:
    """A descriptor from which one child can read `key` once, for `pass_fds` of the process that is started.

    The caller closes it after the child was started. It is a pipe, so that nothing is left on any disk.
    """
    reading, writing = os.pipe()
    try:
        os.write(writing, key_message(key))
    except BaseException:
        os.close(reading)
        raise
    finally:
        os.close(writing)
    return reading


def key_message(key: SessionKey) -> bytes:
    """What `read_key_fd` reads, for a pipe to one child and nothing else."""
    return _MAGIC + bytes.fromhex(key.file_id) + key.reveal()


def read_key_fd(fd: int, deadline_s: float = FD_DEADLINE_S) -> SessionKey:
    """The key that `write_key_fd` wrote. Reads `fd` to its end and closes it.

    Raises KeyringLocked if nothing of that kind comes within `deadline_s` seconds.
    """
    data = _drain(fd, len(_MAGIC) + FILE_ID_BYTES + KEY_BYTES + 1, deadline_s)
    if not data.startswith(_MAGIC) or len(data) != len(_MAGIC) + FILE_ID_BYTES + KEY_BYTES:
        raise KeyringLocked(
            f"What came on descriptor {fd} is not a session key of this program. Start again from the console, or "
            "unlock with a passphrase."
        )
    body = data[len(_MAGIC) :]
    return SessionKey(body[FILE_ID_BYTES:], body[:FILE_ID_BYTES].hex())


def read_passphrase_fd(fd: int, deadline_s: float = FD_DEADLINE_S) -> Secret:
    """A passphrase from a descriptor, for unattended use (a systemd credential, a here-document). One line end at
    its end is dropped. Reads `fd` to its end and closes it. Raises KeyringLocked if none comes in time."""
    no_core_dumps()
    data = _drain(fd, _MAX_PASSPHRASE + 2, deadline_s)
    try:
        text = data.decode("utf-8").removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        text = ""
    if not text or len(data) > _MAX_PASSPHRASE:
        raise KeyringLocked(f"No passphrase came on descriptor {fd}: it must be one line of UTF-8, not empty.")
    return Secret(text)


def _drain(fd: int, limit: int, deadline_s: float) -> bytes:
    """At most `limit` bytes up to the end of the file."""
    end = time.monotonic() + deadline_s
    data = b""
    try:
        os.fstat(fd)
        waiting = select.poll()
        waiting.register(fd, select.POLLIN)
        while len(data) < limit:
            if not waiting.poll(max(end - time.monotonic(), 0) * 1000):
                raise KeyringLocked(
                    f"Waited {deadline_s:.0f} s for a key on descriptor {fd} and its writer did not finish. Nothing "
                    "was unlocked; start again."
                )
            part = os.read(fd, limit - len(data))
            if not part:
                break
            data += part
    except (OSError, ValueError) as problem:
        raise KeyringLocked(
            f"Descriptor {fd} cannot be read ({problem}). The process that starts this one must leave it open."
        ) from None
    finally:
        if fd >= 0:
            try:
                os.close(fd)
            except OSError:
                data = b""
    return data


@dataclass(frozen=True, slots=True)
class Asked:
    """What an Unlocker is asked for."""

    what: str
    """The keyring, in words."""
    new: bool = False
    """True when the keyring is being made: the passphrase is chosen, and asked for twice."""
    problem: str = ""
    """Why the last answer did not do; empty at first."""


class Unlocker(Protocol):
    """Asks a person for the passphrase: the console's masked field, or `TerminalUnlocker` for the command line."""

    def passphrase(self, asked: Asked) -> Secret | None:
        """The passphrase, or None when the person will not give it. Raises KeyringLocked when nobody can be asked."""


def ask_until_right(unlocker: Unlocker, what: str, use: Callable[[Secret], None], attempts: int = 3) -> None:
    """Asks for a passphrase and hands it to `use` until that does not raise WrongPassphrase, `attempts` times.

    Raises KeyringLocked when the person cancels, and the last WrongPassphrase when no answer was right.
    """
    problem = ""
    for left in range(attempts - 1, -1, -1):
        answer = unlocker.passphrase(Asked(what, problem=problem))
        if answer is None:
            raise KeyringLocked(f"{what} stays locked: no passphrase was given.")
        try:
            return use(answer)
        except WrongPassphrase as wrong:
            if not left:
                raise
            problem = f"{wrong} {left} more {'try' if left == 1 else 'tries'}."
    raise KeyringLocked(f"{what} stays locked.")


class TerminalUnlocker:
    """Asks on the controlling terminal, with echo off, whatever standard input and output are joined to."""

    def __init__(self, terminal: str = "/dev/tty", nobody: str = LOCKED) -> None:
        """`nobody`: what is said where there is no terminal."""
        self._terminal = terminal
        self._nobody = nobody

    def passphrase(self, asked: Asked) -> Secret | None:
        """See Unlocker. Raises KeyringLocked if this process has no terminal."""
        no_core_dumps()
        if asked.problem:
            self._say(asked.problem + "\n")
        if not asked.new:
            return self._line(f"Passphrase of {asked.what}: ")
        return self._twice(
            f"New passphrase for {asked.what}: ", "The two passphrases differ; nothing was made. Start again."
        )

    def value(self, what: str) -> Secret | None:
        """A value that is to be stored; None where nothing is typed. Raises KeyringLocked if nobody can be asked."""
        no_core_dumps()
        return self._twice(f"Value of {what}: ", "The two values differ; nothing was stored. Start again.")

    def _twice(self, prompt: str, differ: str) -> Secret | None:
        first = self._line(prompt)
        if first is None:
            return None
        second = self._line("The same again: ")
        if second is None:
            return None
        if first != second:
            raise KeyringLocked(differ)
        return first

    def _open(self) -> int:
        try:
            return os.open(self._terminal, os.O_RDWR | os.O_NOCTTY)
        except OSError:
            raise KeyringLocked(self._nobody) from None

    def _say(self, text: str) -> None:
        from console.text.sanitise import clean_lines

        fd = self._open()
        try:
            os.write(fd, ("\r\n".join(clean_lines(text)) + "\r\n").encode())
        finally:
            os.close(fd)

    def _line(self, prompt: str) -> Secret | None:
        import termios

        from console.text.sanitise import clean

        fd = self._open()
        try:
            before = termios.tcgetattr(fd)
            quiet = [*before]
            # Line editing stays on; echo goes, but for the line feed. Signals stay on, so that Ctrl-C interrupts.
            quiet[3] = (before[3] | termios.ICANON | termios.ISIG) & ~(termios.ECHO | termios.ECHONL)
            termios.tcsetattr(fd, termios.TCSAFLUSH, quiet)
            try:
                os.write(fd, clean(prompt).encode())
                typed = os.read(fd, _MAX_PASSPHRASE)
            finally:
                termios.tcsetattr(fd, termios.TCSAFLUSH, before)
                os.write(fd, b"\r\n")
        except termios.error as problem:
            raise KeyringLocked(f"The terminal cannot be asked for a passphrase ({problem.args[-1]}).") from None
        finally:
            os.close(fd)
        text = typed.decode("utf-8", "replace").rstrip("\r\n")
        return Secret(text) if text else None
