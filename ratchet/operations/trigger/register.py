"""The webhook in MLflow that sends its deliveries to the trigger: made, or brought to what it should be."""

from __future__ import annotations

from typing import Any

from ratchet.errors import RegistryError, RegistryUnavailable
from ratchet.records import Record
from ratchet.settings import without_login

EVENTS = ("model_version_alias.created", "model_version_alias.deleted")
NAME = "ratchet-trigger"
WITHOUT = (
    "MLflow's server must allow it: https to a public host is allowed always, http by MLFLOW_WEBHOOK_ALLOWED_SCHEMES=http,https, an "
    "address inside of the cluster by MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS=true; a secret needs MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY there. "
    "Without webhooks the trigger finds every move by polling."
)


class Registered(Record):
    """The webhook as it stands in MLflow. `answered` is the status that the trigger gave to a test delivery, if it was sent."""

    id: str
    name: str
    url: str
    new: bool
    answered: int | None = None
    trouble: str | None = None


def register(tracking: str, url: str, secret: str, name: str = NAME, *, test: bool = True) -> Registered:
    """Make the webhook `name`, or bring the one of that name to this URL and secret. Raises RegistryError."""
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    client = MlflowClient(tracking_uri=tracking, registry_uri=tracking)
    try:
        known = [one for one in _all(client) if one.name == name]
        hook = _update(client, known[0], url, secret) if known else _create(client, name, url, secret)
        # Of two made at the same moment one is too many: each move would be told twice.
        for double in known[1:]:
            client.delete_webhook(double.webhook_id)
        found = Registered(id=hook.webhook_id, name=hook.name, url=hook.url, new=not known)
        return _tested(client, found) if test else found
    except MlflowException as error:
        kind = RegistryUnavailable if error.error_code == "TEMPORARILY_UNAVAILABLE" else RegistryError
        words = f"{tracking} did not take the webhook {name} to {url}: {error.message}. {WITHOUT}"
        raise kind(without_login(words)) from error


def _all(client: Any) -> list[Any]:
    found, token = [], None
    while True:
        page = client.list_webhooks(page_token=token)
        found.extend(page)
        token = page.token
        if not token:
            return found


def _create(client: Any, name: str, url: str, secret: str) -> Any:
    words = "Tells ratchet's trigger that the alias champion moved; made by `ratchet trigger register`."
    return client.create_webhook(name=name, url=url, events=list(EVENTS), description=words, secret=secret)


def _update(client: Any, known: Any, url: str, secret: str) -> Any:
    """MLflow shows no secret, so it is written each time."""
    return client.update_webhook(known.webhook_id, url=url, events=list(EVENTS), secret=secret, status="ACTIVE")


def _tested(client: Any, found: Registered) -> Registered:
    """MLflow sends an example, of an alias that is not ours: believed by the trigger and ignored, with status 200."""
    result = client.test_webhook(found.id, EVENTS[0])
    trouble = None if result.success else (result.error_message or result.response_body or "no answer")
    return found.model_copy(update={"answered": result.response_status, "trouble": trouble})
