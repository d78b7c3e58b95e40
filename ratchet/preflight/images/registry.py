"""The registry protocol (OCI distribution v2, Docker Registry HTTP API V2): is there a manifest, and may we have it?

A registry that wants a login answers 401 and names a token service; the token service takes the pull secret's name and
password by Basic authentication and gives a token for one repository.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

from ratchet.preflight.http import Reply, Unreachable, ask, is_loopback
from ratchet.preflight.images.references import Reference

_ACCEPT = ", ".join(
    f"application/vnd.{name}+json"
    for name in (
        "oci.image.index.v1",
        "docker.distribution.manifest.list.v2",
        "oci.image.manifest.v1",
        "docker.distribution.manifest.v2",
    )
)
_FIELD = re.compile(r'(\w+)="([^"]*)"')
_HUB = ("docker.io", "index.docker.io", "https://index.docker.io/v1/")


@dataclass(frozen=True)
class Login:
    """Name and password for a registry; neither is ever shown."""

    name: str
    password: str

    def __repr__(self) -> str:
        return f"Login({self.name!r})"

    @property
    def header(self) -> str:
        return f"Basic {base64.b64encode(f'{self.name}:{self.password}'.encode()).decode()}"


def logins(config: bytes) -> dict[str, Login]:
    """The logins of a .dockerconfigjson, by registry. Raises ValueError for what is none."""
    auths = json.loads(config).get("auths", {})
    found = {}
    for host, given in auths.items():
        name, password = given.get("username", ""), given.get("password", "")
        if given.get("auth"):
            name, _, password = base64.b64decode(given["auth"]).decode().partition(":")
        plain = urlsplit(host).netloc or host.partition("/")[0]
        found["docker.io" if host in _HUB or plain in _HUB else plain] = Login(name, password)
    return found


def manifest(reference: Reference, login: Login | None, ca: str | None = None) -> Reply:
    """The registry's answer to whether it has the manifest, with a token if it asks for one. Raises Unreachable."""
    path = f"{reference.address}/v2/{reference.repository}/manifests/{reference.wanted}"
    headers = {"Accept": _ACCEPT}
    reply = ask(path, method="HEAD", headers=headers, ca=ca)
    if reply.status != 401:
        return reply
    asked = reply.headers.get("www-authenticate", "")
    scheme, _, rest = asked.partition(" ")
    if scheme.lower() == "basic" and login is not None:
        return ask(path, method="HEAD", headers={**headers, "Authorization": login.header}, ca=ca)
    if scheme.lower() != "bearer":
        return reply
    token = _token(reference, dict(_FIELD.findall(rest)), login, ca)
    if token is None:
        return reply
    return ask(path, method="HEAD", headers={**headers, "Authorization": f"Bearer {token}"}, ca=ca)


def _token(reference: Reference, asked: Mapping[str, str], login: Login | None, ca: str | None) -> str | None:
    """A token of the service that the registry names, None where it gives none. The password goes to no plain address."""
    realm = asked.get("realm", "")
    parts = urlsplit(realm)
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(parts.hostname or "")):
        raise Unreachable(f"its token service {realm!r} has no https address, so no password is sent there")
    query = {"scope": asked.get("scope") or f"repository:{reference.repository}:pull"}
    if "service" in asked:
        query["service"] = asked["service"]
    headers = {"Authorization": login.header} if login is not None else {}
    reply = ask(f"{realm}?{urlencode(query)}", headers=headers, ca=ca)
    try:
        said = json.loads(reply.body) if reply.status == 200 else {}
    except ValueError:
        said = {}
    token = said.get("token") or said.get("access_token")
    return str(token) if token else None
