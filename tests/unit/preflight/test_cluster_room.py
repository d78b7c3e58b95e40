"""Nodes and queues: told with the reason where no pod of a round would ever find room."""

from __future__ import annotations

from typing import Any

import pytest

from ratchet.services.fake_kubernetes import FakeKubernetes
from tests.unit.preflight.checks import fails
from tests.unit.preflight.clusters import LOCAL, ask, node, remove, replace, whole


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"metadata": {"name": "one"}}, "none of these has pool=gpu"),
        (
            {"spec": {"taints": [{"key": "spot", "effect": "NoSchedule"}]}},
            "no node whose taints its pods bear (spot=:NoSchedule)",
        ),
        ({"spec": {"unschedulable": True}}, "of 2 nodes, 1 are ready"),
        ({"status": {"conditions": [{"type": "Ready", "status": "False"}]}}, "of 2 nodes, 1 are ready"),
        (
            {
                "status": {
                    "allocatable": {"cpu": "16", "memory": "128Gi"},
                    "conditions": [{"type": "Ready", "status": "True"}],
                }
            },
            "nvidia.com/gpu 0 of 1",
        ),
    ],
)
@fails("nodes")
def test_nodes_that_do_not_fit_are_told_with_the_reason(
    fake: FakeKubernetes, changed: dict[str, Any], said: str
) -> None:
    replace(fake, "nodes", node(**changed))
    answer = ask("nodes")
    assert (answer.result, said in answer.seen) == ("fail", True), answer


@pytest.mark.parametrize(
    ("plural", "value", "said"),
    [
        (
            "localqueues",
            {**LOCAL, "spec": {"clusterQueue": "gone"}},
            "belongs to ClusterQueue gone, which is not there",
        ),
        ("clusterqueues", whole(0), "asks for 1 nvidia.com/gpu at once, and the best flavour of all has 0"),
        ("clusterqueues", whole(stopPolicy="Hold"), "ClusterQueue all is stopped (Hold)"),
        ("clusterqueues", {**whole(), "spec": {"resourceGroups": []}}, "no quota for cpu"),
        (
            "localqueues",
            {**LOCAL, "status": {"conditions": [{"type": "Active", "status": "False", "message": "flavor missing"}]}},
            "queue team-a is not active: flavor missing",
        ),
    ],
)
@fails("queue")
def test_queues_that_would_never_admit_the_pods_are_told(
    fake: FakeKubernetes, plural: str, value: dict[str, Any], said: str
) -> None:
    replace(fake, plural, value)
    answer = ask("queue")
    assert (answer.result, said in answer.seen) == ("fail", True), answer


def test_a_queue_that_is_missing_is_told(fake: FakeKubernetes) -> None:
    remove(fake, "localqueues", "team-a")
    assert "there is no LocalQueue team-a in namespace team" in ask("queue").seen
