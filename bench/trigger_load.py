"""A client that posts signed deliveries over kept connections, as fast as it can or at a pace, and times each answer.

python -m bench.trigger_load PORT SECONDS CONNECTIONS RATE LOOPS    (RATE 0: as fast as it can; the secret is in SECRET)
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
import uuid

import uvloop

from bench.bare_trigger import signature


def request(loop: str, secret: str) -> bytes:
    payload = {"name": loop, "alias": "champion", "version": "2"}
    body = json.dumps({"entity": "model_version_alias", "action": "created", "data": payload}).encode()
    delivery, stamp = str(uuid.uuid4()), str(int(time.time()))
    head = (
        "POST /webhooks/mlflow HTTP/1.1\r\nhost: trigger\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\nx-mlflow-delivery-id: {delivery}\r\nx-mlflow-timestamp: {stamp}\r\n"
        f"x-mlflow-signature: {signature(secret, delivery, stamp, body)}\r\n\r\n"
    )
    return head.encode() + body


async def sender(port: int, until: float, every: float, first: float, loops: list[str], out: dict[str, list]) -> None:
    """At a pace an answer is timed from when its delivery was due: one that had to wait for its turn was late."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    due, turn = first, 0
    while max(time.perf_counter(), due) < until:
        if every:
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
        message = request(loops[turn % len(loops)], os.environ["SECRET"])
        begun = due if every else time.perf_counter()
        writer.write(message)
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        await reader.readexactly(length)
        out["seconds"].append(time.perf_counter() - begun)
        out["status"].append(int(head[9:12]))
        due, turn = due + every, turn + 1
    writer.close()


async def main() -> None:
    port, seconds, connections, rate, loops = sys.argv[1:]
    out: dict[str, list] = {"seconds": [], "status": []}
    begun = time.perf_counter()
    count = int(connections)
    every = count / float(rate) if float(rate) else 0.0
    senders = [
        sender(int(port), begun + float(seconds), every, begun + every * n / count, loops.split(","), out)
        for n in range(count)
    ]
    await asyncio.gather(*senders)
    print(json.dumps({**out, "wall": time.perf_counter() - begun}))


if __name__ == "__main__":
    uvloop.run(main())
