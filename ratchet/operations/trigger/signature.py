"""Whether a delivery is MLflow's own, and fresh: its HMAC over id, time and body, as mlflow.webhooks.delivery makes it.

Secrets come from RATCHET_WEBHOOK_SECRET or from the file that RATCHET_WEBHOOK_SECRET_FILE names, one a line: two lines are how a
secret is changed without a gap. They never come as an argument, which every process of the machine could read.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from ratchet.errors import RatchetError

SIGNATURE = "X-MLflow-Signature"
DELIVERY = "X-MLflow-Delivery-Id"
TIMESTAMP = "X-MLflow-Timestamp"
VERSION = "v1"
WINDOW_SECONDS = 300.0
"""MLflow signs once and repeats an unanswered delivery for at most some minutes; clocks may differ a little as well."""
LONGEST_ID = 128
SHORTEST_SECRET = 16
SECRET = "RATCHET_WEBHOOK_SECRET"
SECRET_FILE = "RATCHET_WEBHOOK_SECRET_FILE"


class Refused(Exception):
    """A delivery that is not believed; `outcome` is the word of the metrics."""

    def __init__(self, outcome: str, why: str) -> None:
        super().__init__(why)
        self.outcome = outcome


def sign(secret: str, delivery: str, timestamp: str, body: bytes) -> str:
    """The header's value: "v1,<base64>"."""
    signed = f"{delivery}.{timestamp}.".encode() + body
    digest = hmac.new(secret.encode(), signed, hashlib.sha256).digest()
    return f"{VERSION},{base64.b64encode(digest).decode()}"


def check(
    secrets: Sequence[str],
    body: bytes,
    *,
    signature: str | None,
    delivery: str | None,
    timestamp: str | None,
    now: float,
    window: float = WINDOW_SECONDS,
) -> str:
    """The delivery's id. Raises Refused with why it is not believed; nothing of it is looked at before its signature."""
    if not signature or not delivery or not timestamp:
        missing = [n for n, v in ((SIGNATURE, signature), (DELIVERY, delivery), (TIMESTAMP, timestamp)) if not v]
        raise Refused("unsigned", f"header {', '.join(missing)} is missing: give the webhook a secret in MLflow")
    if len(delivery) > LONGEST_ID:
        raise Refused("forged", f"the delivery's id is longer than {LONGEST_ID} characters")
    given = signature.encode(errors="replace")
    if not any(hmac.compare_digest(sign(one, delivery, timestamp, body).encode(), given) for one in secrets):
        raise Refused("forged", f"{SIGNATURE} does not fit: the webhook's secret in MLflow is not the trigger's")
    if not timestamp.isascii() or not timestamp.isdigit() or len(timestamp) > 12:
        raise Refused("old", f"{TIMESTAMP} {timestamp[:20]!r} is no time in seconds")
    if abs(now - int(timestamp)) > window:
        raise Refused(
            "old",
            f"{TIMESTAMP} is {now - int(timestamp):.0f} s before the trigger's clock, more than {window:.0f} s: a replay, or "
            "clocks that differ",
        )
    return delivery


def read_secrets(environment: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """The secrets, the present one first. Raises RatchetError where there is none, or one that can be guessed."""
    env = os.environ if environment is None else environment
    text = env.get(SECRET, "")
    if path := env.get(SECRET_FILE):
        try:
            text = Path(path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise RatchetError(f"{SECRET_FILE} names {path}, which cannot be read: {error}") from error
    found = tuple(line.strip() for line in text.splitlines() if line.strip())
    if not found:
        raise RatchetError(
            f"webhooks need a secret: put the one of MLflow's webhook into {SECRET}, or into a file that {SECRET_FILE} names; "
            "`--no-webhooks` serves without them, by polling alone."
        )
    if any(len(one) < SHORTEST_SECRET for one in found):
        raise RatchetError(
            f"a webhook's secret must have {SHORTEST_SECRET} characters or more, or it can be guessed; make one with "
            "`openssl rand -hex 32`."
        )
    return found
