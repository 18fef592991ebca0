"""The Docker engine's API over any kind of connection, for reading only.

An effect on a host goes through the guard; the API would go round it. So everything but GET and HEAD is refused here,
before a byte is sent, and so are the reading requests that open a container's input.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from console.hosts.base import EngineError, HostError, HostUnreachable
from console.text.sanitise import clean
from console.timing import Timing

if TYPE_CHECKING:
    from docker import APIClient

_NEWEST = (1, 44)
"""Newest API version that the requests made here are written for."""
_OLDEST = (1, 24)
_OPENS_INPUT = re.compile(r"^(/v[0-9.]+)?/containers/[^/]+/attach(/|$|\?)")


def read_only_client(host: str, dial: Callable[[], socket.socket], timing: Timing) -> APIClient:
    """A `docker.APIClient` that speaks over `dial()`, its version pinned after one GET /version.

    Raises EngineError when the engine does not answer or is too old; whatever `dial` raises (HostError).
    """
    import docker
    import requests

    adapter = _adapter(host, dial)
    url = "http://engine.invalid:80"  # the client refuses an address without a port
    session = requests.Session()
    # No proxy of the environment may stand between us and a socket that is ours.
    session.trust_env = False
    session.mount("http://", adapter)
    try:
        answer = session.get(f"{url}/version", timeout=timing.read_s)
        answer.raise_for_status()
        told = answer.json()
        found = str(told["ApiVersion"])
        newest = tuple(int(part) for part in found.split("."))
    except (KeyError, TypeError, ValueError, RecursionError) as error:  # what is no JSON is a RequestException as well
        adapter.close()
        raise EngineError(host, f"what listens on the Docker socket of {host} is no Docker engine.") from error
    except requests.RequestException as error:
        adapter.close()
        raise engine_error(host, "for its version", error) from error
    if newest < _OLDEST:
        adapter.close()
        raise EngineError(host, f"the Docker engine of {host} is too old: it speaks API {found}, 1.24 is needed.")
    version = ".".join(str(part) for part in min(newest, _NEWEST))
    client = docker.APIClient(base_url=url, version=version, timeout=max(1, round(timing.read_s)))
    client.trust_env = False
    client.mount("http://", adapter)  # with the connection that is there
    return client


def engine_error(host: str, asked: str, error: Exception) -> HostError:
    """What became of a question to the engine, in our own words: `error` is of docker or requests.

    `asked`: what it was asked for, as `which containers run`. The HostError that `dial` raised, if there is one below.
    """
    import requests

    below: BaseException | None = error
    while below is not None:
        if isinstance(below, HostError):
            return below
        inner = getattr(below, "reason", None)
        below = inner if isinstance(inner, BaseException) else (below.__cause__ or below.__context__)
    unknown = "Asking changed nothing; what runs there now is not known."
    if isinstance(error, requests.HTTPError):  # docker's own, APIError, is one
        said = clean(str(getattr(error, "explanation", None) or "").strip(), 300)
        said = said or f"code {error.response.status_code}"
        return EngineError(host, f"The Docker engine of {host} was asked {asked}, and refused: {said}.")
    if isinstance(error, requests.Timeout):
        return EngineError(
            host,
            f"The Docker engine of {host} was asked {asked}, and has not answered in time. {unknown} Look whether it "
            "hangs there (docker ps), then ask again.",
        )
    return HostUnreachable(
        host,
        f"{host} went away while its Docker engine was asked {asked}. {unknown} Look whether the host is up "
        "(quarterdeck hosts) and its engine runs (systemctl status docker), then ask again.",
    )


def _adapter(host: str, dial: Callable[[], socket.socket]) -> Any:
    """A requests adapter whose connections come from `dial`, and which lets nothing through that changes anything."""
    import requests
    import urllib3
    from requests.adapters import HTTPAdapter

    class Wire(urllib3.connection.HTTPConnection):
        def connect(self) -> None:
            connection = dial()
            timeout = self.timeout
            connection.settimeout(timeout if isinstance(timeout, (int, float)) else None)
            self.sock = connection

    class Pool(urllib3.HTTPConnectionPool):
        ConnectionCls = Wire

    class ReadOnly(HTTPAdapter):
        def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
            self.only = Pool("engine.invalid", maxsize=10, retries=False)
            super().init_poolmanager(*args, **kwargs)

        def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> Pool:
            return self.only

        def send(
            self,
            request: requests.PreparedRequest,
            stream: bool = False,
            timeout: Any = None,
            verify: bool | str = True,
            cert: Any = None,
            proxies: Mapping[str, str] | None = None,
        ) -> requests.Response:
            if request.method not in ("GET", "HEAD") or _OPENS_INPUT.match(request.path_url):
                raise PermissionError(
                    f"the Docker API of {host} is only read from here; {request.method} "
                    f"{request.path_url.split('?')[0]} has to be a guarded command"
                )
            return super().send(request, stream, timeout, verify, cert, dict(proxies or {}))

        def close(self) -> None:
            self.only.close()
            super().close()

    return ReadOnly(pool_maxsize=10, max_retries=0)
