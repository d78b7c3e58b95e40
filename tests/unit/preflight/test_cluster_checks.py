"""What a cluster has: each check passes on a fake cluster that has it, and fails where it is missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from ratchet.preflight import Asked
from ratchet.services.fake_kubernetes import FakeKubernetes
from ratchet.services.fake_pipelines import FakePipelines
from tests.fake_cluster import crd, kubeconfig, needs_crds
from tests.unit.preflight.checks import answered, fails
from tests.unit.preflight.clusters import JOB, ask, remove, replace


@pytest.mark.parametrize("name", ["cluster", "secrets", "account", "nodes", "queue"])
def test_a_cluster_that_has_all_passes(fake: FakeKubernetes, name: str) -> None:
    answer = ask(name)
    assert answer.result == "ok", answer


@pytest.mark.parametrize("name", ["cluster", "secrets", "account", "rights", "nodes", "queue", "pipelines"])
def test_a_profile_of_this_machine_asks_no_cluster(fake: FakeKubernetes, name: str) -> None:
    assert answered(name, Asked()).result == "skipped"


def test_without_a_cluster_that_is_a_warning_here_and_said_in_a_pod(
    fake: FakeKubernetes, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    assert (ask("cluster").result, "where kubectl works" in ask("cluster").fix) == ("warn", True)
    answer = ask("cluster", inside=True)
    assert (answer.result, "automountServiceAccountToken" in answer.seen) == ("skipped", True)


@fails("trainjob")
def test_without_a_cluster_the_others_say_only_that_they_were_not_asked(
    fake: FakeKubernetes, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    assert "launcher" not in ask("cluster").seen
    for name in ("secrets", "account", "rights", "nodes", "queue", "trainjob"):
        answer = ask(name, **(JOB if name == "trainjob" else {}))
        assert (answer.result, answer.seen) == ("skipped", "not asked: there is no cluster here, see cluster"), name
    # A pod that is to make the job has to have one.
    assert "launcher trainjob needs a cluster" in ask("trainjob", inside=True, **JOB).seen


@fails("cluster")
def test_a_cluster_that_is_away_has_failed(fake: FakeKubernetes) -> None:
    fake.stop()
    for name in ("cluster", "secrets", "account", "nodes", "queue"):
        answer = ask(name)
        assert (answer.result, "does not answer" in answer.seen) == ("fail", True), answer


@fails("secrets")
def test_a_secret_that_is_missing_or_lacks_a_key_is_told_without_its_values(fake: FakeKubernetes) -> None:
    replace(fake, "secrets", {"metadata": {"name": "store-keys"}, "data": {"id": "aWQ="}})
    answer = ask("secrets")
    assert (answer.result, answer.seen) == ("fail", "secret store-keys lacks key")
    remove(fake, "secrets", "store-keys")
    remove(fake, "configmaps", "places")
    answer = ask("secrets", image_pull_secrets=["pull"])
    assert answer.result == "fail"
    assert answer.seen == "; ".join(
        f"{one} is not in namespace team" for one in ("secret store-keys", "config map places", "secret pull")
    )
    assert "aWQ=" not in str(answer)


def test_secrets_that_we_may_not_see_are_a_warning_that_names_the_right(fake: FakeKubernetes) -> None:
    fake.roles = []
    answer = ask("secrets")
    assert (answer.result, "SelfSubjectAccessReview denies `get secrets`" in answer.seen) == ("warn", True)
    assert ask("account").result == "warn"
    assert ask("nodes").result == "warn"
    assert ask("queue").result == "warn"


@fails("account")
def test_a_service_account_that_is_missing_is_told(fake: FakeKubernetes) -> None:
    remove(fake, "serviceaccounts", "ratchet")
    answer = ask("account")
    assert (answer.result, "service account ratchet is not in namespace team" in answer.seen) == ("fail", True)


@fails("pipelines")
def test_kubeflow_pipelines_answers_or_is_told_with_what_helps(
    fake: FakeKubernetes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KFP_ENDPOINT", raising=False)
    assert "no address of Kubeflow Pipelines" in ask("pipelines").seen
    with FakePipelines() as kfp:
        assert ask("pipelines", api=kfp.url).result == "ok"
    answer = ask("pipelines", api=kfp.url)
    assert answer.result == "fail"
    with FakePipelines(release="2.3.0") as old:
        assert "is Kubeflow Pipelines 2.3.0" in ask("pipelines", api=old.url).seen
    with FakePipelines(token="right") as closed:
        monkeypatch.setenv("KFP_TOKEN", "wrong-token")
        answer = ask("pipelines", api=closed.url)
        assert (answer.result, "wrong-token" in str(answer)) == ("fail", False)


@needs_crds
def test_a_trainjob_is_tried_without_being_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RATCHET_ROOT", "s3://bucket/root")
    monkeypatch.setenv("RATCHET_REGISTRY", "store")
    with FakeKubernetes([crd("trainer_trainjobs")]) as cluster:
        monkeypatch.setenv("KUBECONFIG", str(kubeconfig(tmp_path, cluster.url)))
        assert ask("trainjob", **JOB).result == "ok"
        assert cluster.state.list(cluster.kind("trainjobs")) == []
        cluster.roles = []
        answer = ask("trainjob", **JOB)
    assert (answer.result, "not create a TrainJob" in answer.seen) == ("fail", True)
    assert ask("trainjob").result == "skipped"
