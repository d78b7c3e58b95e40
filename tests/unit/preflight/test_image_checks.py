"""Images at a real registry protocol: open, behind a token service, behind a login; missing, moved, and forged."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from ratchet.preflight import Answer, Asked
from ratchet.preflight.images.references import taken_apart
from ratchet.services.fake_kubernetes import FakeKubernetes
from tests.fake_cluster import NAMESPACE, kubeconfig
from tests.unit.preflight.checks import answered, fails
from tests.unit.preflight.image_registry import DIGEST, NAME, PASSWORD, docker_config, registry


@pytest.fixture(autouse=True)
def places(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))


def ask(image: str, *secrets: str) -> Answer:
    profile = {
        "name": "p",
        "namespace": NAMESPACE,
        "images": {"core": image},
        "image_of": {},
        "image_pull_secrets": [*secrets],
    }
    return answered("images", Asked(profile=yaml.safe_dump(profile)))


def test_an_image_that_is_there_by_its_digest_passes() -> None:
    with registry() as open_one:
        answer = ask(open_one.image())
    assert (answer.result, "ratchet/core@" in answer.seen) == ("ok", True), answer


def test_a_tag_is_a_warning_that_names_the_digest() -> None:
    with registry() as open_one:
        answer = ask(open_one.image(by=":1"))
    assert (answer.result, f"/ratchet/core@{DIGEST}" in answer.fix) == ("warn", True)


@fails("images")
def test_an_image_that_is_not_there_is_told() -> None:
    with registry() as open_one:
        answer = ask(open_one.image("ratchet/none"))
    assert (answer.result, "is not at 127.0.0.1" in answer.seen) == ("fail", True)


def test_a_registry_that_gives_another_image_is_told() -> None:
    with registry(lies=True) as liar:
        assert ask(liar.image()).result == "fail"


@pytest.mark.parametrize("basic", [False, True])
def test_a_closed_registry_gives_to_a_login_and_to_nobody_else(tmp_path: Path, basic: bool) -> None:
    with registry(closed=True, basic=basic) as closed:
        answer = ask(closed.image())
        assert (answer.result, "HTTP 401 without a login" in answer.seen) == ("fail", True)
        (tmp_path / "config.json").write_bytes(docker_config(closed.host, "wrong-passw0rd"))
        answer = ask(closed.image())
        assert (answer.result, f"with the login of {NAME}" in answer.seen) == ("fail", True)
        (tmp_path / "config.json").write_bytes(docker_config(closed.host))
        answer = ask(closed.image())
        assert answer.result == "ok"
        assert PASSWORD not in str(answer)
        assert set(closed.scopes) == (set() if basic else {"repository:ratchet/core:pull"})


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeKubernetes]:
    with FakeKubernetes() as fake:
        monkeypatch.setenv("KUBECONFIG", str(kubeconfig(tmp_path, fake.url)))
        yield fake


def test_the_login_comes_from_the_pull_secret(cluster: FakeKubernetes) -> None:
    with registry(closed=True) as closed:
        assert ask(closed.image(), "pull").result == "fail"
        data = {".dockerconfigjson": base64.b64encode(docker_config(closed.host)).decode()}
        cluster.state.create(cluster.kind("secrets"), NAMESPACE, {"metadata": {"name": "pull"}, "data": data})
        assert ask(closed.image(), "pull").result == "ok"


def test_a_registry_that_cannot_be_asked_or_is_ill_proves_nothing_of_the_nodes() -> None:
    with registry(status=503) as ill:
        assert ask(ill.image()).result == "warn"
        image = ill.image()
    answer = ask(image)
    assert (answer.result, "cannot be asked from here" in answer.seen) == ("warn", True)


def test_a_name_that_is_none_or_only_holds_a_place_is_told() -> None:
    assert "only holds a place" in ask("registry.example/ratchet-core:1").seen
    assert ask("registry.test/Upper@sha256:12").result == "fail"


@pytest.mark.parametrize(
    ("image", "address", "repository", "wanted"),
    [
        ("ubuntu", "https://registry-1.docker.io", "library/ubuntu", "latest"),
        ("me/one:2", "https://registry-1.docker.io", "me/one", "2"),
        ("ghcr.io/a/b/c:1", "https://ghcr.io", "a/b/c", "1"),
        ("localhost:5000/a", "http://localhost:5000", "a", "latest"),
        ("10.0.0.1:5000/a", "https://10.0.0.1:5000", "a", "latest"),
        (f"quay.io/a/b:1@{DIGEST}", "https://quay.io", "a/b", DIGEST),
    ],
)
def test_names_are_taken_apart_as_runtimes_do(image: str, address: str, repository: str, wanted: str) -> None:
    found = taken_apart(image)
    assert (found.address, found.repository, found.wanted) == (address, repository, wanted)
