"""The OpenAPI description is complete: schemathesis sends what it allows and what it forbids, and finds nothing undescribed."""

from __future__ import annotations

from typing import Any

import pytest
import schemathesis
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode

from ratchet import canonical
from ratchet.operations.trigger.app import Problem, Taken, create_app
from tests.triggered import Ground
from tests.unit.operations.trigger.test_app import PATH, service_of, signed, within

OPERATIONS = [("POST", "/webhooks/mlflow"), ("GET", "/healthz"), ("GET", "/readyz"), ("GET", "/metrics")]


def described(ground: Ground) -> Any:
    return schemathesis.openapi.from_asgi("/openapi.json", create_app(service_of(ground)))


def test_every_operation_is_described(ground: Ground) -> None:
    found = [one.ok() for one in described(ground).get_all_operations()]
    assert sorted((one.method.upper(), one.path) for one in found) == sorted(OPERATIONS)


@pytest.mark.parametrize("mode", GenerationMode)
@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_every_answer_is_as_described(ground: Ground, mode: GenerationMode, method: str, path: str) -> None:
    operation = described(ground)[path][method]
    if mode == GenerationMode.NEGATIVE and method == "GET":
        pytest.skip("what takes nothing can be given nothing wrong")

    @settings(max_examples=25, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy(generation_mode=mode))
    def answered(case: schemathesis.Case) -> None:
        case.call_and_validate()

    answered()


@pytest.mark.parametrize("mode", GenerationMode)
def test_every_answer_to_a_signed_delivery_is_as_described(ground: Ground, mode: GenerationMode) -> None:
    """What only MLflow itself could send: the fuzzed bodies, signed, to a trigger that is ready."""
    operation = described(ground)[PATH]["POST"]
    service = service_of(ground)

    with TestClient(create_app(service)) as client:
        assert within(20, lambda: service.why_not_ready() is None)

        @settings(max_examples=50, deadline=None, database=None, suppress_health_check=list(HealthCheck))
        @given(case=operation.as_strategy(generation_mode=mode))
        def answered(case: schemathesis.Case) -> None:
            try:
                body = canonical.dumps(case.body)
            except TypeError:
                body = repr(case.body).encode()
            answer = client.post(PATH, content=body, headers=signed(body))
            assert answer.status_code in (200, 202, 400)
            (Problem if answer.status_code == 400 else Taken).model_validate(answer.json())

        answered()
