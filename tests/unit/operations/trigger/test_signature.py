"""Signatures: ours are MLflow's own, and what is forged, old or unsigned is refused by name."""

from __future__ import annotations

from pathlib import Path

import pytest
from mlflow.webhooks.constants import WEBHOOK_DELIVERY_ID_HEADER, WEBHOOK_SIGNATURE_HEADER, WEBHOOK_TIMESTAMP_HEADER
from mlflow.webhooks.delivery import _generate_hmac_signature

from ratchet.errors import RatchetError
from ratchet.operations.trigger.signature import DELIVERY, SIGNATURE, TIMESTAMP, Refused, check, read_secrets, sign
from tests.triggered import SECRET

BODY = '{"entity": "model_version_alias", "data": {"name": "bild-ü"}}'
NOW = 1_800_000_000.0


def checked(body: str = BODY, *, secrets: tuple[str, ...] = (SECRET,), now: float = NOW, **given: str | None) -> str:
    headers: dict[str, str | None] = {"delivery": "d1", "timestamp": str(int(NOW))}
    headers["signature"] = sign(SECRET, "d1", str(int(NOW)), BODY.encode())
    headers |= given
    return check(
        secrets,
        body.encode(),
        signature=headers["signature"],
        delivery=headers["delivery"],
        timestamp=headers["timestamp"],
        now=now,
    )


def test_the_signature_is_the_one_that_mlflow_makes() -> None:
    assert sign(SECRET, "d1", "17", BODY.encode()) == _generate_hmac_signature(SECRET, "d1", "17", BODY)
    assert (SIGNATURE, DELIVERY, TIMESTAMP) == (
        WEBHOOK_SIGNATURE_HEADER,
        WEBHOOK_DELIVERY_ID_HEADER,
        WEBHOOK_TIMESTAMP_HEADER,
    )


def test_a_fresh_signed_delivery_is_believed() -> None:
    assert checked() == "d1"


def test_while_a_secret_is_changed_the_old_and_the_new_one_are_believed() -> None:
    assert checked(secrets=("another-secret-of-the-tests", SECRET)) == "d1"


@pytest.mark.parametrize(
    ("outcome", "given"),
    [
        ("unsigned", {"signature": None}),
        ("unsigned", {"delivery": None}),
        ("unsigned", {"timestamp": ""}),
        ("forged", {"signature": "v1,AAAA"}),
        ("forged", {"signature": "ü"}),
        ("forged", {"delivery": "d2"}),
        ("forged", {"delivery": "d" * 500}),
        ("forged", {"timestamp": str(int(NOW) + 1)}),
        ("forged", {"body": BODY + " "}),
    ],
)
def test_what_was_changed_on_its_way_is_refused(outcome: str, given: dict[str, str | None]) -> None:
    with pytest.raises(Refused) as refused:
        checked(**given)  # type: ignore[arg-type]
    assert refused.value.outcome == outcome


@pytest.mark.parametrize("now", [NOW + 301, NOW - 301])
def test_a_delivery_outside_of_the_window_is_old_however_well_signed(now: float) -> None:
    with pytest.raises(Refused, match="replay") as refused:
        checked(now=now)
    assert refused.value.outcome == "old"


@pytest.mark.parametrize("stamp", ["soon", "-5", "1e9", "٣", "9" * 30])
def test_a_signed_time_that_is_none_is_refused(stamp: str) -> None:
    with pytest.raises(Refused) as refused:
        checked(timestamp=stamp, signature=sign(SECRET, "d1", stamp, BODY.encode()))
    assert refused.value.outcome == "old"


def test_secrets_come_from_a_file_or_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(f"{SECRET}\n\nthe-one-before-this-one\n")
    assert read_secrets({"RATCHET_WEBHOOK_SECRET_FILE": str(file)}) == (SECRET, "the-one-before-this-one")
    assert read_secrets({"RATCHET_WEBHOOK_SECRET": f" {SECRET}\n"}) == (SECRET,)


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({}, "webhooks need a secret"),
        ({"RATCHET_WEBHOOK_SECRET": "short"}, "16 characters or more"),
        ({"RATCHET_WEBHOOK_SECRET_FILE": "/nowhere/at/all"}, "cannot be read"),
    ],
)
def test_a_secret_that_is_missing_or_weak_is_refused_without_telling_it(environment: dict[str, str], said: str) -> None:
    with pytest.raises(RatchetError, match=said) as refused:
        read_secrets(environment)
    assert environment.get("RATCHET_WEBHOOK_SECRET", "?") not in str(refused.value)
