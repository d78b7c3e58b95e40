"""The store, who we are there, certificates and clocks: each check passes, and each really fails."""

from __future__ import annotations

import os
import ssl
import time
from email.utils import formatdate
from pathlib import Path

import pytest

from ratchet.services import Services
from ratchet.store import open_store
from ratchet.store.preflight import PROBES
from tests.servers import FaultyS3
from tests.unit.preflight.checks import answered, certificate, fails
from tests.unit.preflight.forwarding import deaf, refusing
from tests.unit.preflight.servers import saying, serving


@pytest.fixture
def s3(s3_root: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("RATCHET_REGISTRY", "store")
    return s3_root


@pytest.mark.parametrize("name", ["settings", "store", "conditions", "parts", "identity", "clock"])
def test_a_store_that_carries_a_loop_passes_and_keeps_no_probe(s3: str, name: str) -> None:
    answer = answered(name)
    assert answer.result == "ok", answer
    assert list(open_store(s3).list(PROBES)) == []


@pytest.mark.parametrize("name", ["store", "conditions"])
def test_a_folder_passes_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("RATCHET_ROOT", str(tmp_path / "store"))
    monkeypatch.setenv("RATCHET_REGISTRY", "store")
    assert answered(name).result == "ok"
    assert answered("parts").result == "skipped"


@fails("settings")
def test_places_that_are_not_named_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RATCHET_ROOT", raising=False)
    answer = answered("settings")
    assert answer.result == "fail"
    assert "RATCHET_ROOT is not set" in answer.seen
    assert answered("store").result == "skipped"


@pytest.mark.parametrize("name", ["store", "parts"])
def test_a_refused_key_is_told(s3: str, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another")
    answer = answered(name)
    assert answer.result == "fail"
    assert "SignatureDoesNotMatch" in answer.seen or "denied" in answer.seen
    assert "another" not in answer.seen


@fails("store")
def test_a_missing_bucket_is_told(s3: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RATCHET_ROOT", "s3://nobody/here")
    answer = answered("store")
    assert (answer.result, "there is no bucket 'nobody'" in answer.seen) == ("fail", True)


def test_rights_that_do_not_reach_deletion_are_told(
    s3_services: Services, s3: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that answers 403 to DELETE alone, in front of the real one."""

    with refusing("DELETE", s3_services.settings.url("s3")) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", url)
        answer = answered("store")
    assert answer.result == "fail"
    assert "s3:DeleteObject" in answer.seen


@fails("conditions")
def test_a_store_that_ignores_conditions_is_told(
    s3_services: Services, s3: str, monkeypatch: pytest.MonkeyPatch
) -> None:

    with deaf(s3_services.settings.url("s3")) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", url)
        assert answered("store").result == "ok"
        answer = answered("conditions")
    assert answer.result == "fail"
    assert "ignores conditional puts (If-None-Match)" in answer.seen


@fails("parts")
def test_a_store_without_parts_is_told(s3_services: Services, s3: str, monkeypatch: pytest.MonkeyPatch) -> None:

    with refusing("POST", s3_services.settings.url("s3")) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", url)
        answer = answered("parts")
    assert answer.result == "fail"
    assert "multipart" in answer.seen


def test_a_store_that_is_away_is_told(faulty_s3: FaultyS3, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RATCHET_REGISTRY", "store")
    for _ in range(40):
        faulty_s3.plan("503")
    answer = answered("store")
    assert (answer.result, "no usable answer" in answer.seen) == ("fail", True)


def test_who_we_are_is_the_end_of_the_key_where_there_is_no_sts(s3: str) -> None:
    answer = answered("identity")
    key = os.environ["AWS_ACCESS_KEY_ID"]
    assert f"...{key[-4:]} (from env)" in answer.seen
    assert key not in answer.seen


@fails("identity")
def test_without_credentials_nobody_is_who_we_are(s3: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    answer = answered("identity")
    assert (answer.result, answer.seen) == ("fail", "there are no credentials for the store")


STS = b"""<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>
<Arn>arn:aws:sts::123:assumed-role/ratchet/pod</Arn><UserId>A</UserId><Account>123</Account></GetCallerIdentityResult>
<ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></GetCallerIdentityResponse>"""
NO_STS = b"""<ErrorResponse><Error><Type>Sender</Type><Code>InvalidClientTokenId</Code><Message>The security token is
invalid</Message></Error></ErrorResponse>"""


def test_sts_says_who_we_are_or_that_it_does_not_know_us(s3: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(saying(200, STS, Content_Type="text/xml")) as sts:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", sts.url)
        assert answered("identity").seen.startswith("arn:aws:sts::123:assumed-role/ratchet/pod, access key ...")
    with serving(saying(403, NO_STS, Content_Type="text/xml")) as sts:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", sts.url)
        answer = answered("identity")
    assert (answer.result, "InvalidClientTokenId" in answer.seen) == ("fail", True)


@fails("clock")
def test_a_clock_that_is_off_is_told(s3: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(saying(403)) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", server.url)
        for off, result in ((-2000, "fail"), (2000, "fail"), (120, "warn"), (0, "ok")):
            server.date = formatdate(time.time() + off, usegmt=True)
            answer = answered("clock")
            assert answer.result == result
            assert not off or f"s {'behind' if off > 0 else 'ahead of'} the store" in answer.seen


def served(folder: Path, days: int) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate(folder, days), folder / "key.pem")
    return context


@fails("tls")
def test_a_certificate_that_nobody_trusts_is_told_with_the_variable(
    s3: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with serving(saying(200), served(tmp_path, 90)) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", server.url)
        answer = answered("tls")
        assert (answer.result, "self-signed certificate" in answer.seen) == ("fail", True)
        assert "AWS_CA_BUNDLE" in answer.fix
        monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / "none.pem"))
        assert "cannot be read" in answered("tls").seen
        monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / "cert.pem"))
        assert answered("tls").result == "ok"
        monkeypatch.setenv("RATCHET_REGISTRY", server.url)
        assert "MLFLOW_TRACKING_SERVER_CERT_PATH" in answered("tls").fix


def test_a_certificate_that_ends_soon_is_a_warning(s3: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with serving(saying(200), served(tmp_path, 3)) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", server.url)
        monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / "cert.pem"))
        assert answered("tls").result == "warn"
    assert "does not answer" in answered("tls").seen
