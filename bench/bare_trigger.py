"""A receiver of webhooks without ratchet: check the HMAC, answer 202; and a client that sends signed deliveries.

python -m bench.bare_trigger PORT        (serves; the secret is in SECRET)
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import uvicorn

Message = MutableMapping[str, Any]


def signature(secret: str, delivery: str, stamp: str, body: bytes) -> str:
    signed = f"{delivery}.{stamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(secret.encode(), signed, hashlib.sha256).digest()).decode()


async def receiver(
    scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
) -> None:
    if scope["type"] != "http":
        return
    headers = {name.decode(): value.decode() for name, value in scope["headers"]}
    body = (await receive()).get("body", b"")
    delivery, stamp = headers.get("x-mlflow-delivery-id", ""), headers.get("x-mlflow-timestamp", "")
    right = signature(os.environ["SECRET"], delivery, stamp, body) == headers.get("x-mlflow-signature")
    answer = b'{"outcome":"accepted"}'
    kind = [(b"content-type", b"application/json"), (b"content-length", str(len(answer)).encode())]
    await send({"type": "http.response.start", "status": 202 if right else 401, "headers": kind})
    await send({"type": "http.response.body", "body": answer})


if __name__ == "__main__":
    uvicorn.run(receiver, port=int(sys.argv[1]), loop="uvloop", http="httptools", log_level="error", lifespan="off")
