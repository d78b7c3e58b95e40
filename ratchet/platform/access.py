"""Where the Kubeflow Pipelines API is, and how we show who we are. From the profile and the environment; never from a parameter.

KFP_ENDPOINT                  the API's address, where the profile names none; in a pod of the cluster neither is needed
KF_PIPELINES_SA_TOKEN_PATH    file of a projected service account token, as kfp reads it; the usual path needs no variable
KFP_TOKEN, KFP_TOKEN_FILE     a bearer token
KFP_COOKIE, KFP_COOKIE_FILE   the session of a browser, for front ends with Dex or oauth2-proxy: NAME=VALUE
KFP_CA_CERT                   PEM file of the authority that signed the API's certificate
KFP_NAMESPACE                 in a pod: where Kubeflow Pipelines itself runs (default: kubeflow)
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ratchet.errors import PlatformError

ENDPOINT = "KFP_ENDPOINT"
TOKEN_PATH = "/var/run/secrets/kubeflow/pipelines/token"
"""Where Kubeflow projects the token into pods that ask for it (kfp.client.KF_PIPELINES_SA_TOKEN_PATH)."""


@dataclass(frozen=True)
class Access:
    """Address and credentials; a file is read again for every request, since whoever wrote it renews it."""

    address: str
    token: str | None = None
    token_file: Path | None = None
    cookie: str | None = None
    cookie_file: Path | None = None
    ca_file: Path | None = None

    def __repr__(self) -> str:
        return f"Access({self.address!r}, {self.words})"

    @property
    def words(self) -> str:
        """How we show who we are, without saying the secret."""
        if self.token_file is not None:
            return f"the token in {self.token_file}"
        if self.token is not None:
            return "the token of KFP_TOKEN"
        if self.cookie_file is not None:
            return f"the cookie in {self.cookie_file}"
        return "the cookie of KFP_COOKIE" if self.cookie is not None else "no credentials"

    def bearer(self) -> str | None:
        return _read(self.token_file, "token") if self.token_file is not None else self.token

    def session(self) -> str | None:
        return _read(self.cookie_file, "cookie") if self.cookie_file is not None else self.cookie


def find_access(api: str | None = None, environment: Mapping[str, str] | None = None) -> Access:
    """`api` is the profile's address. Raises PlatformError when nothing says where the API is."""
    env = os.environ if environment is None else environment
    address = api or env.get(ENDPOINT) or _in_cluster(env)
    if address is None:
        raise PlatformError(
            f"no address of Kubeflow Pipelines: set `api:` in the profile, or {ENDPOINT}, as http://ml-pipeline.kubeflow.svc:8888 or the "
            "address of its front end. For a try on a laptop: `kubectl -n kubeflow port-forward svc/ml-pipeline 8888` and "
            f"{ENDPOINT}=http://127.0.0.1:8888."
        )
    if not address.startswith(("http://", "https://")):
        raise PlatformError(f"the address of Kubeflow Pipelines {address!r} must begin with http:// or https://.")
    return Access(
        address=address.rstrip("/"),
        token=env.get("KFP_TOKEN") or None,
        token_file=_token_file(env),
        cookie=env.get("KFP_COOKIE") or None,
        cookie_file=_path(env.get("KFP_COOKIE_FILE")),
        ca_file=_path(env.get("KFP_CA_CERT") or env.get("SSL_CERT_FILE")),
    )


def _in_cluster(env: Mapping[str, str]) -> str | None:
    if not env.get("KUBERNETES_SERVICE_HOST"):
        return None
    return f"http://ml-pipeline.{env.get('KFP_NAMESPACE') or 'kubeflow'}.svc:8888"


def _token_file(env: Mapping[str, str]) -> Path | None:
    """What was asked for; the usual place only if nothing was."""
    named = _path(env.get("KFP_TOKEN_FILE") or env.get("KF_PIPELINES_SA_TOKEN_PATH"))
    if named is not None or env.get("KFP_TOKEN") or env.get("KFP_COOKIE") or env.get("KFP_COOKIE_FILE"):
        return named
    usual = Path(TOKEN_PATH)
    return usual if usual.is_file() else None


def _path(given: str | None) -> Path | None:
    return Path(given) if given else None


def _read(file: Path, what: str) -> str:
    try:
        return file.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise PlatformError(
            f"the {what} for Kubeflow Pipelines cannot be read from {file}: {error.strerror}. Mount it (docs/operations.md), or unset the "
            "variable that names it."
        ) from error


def configuration(access: Access) -> Any:
    """The generated client's configuration: our credentials, none of its own retries."""
    import kfp_server_api
    import urllib3

    made = kfp_server_api.Configuration(host=access.address)
    # We ask again ourselves and say so; a front end that wants a login answers with a redirect, which is no answer.
    made.retries = urllib3.Retry(total=0, redirect=False)
    if access.ca_file is not None:
        made.ssl_ca_cert = str(access.ca_file)
    if access.token is not None or access.token_file is not None:
        made.api_key["authorization"] = "read for every request"
        made.api_key_prefix["authorization"] = "Bearer"

        def renew(config: Any) -> None:
            config.api_key["authorization"] = access.bearer()

        made.refresh_api_key_hook = renew
    return made
