"""The trigger's HTTP side: verify a webhook, put its loop into the queue, answer; health, readiness and metrics."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Literal

import anyio.to_thread
from fastapi import FastAPI, Request, Response
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel, ConfigDict, Field

import ratchet
from ratchet import canonical
from ratchet.operations.trigger.deliveries import loop_of
from ratchet.operations.trigger.service import Service
from ratchet.operations.trigger.signature import DELIVERY, SIGNATURE, TIMESTAMP, Refused, check

MOST_BYTES = 64 * 1024
RETRY_AFTER = {"Retry-After": "5"}
STATUS = {"accepted": 202, "ignored": 200, "known": 200, "unsigned": 401, "forged": 401, "old": 401, "malformed": 400}
STATUS |= {"too-large": 413, "not-ready": 503, "full": 503}
log = logging.getLogger("ratchet.trigger")


class Taken(BaseModel):
    """A delivery that was believed."""

    model_config = ConfigDict(extra="forbid")

    outcome: Literal["accepted", "ignored", "known"] = Field(
        description="accepted: its loop will be looked at; ignored: it speaks of no alias `champion` of a loop that is served; "
        "known: a delivery with this id was taken before"
    )
    loop: str | None = Field(description="the loop that will be looked at")


class Problem(BaseModel):
    """Why a request was not taken."""

    model_config = ConfigDict(extra="forbid")

    outcome: str
    detail: str


class Health(BaseModel):
    """Whether the trigger lives, and may be sent deliveries."""

    model_config = ConfigDict(extra="forbid")

    status: Literal["ok", "not-ready"]
    version: str
    why: str | None = None


# Read from the request by hand, and so described by hand: what FastAPI does for a parameter costs more than the HMAC.
DELIVERY_PARTS = {
    "parameters": [
        {"name": name, "in": "header", "required": False, "schema": {"type": "string"}, "description": words}
        for name, words in (
            (SIGNATURE, "v1,<base64 of the HMAC-SHA256 over id, time and body>"),
            (DELIVERY, "the same for each try of a delivery"),
            (TIMESTAMP, "seconds since 1970"),
        )
    ],
    "requestBody": {
        "required": True,
        "description": "A delivery of MLflow's registry webhooks.",
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["entity", "action", "data"],
                    "properties": {
                        "entity": {"type": "string", "examples": ["model_version_alias"]},
                        "action": {"type": "string", "examples": ["created"]},
                        "timestamp": {"type": "string"},
                        "data": {"type": "object"},
                    },
                }
            }
        },
    },
}
REFUSALS: dict[int | str, dict[str, Any]] = {
    200: {"model": Taken, "description": "Believed, and nothing to do"},
    400: {"model": Problem, "description": "Signed, and no delivery of MLflow"},
    401: {"model": Problem, "description": "Not signed by the webhook's secret, or not fresh"},
    413: {"model": Problem, "description": f"Larger than {MOST_BYTES} bytes"},
    503: {
        "model": Problem,
        "description": "Not ready, or too many loops wait: MLflow sends it again, and the poller looks anyway",
    },
}


def create_app(service: Service) -> FastAPI:
    """The application; its lifespan starts and stops the service."""

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        service.start()
        yield
        drained = await anyio.to_thread.run_sync(service.stop)
        log.info("ended; %s", "the queue is empty" if drained else "what was left is found again at the next start")

    app = FastAPI(
        title="ratchet trigger",
        version=ratchet.__version__,
        description="Starts the next round of a loop when its champion moves.",
        lifespan=life,
        docs_url=None,
        redoc_url=None,
    )
    if service.options.webhooks:
        _add_webhooks(app, service)
    _add_health(app, service)
    return app


def _add_webhooks(app: FastAPI, service: Service) -> None:
    @app.post(
        "/webhooks/mlflow", status_code=202, responses={202: {"model": Taken}, **REFUSALS}, openapi_extra=DELIVERY_PARTS
    )
    async def mlflow(request: Request) -> Response:
        """Take a delivery of MLflow's registry. It is a hint: what moved is read from the registry."""
        begun = time.perf_counter()
        loop, detail = None, ""
        try:
            outcome, loop = _take(service, request.headers, await _body(request))
        except Refused as refused:
            outcome, detail = refused.outcome, str(refused)
        service.metrics.deliveries.labels(outcome).inc()
        service.metrics.seconds.observe(time.perf_counter() - begun)
        return _answer(outcome, loop, detail)


def _take(service: Service, headers: Mapping[str, str], body: bytes) -> tuple[str, str | None]:
    now = time.time()
    signature, delivery, timestamp = (headers.get(name) for name in (SIGNATURE, DELIVERY, TIMESTAMP))
    known = check(service.options.secrets, body, signature=signature, delivery=delivery, timestamp=timestamp, now=now)
    why = service.why_not_ready()
    if why is not None:
        raise Refused("not-ready", why)
    if service.seen.knows(known):
        return "known", None
    loop = loop_of(body)
    served = loop is not None and service.serves(loop)
    if served and loop is not None and not service.hint(loop):
        raise Refused("full", "too many loops wait to be looked at")
    # Only now: one that was refused is welcome again.
    service.seen.add(known, now)
    return ("accepted", loop) if served else ("ignored", None)


async def _body(request: Request) -> bytes:
    """The body, as far as it is not too long; nothing more than that is ever held."""
    length = request.headers.get("content-length", "")
    if length.isdigit() and int(length) > MOST_BYTES:
        raise Refused("too-large", f"the body is longer than {MOST_BYTES} bytes")
    found = bytearray()
    async for part in request.stream():
        found += part
        if len(found) > MOST_BYTES:
            raise Refused("too-large", f"the body is longer than {MOST_BYTES} bytes")
    return bytes(found)


def _answer(outcome: str, loop: str | None, detail: str) -> Response:
    status = STATUS[outcome]
    body = {"outcome": outcome, "loop": loop} if status < 300 else {"outcome": outcome, "detail": detail}
    headers = RETRY_AFTER if status == 503 else None
    return Response(canonical.dumps(body), status, headers, "application/json")


def _add_health(app: FastAPI, service: Service) -> None:
    @app.get("/healthz", response_model=Health)
    async def healthz() -> Health:
        """Whether the process lives. It says nothing of registry and store: restarting would not mend those."""
        return Health(status="ok", version=ratchet.__version__)

    @app.get(
        "/readyz",
        response_model=Health,
        responses={503: {"model": Health, "description": "Registry or store are away"}},
    )
    async def readyz(response: Response) -> Health:
        """Whether registry and store have answered lately, so that deliveries can be taken."""
        why = service.why_not_ready()
        response.status_code = 503 if why else 200
        return Health(status="not-ready" if why else "ok", version=ratchet.__version__, why=why)

    @app.get("/metrics", response_class=PlainTextResponse, responses={200: {"description": "Prometheus's text format"}})
    async def metrics() -> Response:
        """Figures for Prometheus."""
        return Response(service.metrics.page(), media_type="text/plain; version=0.0.4; charset=utf-8")
