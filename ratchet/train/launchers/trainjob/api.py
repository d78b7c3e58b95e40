"""One request to the Kubernetes API, and what its answers mean: it is refused, or the server is away."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ratchet import canonical
from ratchet.errors import TrainError

CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 30.0
SILENT_SECONDS = 60.0
"""A log that says nothing for so long is asked for again: a connection may die unheard."""
_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
_AWAY = (0, 401, 408, 429)
"""Answers after which to ask again; 401 while a token is renewed."""
Object = dict[str, Any]


class Away(Exception):
    """The API server did not answer, or asked for patience."""


class Refused(Exception):
    """The API server said no: HTTP `code`, Kubernetes' `reason`."""

    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.code, self.reason = code, reason


class NoCluster(TrainError):
    """There is no cluster to ask; `why`, without what it was for."""

    def __init__(self, why: str) -> None:
        super().__init__(
            f"launcher trainjob needs a cluster: {why} Run it in a pod, set KUBECONFIG, or use another launcher."
        )
        self.why = why


@dataclass(frozen=True)
class Api:
    """An API server and the namespace in which to work. `pod` is this process's own, None outside of a cluster."""

    client: Any
    namespace: str
    pod: str | None

    def ask(self, method: str, path: str, *, body: Object | None = None, query: Mapping[str, str] = {}) -> Object:
        """One request with a JSON answer. Raises Away and Refused."""
        from urllib3.exceptions import HTTPError

        content = "application/merge-patch+json" if method == "PATCH" else "application/json"
        answer = self._call(method, path, body, query, {"Content-Type": content}, (CONNECT_SECONDS, ANSWER_SECONDS))
        try:
            found: Object = canonical.loads(answer.data)
        except (HTTPError, OSError, ValueError) as error:
            # Cut off in the middle: what it did is done, and asking again shows it.
            raise Away(f"{type(error).__name__}: {error}") from error
        return found

    def lines(self, path: str, query: Mapping[str, str]) -> Iterator[str]:
        """The lines of a text as they come. Raises Away when the connection breaks or is silent, and Refused."""
        from urllib3.exceptions import HTTPError

        answer = self._call("GET", path, None, query, {}, (CONNECT_SECONDS, SILENT_SECONDS))
        rest = b""
        try:
            for piece in answer.stream(amt=None):
                *whole, rest = (rest + piece).split(b"\n")
                yield from (line.decode("utf-8", errors="replace") for line in whole)
        except (HTTPError, OSError) as error:
            raise Away(f"{type(error).__name__}: {error}") from error
        finally:
            answer.release_conn()
        if rest:
            yield rest.decode("utf-8", errors="replace")

    def _call(
        self,
        method: str,
        path: str,
        body: Object | None,
        query: Mapping[str, str],
        headers: dict[str, str],
        patience: tuple[float, float],
    ) -> Any:
        from kubernetes.client import ApiException
        from urllib3.exceptions import HTTPError

        try:
            return self.client.call_api(
                path,
                method,
                query_params=list(query.items()),
                header_params={"Accept": "application/json", **headers},
                body=body,
                auth_settings=["BearerToken"],
                _preload_content=False,
                _return_http_data_only=True,
                _request_timeout=patience,
            )
        except ApiException as error:
            code = int(error.status or 0)
            reason, message = _said(error)
            if code in _AWAY or code >= 500:
                raise Away(f"HTTP {code} {message}") from error
            raise Refused(code, reason, message) from error
        except (HTTPError, OSError) as error:
            raise Away(f"{type(error).__name__}: {error}") from error


def connect() -> Api:
    """The cluster that this process runs in, else the one of the kubeconfig. Raises NoCluster when there is neither."""
    from kubernetes import client, config

    configuration = client.Configuration()
    # We ask again ourselves, and say so.
    configuration.retries = False
    try:
        config.load_incluster_config(client_configuration=configuration)
        return Api(client.ApiClient(configuration), _NAMESPACE.read_text().strip(), _own_pod() or socket.gethostname())
    except config.ConfigException:
        pass
    try:
        # The library reads this variable once, when it is imported.
        file = os.environ.get("KUBECONFIG") or None
        config.load_kube_config(file, client_configuration=configuration)
        _, active = config.list_kube_config_contexts(file)
    except config.ConfigException as error:
        raise NoCluster(
            "this process has neither a service account of a cluster (automountServiceAccountToken: true) nor a kubeconfig "
            f"({str(error).rstrip('.')})."
        ) from error
    namespace = (active.get("context") or {}).get("namespace") or "default"
    return Api(client.ApiClient(configuration), namespace, _own_pod())


def _own_pod() -> str | None:
    """KFP gives the name; in a pod the machine's name is it too."""
    return os.environ.get("KFP_POD_NAME") or None


def _said(error: Any) -> tuple[str, str]:
    """Kubernetes' reason and message, else HTTP's."""
    try:
        body = canonical.loads(error.body if isinstance(error.body, bytes) else str(error.body).encode())
        return str(body.get("reason", "")), str(body.get("message", ""))
    except (ValueError, AttributeError):
        return str(error.reason or ""), str(error.body or error.reason or "")
