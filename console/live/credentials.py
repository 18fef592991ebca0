"""The credentials of a session: what may be shown of them, and setting, checking and removing one.

Used by the credentials screen and by the command line, so that both do the same. A value comes in here and goes into
the keyring; nothing gives it out.
"""

from __future__ import annotations

import json
import secrets
import string
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING

from console.answers import AskFailed
from console.session import CredentialShown

if TYPE_CHECKING:
    from console.credentials.age import Age
    from console.credentials.store import CredentialInfo
    from console.live.ground import Ground
    from console.probes.look import Found
    from console.text.secret import Label, Secret
    from profiles.models import Profile

AGES = "credential-ages"
"""Where the store keeps when each credential was set, by system: so that age is known while the keyring is locked."""
ALPHABET = string.ascii_letters + string.digits
"""Of a value that is made here: letters and digits alone, which every reader of an environment file, an address and a
command line takes as they are."""
SHORTEST, LONGEST = 16, 512


class CredentialsDesk:
    """What can be done with the credentials of one session."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground

    # -- looking ---------------------------------------------------------------------------------------------------

    def shown(self) -> tuple[CredentialShown, ...]:
        """Every credential that the profile names or the keyring has. Raises CredentialError."""
        rules = self._ground.profile.credentials
        have = {info.name: info for info in self._stored()}
        uses = uses_of(self._ground.profile)
        rows = []
        for age in self._remembered_ages({name: info.set_at for name, info in have.items()}):
            info, rule = have.get(age.name), rules.get(age.name)
            rows.append(
                CredentialShown(
                    name=age.name,
                    title=rule.title if rule else "",
                    kind=rule.kind if rule else "not in this profile",
                    state=age.standing,
                    set_at=_iso(age.set_at),
                    age_days=age.days if info else None,
                    due=_day(age.due_at),
                    overdue=_day(age.overdue_at),
                    verified_at=_iso(info.verified_at) if info else "",
                    fingerprint=info.fingerprint if info else "",
                    labels=info.labels if info else (),
                    where=(rule.where if rule else "") or (info.where if info else ""),
                    used=tuple(uses.get(age.name, ())),
                    fields=rule.fields if rule else (),
                )
            )
        return tuple(rows)

    def ages(self) -> tuple[Age, ...]:
        """How every credential stands beside its rule; nobody is asked for a passphrase.

        While the keyring is locked it is what was known last: a credential that somebody renewed elsewhere since is
        shown as old until it is opened. Before it was ever open here nothing is known.
        """
        from console.credentials.age import Age, ages
        from console.credentials.errors import CredentialError

        keys, rules = self._ground.keys, self._ground.profile.credentials
        if not any(rule.rotate_after_days for rule in rules.values()):
            return ()
        with suppress(CredentialError):
            if keys.at_hand or not keys.made:
                return self._ages_now()
        known = self._ground.records.remembered(self._key)
        if known is None:
            return tuple(Age(name, "unknown") for name in sorted(rules))
        return ages({name: datetime.fromisoformat(text) for name, text in known.items()}, rules)

    def late(self, environment: str | None = None) -> tuple[Age, ...]:
        """Credentials that are due or overdue; with an environment, only those that it uses."""
        from profiles.uses import used_by

        late = tuple(one for one in self.ages() if one.late)
        if environment is None or not late:
            return late
        mine = used_by(self._ground.profile, environment)
        return tuple(one for one in late if one.name in mine)

    @property
    def _key(self) -> str:
        return f"{AGES}:{self._ground.profile.system}"

    def _stored(self) -> list[CredentialInfo]:
        keys = self._ground.keys
        return keys.credentials().list() if keys.made else []

    def _ages_now(self) -> tuple[Age, ...]:
        """As the keyring says; from now on they are known while it is locked. Raises CredentialError."""
        return self._remembered_ages({one.name: one.set_at for one in self._stored()})

    def _remembered_ages(self, set_at: dict[str, datetime]) -> tuple[Age, ...]:
        from console.credentials.age import ages
        from console.store.database import StoreUnusable

        body = {name: moment.isoformat() for name, moment in sorted(set_at.items())}
        try:
            if self._ground.keys.made and self._ground.records.remembered(self._key) != body:
                self._ground.records.remember(self._key, body)
        except StoreUnusable:
            pass  # a full disk costs the next locked look its ages, nothing else
        return ages(set_at, self._ground.profile.credentials)

    # -- changing --------------------------------------------------------------------------------------------------

    def set(self, name: str, value: Secret, *, label: Label = "current", where: str = "", field: str = "") -> None:
        """Store a value, or one field of it. Raises CredentialError, AskFailed for a value that cannot be used."""
        from console.text.secret import labelled

        keys = self._ground.keys
        self._ground.redactor.add(labelled(name, label), value)
        keys.open_now(make=True)
        whole = self._with_field(name, field, value, label) if field else value
        self._fields_there(name, whole)
        self._ground.redactor.add(labelled(name, label), whole)
        keys.credentials().set(name, whole, meta={"where": where} if where else None, label=label)
        self._ages_now()
        self._ground.record("credential.set", {"name": name, **({"label": label} if label != "current" else {})})

    def check(self, name: str) -> Found:
        """Prove that it works against what it is for, and note when. Raises CredentialError, AskFailed."""
        from console.live.check_credential import check_credential

        found = check_credential(self._ground, name)
        if found.verdict == "yes":
            self._ground.keys.credentials().verified(name)
        self._ground.record("credential.checked", {"name": name, "verdict": found.verdict})
        return found

    def remove(self, name: str, label: Label | None = None) -> None:
        """Take it out of the keyring, or one value of it. Raises CredentialMissing, CredentialError."""
        keys = self._ground.keys
        keys.open_now()
        keys.credentials().remove(name, label)
        self._ages_now()
        self._ground.record("credential.removed", {"name": name, **({"label": label} if label else {})})

    def _with_field(self, name: str, field: str, value: Secret, label: Label) -> Secret:
        from console.text.secret import Secret

        credentials = self._ground.keys.credentials()
        fields: dict[str, str] = {}
        if credentials.has(name, label):
            try:
                loaded = json.loads(credentials.get(name, label).reveal())
            except ValueError:
                loaded = None
            if not isinstance(loaded, dict):
                raise AskFailed(
                    f"{name} is stored as one text and not as fields; nothing was stored.",
                    (f"set all of it anew: quarterdeck credentials set {name}",),
                )
            fields = loaded
        return Secret(json.dumps({**fields, field: value.reveal()}, ensure_ascii=False))

    def _fields_there(self, name: str, value: Secret) -> None:
        """A credential with fields is a JSON object of texts; one field may come after the other."""
        rule = self._ground.profile.credentials.get(name)
        if rule is None or not rule.fields:
            return
        try:
            loaded = json.loads(value.reveal())
        except ValueError:
            loaded = None
        good = isinstance(loaded, dict) and all(isinstance(one, str) for one in loaded.values())
        wrong = sorted(set(loaded) - set(rule.fields)) if isinstance(loaded, dict) else []
        if not good or wrong:
            names = ", ".join(rule.fields)
            what = f"it has {', '.join(wrong)}, which it should not" if wrong else "it is something else"
            raise AskFailed(
                f"The value of {name} is a JSON object of texts with the fields {names}; {what}. Nothing was stored.",
                (f"one field alone: quarterdeck credentials set {name} --field {rule.fields[0]}",),
            )


def generated(length: int) -> Secret:
    """A random value of letters and digits. Raises AskFailed for a length that is none."""
    from console.text.secret import Secret

    if not SHORTEST <= length <= LONGEST:
        raise AskFailed(f"A value that is made here has {SHORTEST} to {LONGEST} characters, not {length}.")
    return Secret("".join(secrets.choice(ALPHABET) for _ in range(length)))


def uses_of(profile: Profile) -> dict[str, list[str]]:
    """Each credential to the places that use it, in words."""
    found: dict[str, list[str]] = {}
    for name, words in _uses(profile):
        places = found.setdefault(name, [])
        if words not in places:
            places.append(words)
    return found


def _uses(profile: Profile) -> Iterator[tuple[str, str]]:
    from profiles.models import secret_names

    for host in profile.hosts.values():
        if host.passphrase is not None:
            yield host.passphrase.secret, f"the SSH key of {host.name}"
    for environment in profile.environments.values():
        registry = getattr(environment.stack, "registry", None)
        if registry is not None and registry.password is not None:
            yield registry.password.secret, f"registry {registry.host} of {environment.name}"
        for file in environment.files.values():
            for line in file.entries:
                for one in secret_names(line):
                    yield one.secret, f"{line.key} in {file.path} of {environment.name}"
        for words, part in (("smoke tests", environment.smoke), ("feeds", environment.feeds)):
            for one in secret_names(part):
                yield one.secret, f"{words} of {environment.name}"
        for one in secret_names(tuple(environment.probes.values())):
            yield one.secret, f"probes of {environment.name}"
        for rotation in environment.rotations.values():
            for one in secret_names(rotation):
                yield one.secret, f"rotation {rotation.name} of {environment.name}"
    if profile.audit is not None and profile.audit.webhook is not None:
        yield profile.audit.webhook.secret, "webhook of the audit"


def _iso(moment: datetime | None) -> str:
    return moment.isoformat(timespec="seconds") if moment is not None else ""


def _day(moment: datetime | None) -> str:
    return moment.date().isoformat() if moment is not None else ""
