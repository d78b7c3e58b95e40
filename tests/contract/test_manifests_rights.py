"""Rights are exactly what the code asks for: clients run against fakes that write down what a Role would have to allow."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from ratchet.cli.app import app
from ratchet.launching.trainjob import TrainJobConfig
from ratchet.operations.starting import RoundRequest
from ratchet.platform.places import Place
from ratchet.platform.starter import KfpStarter
from ratchet.registry import lease as leases
from ratchet.rounds import loop_prefix
from ratchet.services.fake_kubernetes import FakeKubernetes, FakeServing
from ratchet.services.fake_kubernetes.serving import DEPLOYMENT, SERVICE
from ratchet.services.fake_pipelines import FakePipelines
from ratchet.serving import ServingConfig, abort, follow, show
from ratchet.serving.cluster import Cluster
from ratchet.store import open_store
from ratchet.train.launchers.trainjob.api import connect
from ratchet.train.launchers.trainjob.following import Following
from ratchet.train.launchers.trainjob.jobs import Jobs
from ratchet.train.launchers.trainjob.manifest import Wanted, train_job
from ratchet.train.launchers.trainjob.rights import RIGHTS, WORDS
from ratchet.train.launchers.trainjob.watching import Ended, Watching
from tests.fake_cluster import cluster, crd, kubeconfig, needs_crds
from tests.kustomize import MANIFESTS, OVERLAYS, needs_kubectl, objects
from tests.pipelines import client, pipeline_file
from tests.unit.loops import LOOP, new_loop

NOBODY = "http://127.0.0.1:9"
Right = tuple[str, str, str]
PIPELINES = "pipelines.kubeflow.org"
OF_PIPELINES = (
    ("POST", r"/apis/v2beta1/(runs|experiments)", "create"),
    ("GET", r"/apis/v2beta1/(runs|experiments|pipelines)", "list"),
    ("GET", r"/apis/v2beta1/(runs|experiments|pipelines)/[^/]+", "get"),
    ("GET", r"/apis/v2beta1/pipelines/[^/]+/(versions)", "list"),
    ("POST", r"/apis/v2beta1/(runs)/[^/]+:terminate", "terminate"),
)
"""What the API server of Kubeflow Pipelines checks for its users' requests; its health is free."""


def role(path: str) -> set[Right]:
    (found,) = (one for one in yaml.safe_load_all((MANIFESTS / path).read_text()) if one["kind"] == "Role")
    return {
        (verb, group, resource)
        for rule in found["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def asked(fake: FakeKubernetes) -> set[Right]:
    return {(verb, fake.kind(resource.split("/")[0]).group, resource) for verb, resource in fake.requests}


def of_pipelines(requests: Iterable[tuple[str, str]]) -> set[Right]:
    rights = set()
    for method, path in requests:
        if path.endswith("/healthz"):
            continue
        for wanted, pattern, verb in OF_PIPELINES:
            found = re.fullmatch(pattern, path)
            if method == wanted and found is not None:
                resource = "pipelines/versions" if found[1] == "versions" else found[1]
                rights.add((verb, PIPELINES, resource))
                break
        else:
            raise AssertionError(f"{method} {path} is a request whose right is not known here")
    return rights


def _wanted() -> Wanted:
    key = "0123456789abcdef" * 4
    return Wanted("mine", 1, key, "job-1/1", "registry.example/training", "{}", "a", 1, 1, {}, {})


@needs_crds
def test_a_round_may_do_with_trainjobs_what_the_launcher_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = TrainJobConfig(queue="ratchet")
    with cluster(tmp_path, monkeypatch) as fake:
        jobs = Jobs(connect(), lambda _: None, 0.01, 1)
        job = train_job(_wanted(), config, jobs.owner())
        jobs.rehearse(job)
        jobs.ensure(job)
        found = jobs.ensure(job)
        following = Following(jobs.api, lambda *_: None)
        watching = Watching(jobs, found, config, list, lambda: None, 60, following)
        watching._look([])
        watching.job = {**found, "spec": {**found["spec"], "suspend": False}}
        watching._look(watching._pods())
        following._read("ratchet-round-train-1", follow=False)
        jobs.delete(found)
        with pytest.raises(Ended):
            watching._read()
        # Preflight looks whether a run has them.
        assert asked(fake) == role("components/trainjob/role.yaml") == {*RIGHTS, *WORDS}


@pytest.mark.parametrize("kind", ["deployment", "kserve"])
def test_the_trigger_may_do_with_served_models_what_following_does(
    kind: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if kind == "kserve" and not (MANIFESTS.parents[1] / "shared" / "crds").is_dir():
        pytest.skip("needs ../shared/crds")
    crds: Sequence[Any] = [crd("kserve_serving.kserve.io_inferenceservices")] if kind == "kserve" else []
    settings = new_loop(tmp_path)
    with FakeKubernetes(crds, [DEPLOYMENT, SERVICE]) as fake, FakeServing(fake, LOOP) as pods:
        monkeypatch.setenv("KUBECONFIG", str(kubeconfig(tmp_path, fake.url)))
        canary = {"url": pods.url, "soak_seconds": 0, "ready_minutes": 2}
        config = ServingConfig(kind=kind, image="registry.example/inference", canary=canary)
        there = Cluster(connect(), poll=0.02, away=60)
        for one in (config, config.model_copy(update={"replicas": 2})):
            assert follow(settings, LOOP, None, one, cluster=there).state == "served"
        show(LOOP, config, there)
        abort(settings, LOOP, config, "no", "ada", there)
        silent = config.model_copy(update={"name": "other", "canary": config.canary.model_copy(update={"url": NOBODY})})
        assert follow(settings, LOOP, None, silent, cluster=there).state == "aborted"
        assert asked(fake) == role(f"components/serving-{kind}/role.yaml")


def test_the_trigger_may_do_in_kubeflow_pipelines_what_its_starter_does(tmp_path: Path) -> None:
    place = Place("ratchet-gpu", "kubeflow", "ratchet", None, None)
    with FakePipelines() as fake:
        client(fake).upload(pipeline_file(tmp_path), place.pipeline, "a pipeline")
        fake.requests.clear()
        request = RoundRequest(loop="mine", recipe="rft", key="move 7", why="champion moved to 3")
        starter = KfpStarter(client(fake), open_store(str(tmp_path / "store")), place)
        for key in ("move 7", "move 8"):
            starter.start(request.model_copy(update={"key": key}))
        # As if both were of one request: the younger is taken back.
        (experiment,) = fake.state.experiments
        both = list(client(fake).runs(experiment))
        starter._only(both[0], both)
        starter.running("mine")
        assert of_pipelines(fake.requests) == role("base/trigger-role.yaml")


def test_the_janitor_may_ask_kubeflow_pipelines_for_a_run_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with FakePipelines() as fake:
        uploaded, _ = client(fake).upload(pipeline_file(tmp_path), "ratchet-gpu", "a pipeline")
        given = {"recipe": "rft", "loop": LOOP}
        reference = {"pipeline_id": uploaded.pipeline_id}
        run = fake.state.start({"pipeline_version_reference": reference, "runtime_config": {"parameters": given}})
        profile = tmp_path / "profile.yaml"
        profile.write_text((MANIFESTS / "base" / "profile.yaml").read_text())
        settings = new_loop(tmp_path)
        store = open_store(settings.root)
        leases.acquire(store.sub(loop_prefix(LOOP)), run["run_id"], 21600)
        for name, value in {**settings.environment(), "KFP_ENDPOINT": fake.url}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr("ratchet.operations.janitor.ENDED_STILL", timedelta(0))
        fake.requests.clear()
        (container,) = _janitor()["spec"]["containers"]
        command = [one.replace("/etc/ratchet/profile.yaml", str(profile)) for one in container["args"]]
        assert "nothing is left open" in CliRunner().invoke(app, command).output
        fake.state.advance(run["run_id"], "FAILED")
        assert "as Kubeflow Pipelines says" in CliRunner().invoke(app, [*command, "--json"]).output
        assert of_pipelines(fake.requests) == role("base/janitor-role.yaml")


def _janitor() -> Any:
    """The pod of its CronJob."""
    found = yaml.safe_load_all((MANIFESTS / "base" / "janitor.yaml").read_text())
    (job,) = (one for one in found if one["kind"] == "CronJob")
    return job["spec"]["jobTemplate"]["spec"]["template"]


def test_what_the_platform_asks_in_rounds_pods_is_bound_to_names() -> None:
    """Not of our code: Argo's executor and the launcher of Kubeflow Pipelines."""
    (found, _) = yaml.safe_load_all((MANIFESTS / "base" / "rounds-role.yaml").read_text())
    assert role("base/rounds-role.yaml") == {
        ("create", "argoproj.io", "workflowtaskresults"),
        ("patch", "argoproj.io", "workflowtaskresults"),
        ("list", "argoproj.io", "workflowtasksets"),
        ("watch", "argoproj.io", "workflowtasksets"),
        ("patch", "argoproj.io", "workflowtasksets/status"),
        ("get", "", "configmaps"),
        ("get", "", "secrets"),
    }
    for rule in found["rules"]:
        assert rule["apiGroups"] == ["argoproj.io"] or rule["resourceNames"]


@needs_kubectl
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_no_role_has_a_wildcard_and_none_reaches_beyond_its_namespace(overlay: str) -> None:
    for one in objects(overlay):
        assert one["kind"] not in ("ClusterRole", "ClusterRoleBinding")
        if one["kind"] == "Role":
            assert "*" not in yaml.safe_dump(one["rules"])
            for rule in one["rules"]:
                assert "secrets" not in rule["resources"] or rule["resourceNames"]
