"""A small registry on loopback that speaks the protocol: manifests by digest and tag, 401 with a token service, logins."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

from tests.unit.preflight.servers import Loopback, serving

BODY = json.dumps(
    {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": []}
).encode()
DIGEST = f"sha256:{hashlib.sha256(BODY).hexdigest()}"
NAME, PASSWORD = "puller", "pull-passw0rd"


@dataclass
class Registry:
    """`closed`: wants a token, which the service gives for the login only. `lies` gives another digest than was asked for."""

    closed: bool = False
    basic: bool = False
    lies: bool = False
    status: int | None = None
    server: Loopback | None = None
    scopes: list[str] = field(default_factory=list)

    @property
    def host(self) -> str:
        assert self.server is not None
        return urlsplit(self.server.url).netloc

    def image(self, name: str = "ratchet/core", by: str = f"@{DIGEST}") -> str:
        return f"{self.host}/{name}{by}"

    def decide(self, method: str, path: str, headers: Mapping[str, str]) -> tuple[int, Mapping[str, str], bytes]:
        given = headers.get("authorization", "")
        right = f"Basic {base64.b64encode(f'{NAME}:{PASSWORD}'.encode()).decode()}"
        url = urlsplit(path)
        if url.path == "/token":
            self.scopes += parse_qs(url.query)["scope"]
            return (200, {}, b'{"token": "for-pulling"}') if given == right else (401, {}, b"")
        if self.closed and given != ("Bearer for-pulling" if not self.basic else right):
            assert self.server is not None
            bearer = f'Bearer realm="{self.server.url}/token",service="small",scope="repository:ratchet/core:pull"'
            return 401, {"WWW-Authenticate": 'Basic realm="x"' if self.basic else bearer}, b""
        if self.status is not None:
            return self.status, {}, b""
        assert method == "HEAD"
        assert "oci.image.index" in headers["accept"]
        if url.path not in {f"/v2/ratchet/core/manifests/{one}" for one in (DIGEST, "1", "latest")}:
            return 404, {}, b""
        digest = f"sha256:{'0' * 64}" if self.lies else DIGEST
        return 200, {"Docker-Content-Digest": digest, "Content-Length": str(len(BODY))}, BODY


@contextmanager
def registry(**how: bool | int) -> Iterator[Registry]:
    made = Registry(**how)  # type: ignore[arg-type]
    with serving(made.decide) as made.server:
        yield made


def docker_config(host: str, password: str = PASSWORD) -> bytes:
    """What `kubectl create secret docker-registry` keeps."""
    auth = base64.b64encode(f"{NAME}:{password}".encode()).decode()
    return json.dumps({"auths": {f"https://{host}/v1/": {"auth": auth}}}).encode()
