"""The servers that a round speaks with, and which variable of theirs names the authorities that they are trusted by."""

from __future__ import annotations

from dataclasses import dataclass

from ratchet.preflight.context import Context

_REQUESTS = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


@dataclass(frozen=True)
class Server:
    """An address and what it is. `variables` may name its authorities, the first that is set counts."""

    what: str
    url: str
    variables: tuple[str, ...]

    def ca(self, context: Context) -> str | None:
        """The file or folder of its authorities: what a variable says, else what its client library brings; None: the system's."""
        found = next((context.environment[name] for name in self.variables if context.environment.get(name)), None)
        if found is not None or "SSL_CERT_FILE" in self.variables:
            return found
        import certifi

        return certifi.where()


def servers(context: Context) -> list[Server]:
    """All that the context names, as far as it can be read."""
    found = []
    if context.settings is not None and context.settings.root.startswith("s3://"):
        found.append(s3(context))
    if context.settings is not None and context.settings.registry.startswith(("http://", "https://")):
        found.append(mlflow(context))
    found += [
        Server(f"the endpoint of {what}", url, ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"))
        for what, url in _endpoints(context)
    ]
    pipelines = _pipelines(context)
    if pipelines is not None:
        found.append(Server("Kubeflow Pipelines", pipelines, ("KFP_CA_CERT", "SSL_CERT_FILE")))
    return found


def s3(context: Context) -> Server:
    return Server("the store", context.s3_endpoint, ("AWS_CA_BUNDLE",))


def mlflow(context: Context) -> Server:
    return Server("MLflow", context.places.registry, ("MLFLOW_TRACKING_SERVER_CERT_PATH", *_REQUESTS))


def _pipelines(context: Context) -> str | None:
    from ratchet.errors import PlatformError
    from ratchet.platform.access import find_access

    if context.profile is None or not context.on_cluster:
        return None
    try:
        return find_access(context.profile.api, context.environment).address
    except PlatformError:
        return None


def _endpoints(context: Context) -> list[tuple[str, str]]:
    from ratchet.preflight.endpoints import asked

    if context.recipe is None:
        return []
    address = context.environment.get("RATCHET_ENDPOINT_URL")
    found = ((what, config.url or address) for what, config in asked(context.recipe))
    return [(what, url) for what, url in found if url]
