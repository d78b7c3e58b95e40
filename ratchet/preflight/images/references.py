"""An image's name, taken apart as container runtimes do."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ratchet.preflight.http import is_loopback

HUB = "registry-1.docker.io"
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True)
class Reference:
    """`host` as in the name ("docker.io" where it has none); `tag` is latest where it has neither tag nor digest."""

    host: str
    repository: str
    tag: str | None
    digest: str | None

    @property
    def wanted(self) -> str:
        """What is asked for: the digest, which never changes, before the tag."""
        return self.digest or self.tag or "latest"

    @property
    def address(self) -> str:
        """The registry's. Plain HTTP on this machine only, as Docker has it."""
        name = self.host.rpartition(":")[0] or self.host
        if self.host in ("docker.io", "index.docker.io"):
            return f"https://{HUB}"
        return f"http{'' if is_loopback(name.strip('[]')) else 's'}://{self.host}"


def taken_apart(image: str) -> Reference:
    """ "ghcr.io/a/b:1@sha256:..." in its parts. Raises ValueError for what is no image's name."""
    rest, _, digest = image.partition("@")
    if digest and not _DIGEST.fullmatch(digest):
        raise ValueError(f"{image!r} has no digest behind @: it is sha256: and 64 hex digits")
    first, slash, below = rest.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        host, rest = first, below
    else:
        host, rest = "docker.io", rest if slash else f"library/{rest}"
    repository, _, tag = rest.partition(":")
    if not re.fullmatch(r"[a-z0-9]+([._/-]+[a-z0-9]+)*", repository):
        raise ValueError(f"{image!r} is no image's name: {repository!r} is no repository")
    return Reference(host, repository, tag or (None if digest else "latest"), digest or None)
