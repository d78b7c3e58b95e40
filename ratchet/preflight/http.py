"""One plain HTTP request of preflight: every status is an answer, and what is no answer is said in words."""

from __future__ import annotations

import base64
import http.client
import ipaddress
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

SECONDS = 5.0
MOST_BYTES = 4 * 2**20


class Unreachable(Exception):
    """No answer came. `untrusted`: because the server's certificate is not trusted here."""

    def __init__(self, words: str, *, untrusted: bool = False) -> None:
        super().__init__(words)
        self.untrusted = untrusted


@dataclass(frozen=True)
class Reply:
    """An answer of whatever status. `headers` by lower-case name."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class _EveryStatus(urllib.request.HTTPErrorProcessor):
    """Redirects and errors are answers like others: a key must not go along to another address."""

    def http_response(self, request: Any, response: Any) -> Any:  # noqa: ARG002
        return response

    https_response = http_response


def ask(
    url: str,
    *,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    ca: str | None = None,
    seconds: float = SECONDS,
) -> Reply:
    """One request. `ca` is a file or a folder of authorities, None for the system's. Raises Unreachable."""
    handlers: list[urllib.request.BaseHandler] = [_EveryStatus()]
    if url.startswith("https:"):
        handlers.append(urllib.request.HTTPSHandler(context=trust(ca)))
    if is_loopback(urlsplit(url).hostname or ""):
        handlers.append(urllib.request.ProxyHandler({}))
    bare, login = apart(url)
    request = urllib.request.Request(bare, method=method, headers={**login, **(headers or {})})
    try:
        with urllib.request.build_opener(*handlers).open(request, timeout=seconds) as answer:
            lower = {name.lower(): value for name, value in answer.headers.items()}
            return Reply(answer.status, lower, answer.read(MOST_BYTES))
    except urllib.error.URLError as error:
        raise unreachable(error.reason) from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise unreachable(error) from None


def apart(url: str) -> tuple[str, dict[str, str]]:
    """The address without the user and password that it names, and the header that says them (RFC 7617)."""
    parts = urlsplit(url)
    if parts.username is None:
        return url, {}
    place = parts.netloc.rpartition("@")[2]
    login = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
    return urlunsplit(parts._replace(netloc=place)), {"Authorization": f"Basic {base64.b64encode(login).decode()}"}


def unreachable(reason: object) -> Unreachable:
    """What a failed connection means."""
    if isinstance(reason, ssl.SSLCertVerificationError):
        return Unreachable(f"its certificate is not trusted ({reason.verify_message})", untrusted=True)
    words = f"{type(reason).__name__}: {reason}" if isinstance(reason, Exception) else str(reason)
    return Unreachable(words)


def trust(ca: str | None) -> ssl.SSLContext:
    """The authorities in a file or folder, else the system's (or SSL_CERT_FILE). Raises Unreachable for a file that is none."""
    try:
        if ca is None:
            return ssl.create_default_context()
        folder = Path(ca).is_dir()
        return ssl.create_default_context(cafile=None if folder else ca, capath=ca if folder else None)
    except OSError as error:
        raise Unreachable(f"the file of authorities {ca} cannot be read ({error})", untrusted=True) from None


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
