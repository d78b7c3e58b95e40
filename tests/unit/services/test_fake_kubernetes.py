"""The fake API server, as the real client sees it: objects, versions, watches, owners, finalizers, patches, rights, faults."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from kubernetes import client, watch

from ratchet.services.fake_kubernetes import FakeKubernetes, Kind, Refused, State
from ratchet.services.fake_kubernetes.selectors import fielded, labelled, merged
from tests.fake_cluster import crd, needs_crds

GROUP, VERSION, PLURAL, SPACE = "trainer.kubeflow.org", "v1alpha1", "trainjobs", "team"
WHERE = (GROUP, VERSION, SPACE, PLURAL)
WIDGETS = Kind("", "v1", "widgets", "Widget", status=False)
pytestmark = [needs_crds, pytest.mark.timeout(300)]


@pytest.fixture
def fake() -> Iterator[FakeKubernetes]:
    with FakeKubernetes([crd("trainer_trainjobs"), crd("kueue_localqueues")], [WIDGETS]) as running:
        yield running


@pytest.fixture
def api(fake: FakeKubernetes) -> Any:
    configuration = client.Configuration(host=fake.url)
    configuration.retries = False
    return client.ApiClient(configuration)


@pytest.fixture
def jobs(api: Any) -> Any:
    return client.CustomObjectsApi(api)


def job(name: str = "one", **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": "TrainJob",
        "metadata": {"name": name, "labels": {"loop": "a"}},
        "spec": {"runtimeRef": {"name": "torch-distributed"}, **spec},
    }


def refused(code: int) -> Any:
    return pytest.raises(client.ApiException, match=rf"\({code}\)")


def test_an_object_gets_identity_version_defaults_and_loses_what_nobody_knows(jobs: Any) -> None:
    made = jobs.create_namespaced_custom_object(*WHERE, {**job(wrong=1), "status": {"conditions": []}})
    metadata = made["metadata"]
    assert {"uid", "resourceVersion", "creationTimestamp"} <= metadata.keys()
    assert (metadata["namespace"], made["spec"]["suspend"]) == (SPACE, False)
    assert made["spec"]["runtimeRef"]["kind"] == "ClusterTrainingRuntime"
    assert "wrong" not in made["spec"]
    assert "status" not in made
    assert jobs.get_namespaced_custom_object(*WHERE, "one") == made


def test_what_the_definition_forbids_is_refused(jobs: Any) -> None:
    with refused(422):
        jobs.create_namespaced_custom_object(*WHERE, job(trainer={"numNodes": "2"}))
    with refused(422):
        jobs.create_namespaced_custom_object(*WHERE, {"metadata": {"name": "x"}, "spec": {"runtimeRef": {"name": ""}}})
    with pytest.raises(client.ApiException, match=r"unknown field .*spec\.wrong"):
        jobs.create_namespaced_custom_object(*WHERE, job(wrong=1), field_validation="Strict")
    with refused(404):
        jobs.get_namespaced_custom_object(*WHERE, "x")
    with refused(404):
        jobs.list_namespaced_custom_object(GROUP, VERSION, SPACE, "trains")


def test_names_are_taken_once_and_old_versions_are_conflicts(jobs: Any) -> None:
    made = jobs.create_namespaced_custom_object(*WHERE, job())
    with refused(409):
        jobs.create_namespaced_custom_object(*WHERE, job())
    made["metadata"]["labels"] = {"loop": "b"}
    newer = jobs.replace_namespaced_custom_object(*WHERE, "one", made)
    assert newer["metadata"]["resourceVersion"] != made["metadata"]["resourceVersion"]
    with refused(409):
        jobs.replace_namespaced_custom_object(*WHERE, "one", made)


def test_what_never_changes_cannot_be_changed_and_status_is_apart(jobs: Any) -> None:
    made = jobs.create_namespaced_custom_object(*WHERE, job(trainer={"numNodes": 2}))
    with pytest.raises(client.ApiException, match=r"spec\.trainer: field is immutable"):
        jobs.replace_namespaced_custom_object(
            *WHERE, "one", {**made, "spec": {**made["spec"], "trainer": {"numNodes": 3}}}
        )
    said = {
        "type": "Complete",
        "status": "True",
        "reason": "Done",
        "message": "",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }
    changed = {**made, "status": {"conditions": [said]}, "spec": {**made["spec"], "suspend": True}}
    after = jobs.replace_namespaced_custom_object_status(*WHERE, "one", changed)
    assert (after["status"]["conditions"], after["spec"]["suspend"]) == ([said], False)
    resumed = {**after, "spec": {**after["spec"], "suspend": True}, "status": {}}
    after = jobs.replace_namespaced_custom_object(*WHERE, "one", resumed)
    assert (after["status"]["conditions"], after["spec"]["suspend"]) == ([said], True)
    assert after["metadata"]["generation"] == 2
    with refused(422):
        jobs.replace_namespaced_custom_object_status(
            *WHERE, "one", {**after, "status": {"conditions": [{"type": "x"}]}}
        )


def test_lists_are_of_a_namespace_and_selected(jobs: Any) -> None:
    for name in ("one", "two"):
        jobs.create_namespaced_custom_object(*WHERE, job(name))
    jobs.create_namespaced_custom_object(GROUP, VERSION, "other", PLURAL, job("three"))
    found = jobs.list_namespaced_custom_object(
        *WHERE, label_selector="loop in (a,b)", field_selector="metadata.name=two"
    )
    assert [one["metadata"]["name"] for one in found["items"]] == ["two"]
    assert len(jobs.list_cluster_custom_object(GROUP, VERSION, PLURAL)["items"]) == 3


def test_a_watch_tells_every_change_from_a_version_on(fake: FakeKubernetes, jobs: Any) -> None:
    start = jobs.list_namespaced_custom_object(*WHERE)["metadata"]["resourceVersion"]
    jobs.create_namespaced_custom_object(*WHERE, job())
    later = threading.Timer(0.2, lambda: jobs.delete_namespaced_custom_object(*WHERE, "one"))
    later.start()
    seen = []
    watching = watch.Watch()
    for event in watching.stream(
        jobs.list_namespaced_custom_object, *WHERE, resource_version=start, timeout_seconds=10
    ):
        seen.append((event["type"], event["object"]["metadata"]["name"]))
        if event["type"] == "DELETED":
            watching.stop()
    assert seen == [("ADDED", "one"), ("DELETED", "one")]


def test_a_watch_from_a_version_that_is_forgotten_is_told_that_it_is_gone(fake: FakeKubernetes, jobs: Any) -> None:
    start = jobs.list_namespaced_custom_object(*WHERE)["metadata"]["resourceVersion"]
    jobs.create_namespaced_custom_object(*WHERE, job())
    fake.state.forget_history()
    with pytest.raises(client.ApiException, match=r"\(410\)"):
        for _ in watch.Watch().stream(
            jobs.list_namespaced_custom_object, *WHERE, resource_version=start, timeout_seconds=5
        ):
            pass


def widget(name: str, *owners: dict[str, Any], **metadata: Any) -> dict[str, Any]:
    references = [
        {"apiVersion": "v1", "kind": "Widget", "name": o["metadata"]["name"], "uid": o["metadata"]["uid"]}
        for o in owners
    ]
    return {"metadata": {"name": name, "ownerReferences": references, **metadata}}


def names(state: State) -> list[str]:
    return [one["metadata"]["name"] for one in state.list(WIDGETS)]


def test_what_has_lost_its_last_owner_goes() -> None:
    state = State()
    one, two = (state.create(WIDGETS, SPACE, widget(name)) for name in ("one", "two"))
    child = state.create(WIDGETS, SPACE, widget("child", one, two))
    state.create(WIDGETS, SPACE, widget("grandchild", child))
    state.delete(WIDGETS, SPACE, "one")
    assert names(state) == ["child", "grandchild", "two"]
    state.delete(WIDGETS, SPACE, "two")
    assert names(state) == []


def test_in_the_foreground_an_object_stays_until_what_it_owns_is_gone() -> None:
    state = State()
    parent = state.create(WIDGETS, SPACE, widget("parent"))
    state.create(WIDGETS, SPACE, widget("child", parent, finalizers=["me"]))
    state.delete(WIDGETS, SPACE, "parent", {"propagationPolicy": "Foreground"})
    assert names(state) == ["child", "parent"]
    assert all("deletionTimestamp" in one["metadata"] for one in state.list(WIDGETS))
    state.update(WIDGETS, SPACE, "child", lambda one: one["metadata"].update(finalizers=[]))
    assert names(state) == []


def test_in_the_background_the_name_is_free_at_once() -> None:
    state = State()
    parent = state.create(WIDGETS, SPACE, widget("parent"))
    state.create(WIDGETS, SPACE, widget("child", parent, finalizers=["me"]))
    state.delete(WIDGETS, SPACE, "parent")
    assert names(state) == ["child"]


def test_deletion_keeps_its_preconditions() -> None:
    state = State()
    made = state.create(WIDGETS, SPACE, widget("one"))
    with pytest.raises(Refused, match="precondition uid"):
        state.delete(WIDGETS, SPACE, "one", {"preconditions": {"uid": "another"}})
    state.delete(WIDGETS, SPACE, "one", {"preconditions": {"uid": made["metadata"]["uid"], "resourceVersion": None}})


def test_patches_are_merges(fake: FakeKubernetes, api: Any, jobs: Any) -> None:
    jobs.create_namespaced_custom_object(*WHERE, job())

    def patch(content: str) -> Any:
        path = f"/apis/{GROUP}/{VERSION}/namespaces/{SPACE}/{PLURAL}/one"
        body = {"metadata": {"labels": {"loop": None, "b": "c"}}}
        return api.call_api(
            path,
            "PATCH",
            body=body,
            header_params={"Content-Type": content},
            response_type="object",
            _return_http_data_only=True,
        )

    assert patch("application/merge-patch+json")["metadata"]["labels"] == {"b": "c"}
    with refused(415):
        patch("application/strategic-merge-patch+json")


def test_only_what_the_roles_allow_is_allowed(fake: FakeKubernetes, jobs: Any) -> None:
    fake.roles = [{"rules": [{"apiGroups": [GROUP], "resources": [PLURAL], "verbs": ["create", "get"]}]}]
    jobs.create_namespaced_custom_object(*WHERE, job())
    jobs.get_namespaced_custom_object(*WHERE, "one")
    with pytest.raises(client.ApiException, match="cannot list in API group"):
        jobs.list_namespaced_custom_object(*WHERE)
    with refused(403):
        jobs.replace_namespaced_custom_object_status(*WHERE, "one", job())
    assert fake.requests[:2] == [("create", PLURAL), ("get", PLURAL)]


def test_faults_come_as_often_as_they_are_asked_for(fake: FakeKubernetes, jobs: Any) -> None:
    fake.refuse("list", 500, times=2)
    for _ in range(2):
        with refused(500):
            jobs.list_namespaced_custom_object(*WHERE)
    assert jobs.list_namespaced_custom_object(*WHERE)["items"] == []


def test_a_server_that_was_stopped_comes_back_with_what_it_knew(fake: FakeKubernetes, jobs: Any) -> None:
    jobs.create_namespaced_custom_object(*WHERE, job())
    url = fake.url
    fake.stop()
    with pytest.raises(Exception, match=r"Connection refused|Remote end closed|Connection aborted"):
        jobs.get_namespaced_custom_object(*WHERE, "one")
    fake.start()
    assert fake.url == url
    assert jobs.get_namespaced_custom_object(*WHERE, "one")["metadata"]["name"] == "one"


def test_logs_are_cut_and_timed_as_they_are_asked_for(fake: FakeKubernetes, api: Any) -> None:
    core = client.CoreV1Api(api)
    fake.state.create(fake.kind("pods"), SPACE, {"metadata": {"name": "p"}, "spec": {"containers": []}, "status": {}})
    lines = [("2026-01-01T00:00:01.000000000Z", "a"), ("2026-01-01T00:00:02.000000000Z", "b")]
    fake.log_lines = lambda *_: iter(lines)
    assert core.read_namespaced_pod_log("p", SPACE) == "a\nb\n"
    assert core.read_namespaced_pod_log("p", SPACE, tail_lines=1, timestamps=True) == f"{lines[1][0]} b\n"
    with refused(404):
        core.read_namespaced_pod_log("other", SPACE)


@pytest.mark.parametrize(
    ("selector", "fits"),
    [
        ("", True),
        ("a=1", True),
        ("a==1,b!=3", True),
        ("a=2", False),
        ("a in (1, 2),b notin (3)", True),
        ("c", False),
        ("a", True),
        ("c!=1", True),
    ],
)
def test_labels_are_selected(selector: str, fits: bool) -> None:
    assert labelled(selector, {"a": "1", "b": "2"}) is fits


def test_fields_are_selected_and_patches_merged() -> None:
    one = {"metadata": {"name": "x"}, "involvedObject": {"uid": "u"}}
    assert fielded("involvedObject.uid=u,metadata.name=x", one)
    assert not fielded("involvedObject.uid=v", one)
    assert merged({"a": {"b": 1, "c": 2}, "d": [1]}, {"a": {"b": None, "e": 3}, "d": [2]}) == {
        "a": {"c": 2, "e": 3},
        "d": [2],
    }
