"""Reading a container registry: tags, and the digest that a tag names. Registry HTTP API v2; nothing is ever written.

Digests are resolved here by HTTP rather than by `docker manifest`, so that a plan can be made before anything is
fetched and without a login on the host. A manifest is asked for by HEAD, with every manifest type in `Accept`: a
registry that is not told of OCI indexes answers with a converted manifest, whose digest no engine can pull
(distribution-spec 1.1, docker-registry 2.8.2).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from console.stacks.base import RegistrySpec

if TYPE_CHECKING:
    import httpx

    from console.hosts.base import Host

DOCKER_HUB = "docker.io"
ACCEPT = ", ".join(
    (
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    )
)
DIGEST = re.compile(r"^sha256:[0-9a-f]{64}$")
_TAG = re.compile(r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$")
_PATH = re.compile(r"^[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*$")
_HOST = re.compile(r"^(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9a-fA-F:]+\])(?::[0-9]{1,5})?$")
MAX_TAGS = 10_000
MAX_BYTES = 4 * 1024 * 1024
"""Of one answer. A list of tags of 10,000 is at most a third of it."""
DEADLINE_S = 10.0


REFUSED = (401, 403)


class RegistryError(Exception):
    """A registry could not be read. The text is a whole sentence, sanitised; `unreachable`: silence, not refusal.

    `refused`: it does not take this login.
    """

    def __init__(
        self, sentence: str, *, unreachable: bool = False, missing: bool = False, refused: bool = False
    ) -> None:
        from console.text.sanitise import clean_text

        super().__init__(clean_text(sentence))
        self.unreachable = unreachable
        self.refused = refused
        self.exit_code = 5 if unreachable else 4
        self.missing = missing
        """True if the registry answered and does not have what was asked for."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a registry answered, read whole and no longer than `MAX_BYTES`."""

    status: int
    headers: Mapping[str, str]
    """By lower-case name."""
    body: bytes


@dataclass(frozen=True, slots=True)
class Reference:
    """An image's name, taken apart: `10.0.0.5:5000/app/backend:1.4.0`."""

    registry: str
    path: str
    tag: str | None = None
    digest: str | None = None

    @property
    def repository(self) -> str:
        """Registry and path, as the engine writes them: Docker Hub's own name is left out."""
        if self.registry == DOCKER_HUB:
            return self.path.removeprefix("library/")
        return f"{self.registry}/{self.path}"

    def at(self, digest: str) -> str:
        """The reference by digest. Raises ValueError for what is no digest: it may be from a record on a host."""
        if not DIGEST.fullmatch(digest):
            raise ValueError(f"{digest!r} is no sha256 digest")
        return f"{self.repository}@{digest}"


def parse_reference(text: str) -> Reference:
    """Take an image reference apart, by the rules of the engine (distribution/reference).

    The first part is a registry only if it holds a dot or a colon, or is `localhost`. Raises ValueError.
    """
    rest, at, digest = text.partition("@")
    if at and not DIGEST.fullmatch(digest):
        raise ValueError(f"{text!r} is not the name of an image: what follows '@' is no sha256 digest")
    first, slash, remainder = rest.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        registry, path = first, remainder
    else:
        registry, path = DOCKER_HUB, rest
    path, colon, tag = path.partition(":")
    if registry == DOCKER_HUB and "/" not in path:
        path = f"library/{path}"
    if not _HOST.fullmatch(registry) or not _PATH.fullmatch(path):
        raise ValueError(f"{text!r} is not the name of an image")
    if colon and not _TAG.fullmatch(tag):
        raise ValueError(f"{tag!r} in {text!r} is not a tag")
    return Reference(registry, path, tag or None, digest or None)


def registry_of(reference: str) -> str:
    """The registry of an image reference. Raises ValueError."""
    return parse_reference(reference).registry


def loopback(registry: str) -> bool:
    """Whether a registry's address is this machine: there plain HTTP is allowed, as the engine allows it."""
    name = registry.rsplit(":", 1)[0].strip("[]") if not registry.endswith("]") else registry.strip("[]")
    return name == "localhost" or name == "::1" or bool(re.fullmatch(r"127(\.[0-9]{1,3}){3}", name))


class Registry:
    """A client of one registry. Use it as a context manager; every request has a deadline."""

    def __init__(self, spec: RegistrySpec, password: str | None = None, via: Host | None = None) -> None:
        """`password` belongs to `spec.user`; `via` is the host from which the registry is reached, if not from here."""
        self._spec = spec
        self._password = password
        self._via = via
        plain = spec.insecure or loopback(spec.host)
        name = "registry-1.docker.io" if spec.host == DOCKER_HUB else spec.host
        self._base = f"{'http' if plain else 'https'}://{name}"
        self._client: httpx.Client | None = None
        self._tokens: dict[str, str] = {}

    def __enter__(self) -> Registry:
        from console.hosts.http import client

        self._client = client(self._via, timeout_s=DEADLINE_S, ca_file=self._spec.ca)
        return self

    def __exit__(self, *exc: object) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None
        self._tokens.clear()

    def digest(self, path: str, tag: str) -> str:
        """The digest that `path:tag` names now. Raises RegistryError (`missing` if there is no such tag)."""
        if not (_TAG.fullmatch(tag) or DIGEST.fullmatch(tag)) or not _PATH.fullmatch(path):
            raise RegistryError(f"{path}:{tag} is not the name of an image.", missing=True)
        response = self._ask("HEAD", f"/v2/{path}/manifests/{tag}", path, {"Accept": ACCEPT})
        if response.status == 404:
            raise RegistryError(f"The registry {self._spec.host} has no {path}:{tag}.", missing=True)
        self._expect(response, f"{path}:{tag}")
        digest = str(response.headers.get("docker-content-digest", ""))
        if not DIGEST.fullmatch(digest):
            raise RegistryError(f"The registry {self._spec.host} gave no digest for {path}:{tag}.")
        return digest

    def tags(self, path: str) -> tuple[str, ...]:
        """All tags of a repository, as people sort versions, newest first. Raises RegistryError."""
        found: list[str] = []
        page = f"/v2/{path}/tags/list?n=1000"
        while page and len(found) < MAX_TAGS:
            response = self._ask("GET", page, path, {})
            if response.status == 404:
                raise RegistryError(f"The registry {self._spec.host} has no repository {path}.", missing=True)
            self._expect(response, path)
            found += [
                tag for tag in self._json(response).get("tags") or () if isinstance(tag, str) and _TAG.fullmatch(tag)
            ]
            page = _next_page(response.headers.get("link", ""))
        return newest_first(found)

    def _ask(self, method: str, url: str, path: str, headers: dict[str, str]) -> Answer:
        """One request, and a second one with what the registry asks for. The password goes only to where the
        registry sends us for a token if that place is HTTPS, or the loopback."""
        response = self._send(method, self._base + url, {**headers, **self._authorization(path)})
        if response.status != 401:
            return response
        challenge = response.headers.get("www-authenticate", "")
        scheme, _, rest = challenge.partition(" ")
        fields = {match[1].lower(): match[2] for match in re.finditer(r'([A-Za-z_]+)="([^"]*)"', rest)}
        if scheme.lower() == "basic" and self._spec.user and self._password is not None:
            self._tokens[path] = "basic"
        elif scheme.lower() == "bearer" and "realm" in fields:
            self._tokens[path] = self._token(fields, path)
        else:
            raise RegistryError(f"The registry {self._spec.host} wants a login, and the profile names none for it.")
        return self._send(method, self._base + url, {**headers, **self._authorization(path)})

    def _authorization(self, path: str) -> dict[str, str]:
        import base64

        held = self._tokens.get(path)
        if held is None:
            return {}
        if held == "basic":
            pair = f"{self._spec.user}:{self._password}".encode()
            return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}
        return {"Authorization": f"Bearer {held}"}

    def _token(self, fields: dict[str, str], path: str) -> str:
        """A pull token from the place that the registry names (distribution token specification)."""
        import httpx

        try:
            realm = httpx.URL(fields["realm"])
        except httpx.InvalidURL:
            raise RegistryError(f"The registry {self._spec.host} sends us to a place that is no address.") from None
        if realm.scheme != "https" and not loopback(realm.host) and not self._spec.insecure:
            raise RegistryError(
                f"The registry {self._spec.host} wants the login sent to {realm.host} without encryption; it was not."
            )
        query = {"scope": fields.get("scope", f"repository:{path}:pull")}
        if "service" in fields:
            query["service"] = fields["service"]
        auth = None
        if self._spec.user and self._password is not None:
            auth = httpx.BasicAuth(self._spec.user, self._password)
        response = self._send("GET", str(realm.copy_merge_params(query)), {}, auth)
        if response.status != 200:
            raise RegistryError(
                f"{realm.host} gave no token for {self._spec.host}/{path}: it answered {response.status}.",
                refused=response.status in REFUSED,
            )
        value = self._json(response)
        token = value.get("token") or value.get("access_token")
        if not isinstance(token, str) or not token:
            raise RegistryError(f"{realm.host} gave no token for {self._spec.host}/{path}.")
        return token

    def _send(self, method: str, url: str, headers: dict[str, str], auth: httpx.Auth | None = None) -> Answer:
        import httpx

        if self._client is None:
            raise ValueError("a Registry is used as a context manager")
        try:
            asked = {**headers, "Accept-Encoding": "identity"}
            with self._client.stream(method, url, headers=asked, auth=auth) as response:
                body = bytearray()
                for part in response.iter_bytes(64 * 1024):
                    body += part
                    if len(body) > MAX_BYTES:
                        raise RegistryError(
                            f"The registry {self._spec.host} answered with more than {MAX_BYTES // 2**20} MB, which is "
                            "no answer to what it was asked; the rest was not read."
                        )
                return Answer(response.status_code, {k.lower(): v for k, v in response.headers.items()}, bytes(body))
        except httpx.HTTPError as error:
            words = str(error) or type(error).__name__
            raise RegistryError(
                f"The registry {self._spec.host} was not reached: {words}.", unreachable=True
            ) from error

    def _expect(self, response: Answer, what: str) -> None:
        if response.status in REFUSED:
            who = f"{self._spec.user} " if self._spec.user else "nobody "
            raise RegistryError(
                f"The registry {self._spec.host} does not let {who}read {what} ({response.status}).", refused=True
            )
        if response.status != 200:
            raise RegistryError(f"The registry {self._spec.host} answered {response.status} for {what}.")

    def _json(self, response: Answer) -> dict[str, Any]:
        try:
            value = json.loads(response.body)
        except (ValueError, RecursionError):
            value = None
        if not isinstance(value, dict):
            raise RegistryError(f"The registry {self._spec.host} answered something that is not JSON.")
        return value


def _next_page(link: str) -> str:
    """The path of the next page from a `Link` header, or "". Only a path on the same registry is followed."""
    match = re.match(r'^<([^>]+)>\s*;\s*rel="?next"?', link)
    if match is None:
        return ""
    target = re.sub(r"^https?://[^/]+", "", match[1])
    return target if target.startswith("/v2/") else ""


def newest_first(tags: Sequence[str]) -> tuple[str, ...]:
    """Tags as people sort versions: 1.10.0 above 1.9.0; a pre-release (`1.0.0-rc1`) below its release."""

    def key(tag: str) -> tuple[object, ...]:
        parts: list[tuple[int, int, str]] = []
        for piece in re.findall(r"[0-9]+|[A-Za-z]+|-", re.sub(r"^v(?=[0-9])", "", tag)):
            if piece.isdecimal():
                parts.append((2, int(piece), ""))
            elif piece == "-":
                parts.append((-1, 0, ""))
            else:
                parts.append((0, 0, piece))
        return (bool(re.match(r"v?[0-9]", tag)), [*parts, (1, 0, "")], tag)

    return tuple(sorted(dict.fromkeys(tags), key=key, reverse=True))
