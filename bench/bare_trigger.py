"""The barest receiver of webhooks without ratchet: a FastAPI application that checks the HMAC and answers 202.

python -m bench.bare_trigger PORT        (serves; the secret is in SECRET)
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import sys

import uvicorn
from fastapi import FastAPI, Request, Response


def signature(secret: str, delivery: str, stamp: str, body: bytes) -> str:
    signed = f"{delivery}.{stamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(secret.encode(), signed, hashlib.sha256).digest()).decode()


app = FastAPI()


@app.post("/webhooks/mlflow")
async def receiver(request: Request) -> Response:
    body = await request.body()
    delivery, stamp = (request.headers.get(f"x-mlflow-{name}", "") for name in ("delivery-id", "timestamp"))
    right = signature(os.environ["SECRET"], delivery, stamp, body) == request.headers.get("x-mlflow-signature")
    return Response(b'{"outcome":"accepted"}', 202 if right else 401, media_type="application/json")


if __name__ == "__main__":
    uvicorn.run(app, port=int(sys.argv[1]), loop="uvloop", http="httptools", log_level="error", access_log=False)
