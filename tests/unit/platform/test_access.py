"""Where the API is, and who we are: what the profile and the environment say."""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from ratchet.errors import PlatformError
from ratchet.platform.access import Access, find_access
from ratchet.services.fake_pipelines import FakePipelines
from tests.pipelines import client


def test_the_profile_comes_before_the_environment_and_that_before_the_cluster() -> None:
    environment = {"KFP_ENDPOINT": "http://there:8888/", "KUBERNETES_SERVICE_HOST": "10.0.0.1"}
    assert find_access("https://here/pipeline/", environment).address == "https://here/pipeline"
    assert find_access(None, environment).address == "http://there:8888"
    del environment["KFP_ENDPOINT"]
    assert find_access(None, environment).address == "http://ml-pipeline.kubeflow.svc:8888"
    assert find_access(None, {**environment, "KFP_NAMESPACE": "kfp"}).address == "http://ml-pipeline.kfp.svc:8888"


def test_without_any_address_it_is_told_how_to_give_one() -> None:
    with pytest.raises(PlatformError, match=r"set `api:` in the profile, or KFP_ENDPOINT.*port-forward"):
        find_access(None, {})


def test_an_address_without_scheme_is_refused() -> None:
    with pytest.raises(PlatformError, match="must begin with http://"):
        find_access("ml-pipeline:8888", {})


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({}, "no credentials"),
        ({"KFP_TOKEN": "s3cret"}, "the token of KFP_TOKEN"),
        ({"KFP_TOKEN_FILE": "/a"}, "the token in /a"),
        ({"KF_PIPELINES_SA_TOKEN_PATH": "/b"}, "the token in /b"),
        ({"KFP_COOKIE": "s3cret"}, "the cookie of KFP_COOKIE"),
        ({"KFP_COOKIE_FILE": "/c"}, "the cookie in /c"),
    ],
)
def test_how_we_show_who_we_are_is_told_without_the_secret(environment: dict[str, str], words: str) -> None:
    found = find_access("http://here", environment)
    assert found.words == words
    assert "s3cret" not in repr(found)


def test_the_authority_may_be_named_apart_or_for_all(tmp_path: Path) -> None:
    assert find_access("http://here", {"SSL_CERT_FILE": "/all"}).ca_file == Path("/all")
    assert find_access("http://here", {"SSL_CERT_FILE": "/all", "KFP_CA_CERT": "/own"}).ca_file == Path("/own")
    file = tmp_path / "cookie"
    file.write_text("session=1\n")
    assert Access("http://here", cookie_file=file).session() == "session=1"


def certificate(folder: Path) -> tuple[Path, Path]:
    """One for this machine's loopback that no authority signed."""
    key, name = (
        ec.generate_private_key(ec.SECP256R1()),
        x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "kfp")]),
    )
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(datetime.now(UTC) - timedelta(hours=1))
    builder = builder.not_valid_after(datetime.now(UTC) + timedelta(hours=1))
    here = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    signed = builder.add_extension(here, critical=False).sign(key, hashes.SHA256())
    file, secret = folder / "cert.pem", folder / "key.pem"
    file.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    kind = serialization.PrivateFormat.PKCS8
    secret.write_bytes(key.private_bytes(serialization.Encoding.PEM, kind, serialization.NoEncryption()))
    return file, secret


def test_a_certificate_is_trusted_when_its_authority_is_named_and_never_otherwise(tmp_path: Path) -> None:
    files = certificate(tmp_path)
    with FakePipelines(certificate=files) as fake:
        with pytest.raises(PlatformError, match=r"certificate that is not trusted.*KFP_CA_CERT"):
            client(fake).find_experiment("mine")
        assert client(fake, ca_file=files[0]).find_experiment("mine") is None
        assert client(fake, ca_file=files[0]).access.address.startswith("https://")
