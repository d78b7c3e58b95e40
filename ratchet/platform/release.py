"""Which release of Kubeflow Pipelines answers, and whether this client can work with it."""

from __future__ import annotations

import re
from importlib.metadata import version

from ratchet import canonical
from ratchet.errors import PlatformError
from ratchet.platform.access import Access
from ratchet.records import Record

OLDEST = (2, 5)
"""The first release whose schedules may name a pipeline without a version, and so follow the newest
(kubeflow/pipelines#11560 came after 2.4)."""


class Health(Record):
    """What the API says of itself. `release` None: it does not say."""

    release: str | None
    multi_user: bool
    store: str | None = None

    @property
    def numbers(self) -> tuple[int, ...] | None:
        found = re.match(r"v?(\d+)\.(\d+)", self.release or "")
        return tuple(map(int, found.groups())) if found else None


def client_release() -> str:
    """Of the generated client that is installed."""
    return version("kfp-server-api")


def health_of(answer: bytes, access: Access) -> Health:
    try:
        told = canonical.loads(answer)
        release = told.get("tag_name")
        known = release if release not in (None, "", "unknown") else None
        return Health(release=known, multi_user=bool(told.get("multi_user")), store=told.get("pipeline_store"))
    except (ValueError, AttributeError) as error:
        raise PlatformError(
            f"{access.address}/apis/v2beta1/healthz answered no JSON: is it the API of Kubeflow Pipelines, and not its front page or "
            f"a login? With {access.words}."
        ) from error


def check_release(found: Health, access: Access) -> None:
    """Raise PlatformError for a server that lacks what we call. A newer one is fine: the API only grows within v2beta1."""
    if found.numbers is not None and found.numbers < OLDEST:
        raise PlatformError(
            f"{access.address} is Kubeflow Pipelines {found.release}; ratchet (client {client_release()}) needs "
            f"{'.'.join(map(str, OLDEST))} or newer: older ones keep a schedule at the pipeline version that it was made with. "
            "Upgrade Kubeflow Pipelines, or run rounds with `ratchet run` on one machine."
        )
