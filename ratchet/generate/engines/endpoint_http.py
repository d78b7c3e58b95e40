"""One exchange with an OpenAI-compatible server over HTTP: where it is, with which key, and what a status means."""

from __future__ import annotations

import ipaddress
import os
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from pydantic import SecretStr

from ratchet.errors import SamplingError
from ratchet.generate.engines.endpoint_pace import Pace
from ratchet.generate.engines.endpoint_reply import PASSING, Again, brief, json_or_text, message_of, parsed, refusal
from ratchet.recipe import EndpointConfig
from ratchet.recipe.engines import base_url

if TYPE_CHECKING:
    from aiohttp import ClientResponse, ClientSession

URL_ENV = "RATCHET_ENDPOINT_URL"
MOST_BYTES = 64 * 2**20
"""A reply longer than this is not read to its end."""


class NotThere(SamplingError):
    """The server knows neither this address nor, perhaps, this model."""


class Server:
    """Address, key and trust of one server. The key is in the request's header and nowhere else: see `redacted`.

    Certificates are verified against the system's authorities (or SSL_CERT_FILE, SSL_CERT_DIR) and those of
    REQUESTS_CA_BUNDLE. Proxies come from the environment, never for this machine itself. Redirects are not followed: the key
    would go along.
    """

    def __init__(self, config: EndpointConfig, pace: Pace) -> None:
        self.url = _address(config)
        self._config = config
        self._pace = pace
        self._key = _key(config.key_env)

    def redacted(self, words: str) -> str:
        """Words of a server, which may have repeated the key."""
        secret = self._key.get_secret_value() if self._key else ""
        return words.replace(secret, "***") if secret else words

    @asynccontextmanager
    async def session(self) -> AsyncIterator[ClientSession]:
        """Connections for as long as the block runs."""
        import aiohttp

        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if self._key is not None:
            headers["Authorization"] = f"Bearer {self._key.get_secret_value()}"
        async with aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self._config.concurrency, ssl=_trust(self.url)),
            headers=headers,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=self._config.timeout_seconds),
        ) as session:
            yield session

    async def exchange(self, session: ClientSession, method: str, path: str, data: bytes | None = None) -> Any:
        """The JSON that the server answers with. Raises Again, Refused, or SamplingError for what concerns all requests."""
        import aiohttp

        await self._pace.turn()
        try:
            async with session.request(
                method, f"{self.url}/{path}", data=data, allow_redirects=False, proxy=_proxy(self.url)
            ) as response:
                content = await _read(response)
        except aiohttp.ClientConnectorCertificateError as error:
            raise SamplingError(
                f"{self.url} shows a certificate that is not trusted ({error.certificate_error}); "
                "name its authority's file in SSL_CERT_FILE or REQUESTS_CA_BUNDLE."
            ) from None
        except TimeoutError:
            raise Again("timeout", f"no answer within {self._config.timeout_seconds:g} s") from None
        except (aiohttp.ClientError, OSError) as error:
            raise Again("server", f"{type(error).__name__}: {brief(str(error))}") from None
        wait = self._pace.heed(response.status, response.headers)
        if 200 <= response.status < 300:
            return parsed(content, response.content_type)
        raise self._error(response, content, wait)

    def _error(self, response: ClientResponse, content: bytes, wait: float) -> Exception:
        """What a status other than 2xx means."""
        status = response.status
        if status < 400:
            return SamplingError(
                f"{self.url} redirects to {response.headers.get('location')} (HTTP {status}), and the key does not go along; "
                "set generate.engine.url to the address that answers itself."
            )
        words = self.redacted(brief(message_of(json_or_text(content))))
        if status in (401, 403):
            given = "is refused" if self._key else "is missing"
            return SamplingError(
                f"{self.url} answers HTTP {status}: the API key {given} (environment variable "
                f"{self._config.key_env}, named by generate.engine.key_env). The server says: {words}"
            )
        if status in (404, 405, 410):
            return NotThere(
                f"{self.url} answers HTTP {status}; mend generate.engine.url or {URL_ENV} (it ends in /v1 at most servers) "
                f"or generate.engine.model. The server says: {words}"
            )
        if status >= 500 or status in PASSING:
            return Again("server", f"HTTP {status}: {words}", wait)
        return refusal(status, content)


async def _read(response: ClientResponse) -> bytes:
    pieces: list[bytes] = []
    size = 0
    async for piece in response.content.iter_any():
        pieces.append(piece)
        size += len(piece)
        if size > MOST_BYTES:
            raise Again("reply", f"more than {MOST_BYTES // 2**20} MiB")
    return b"".join(pieces)


def _address(config: EndpointConfig) -> str:
    given = config.url or os.environ.get(URL_ENV)
    if not given:
        raise SamplingError(
            f"no address of the endpoint; set generate.engine.url or the environment variable {URL_ENV}, "
            "such as http://host:8000/v1."
        )
    try:
        return base_url(given)
    except ValueError as error:
        raise SamplingError(f"{URL_ENV} is no address of an endpoint: {error}") from None


def _key(name: str) -> SecretStr | None:
    """The API key without the line end that a secret's file often has."""
    key = os.environ.get(name, "").strip()
    if not (key.isascii() and key.isprintable()):
        raise SamplingError(f"the API key in the environment variable {name} has characters that no HTTP header takes.")
    return SecretStr(key) if key else None


def _trust(url: str) -> ssl.SSLContext | bool:
    if not url.startswith("https:"):
        return True
    context = ssl.create_default_context()
    bundle = os.environ.get("REQUESTS_CA_BUNDLE")
    if bundle:
        folder = os.path.isdir(bundle)
        context.load_verify_locations(capath=bundle if folder else None, cafile=None if folder else bundle)
    return context


def _proxy(url: str) -> str | None:
    """The environment's proxy for this address. aiohttp's trust_env would read .netrc, and ask proxies for loopback."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if _is_loopback(host) or proxy_bypass(host):
        return None
    return getproxies().get(parts.scheme)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
