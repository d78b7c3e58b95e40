"""A client that posts signed deliveries over kept connections and times each answer, as fast as it can or at a fixed rate.

python -m bench.trigger_load PORT SECONDS CONNECTIONS RATE LOOPS    (RATE 0: as fast as it can; the secret is in SECRET)

At a rate the loop is open: a delivery leaves when it is due, whatever became of those before it, over a free connection or a new one,
and is timed from when it was due. `late` is how long after that it left: the client's own share, which no server can mend.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys
import time
import uuid
from collections import deque
from typing import Any

import uvloop

from bench.bare_trigger import signature

MOST_CONNECTIONS = 500
ANSWER_SECONDS = 60.0


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


class Client:
    """Its connections, and what was measured: seconds of each answer, its status, and how late it left."""

    def __init__(self, port: int, loops: list[str]) -> None:
        self.port = port
        self.loops = loops
        self.secret = os.environ["SECRET"]
        self.seconds: list[float] = []
        self.status: list[int] = []
        self.late: list[float] = []
        self.free: deque[Line] = deque()
        self.due: deque[float] = deque()
        self.open = self.sent = 0
        self.again: float | None = None

    async def connect(self, count: int) -> None:
        self.open += count
        loop = asyncio.get_running_loop()
        for _ in range(count):
            await loop.create_connection(lambda: Line(self), "127.0.0.1", self.port)

    async def fast(self, until: float) -> None:
        """Each connection sends its next delivery when it has the answer to the one before."""
        self.again = until
        self._send_all([time.perf_counter()] * len(self.free))
        await self._answered()

    async def paced(self, rate: float, seconds: float) -> None:
        begun, count = time.perf_counter(), int(rate * seconds)
        for number in range(count):
            due = begun + number / rate
            if (left := due - time.perf_counter()) > 0:
                await asyncio.sleep(left)
            self._send_all([due])
        await self._answered()

    def _send_all(self, due: list[float]) -> None:
        self.due += due
        while self.due and self.free:
            self.free.popleft().send(self.due.popleft())
        if self.due and self.open < MOST_CONNECTIONS:
            # It takes what waits as soon as it is there, or earlier one that comes free.
            asyncio.get_running_loop().create_task(self.connect(1))

    def freed(self, line: Line) -> None:
        if self.due:
            line.send(self.due.popleft())
        elif self.again is not None and (now := time.perf_counter()) < self.again:
            line.send(now)
        else:
            self.free.append(line)

    async def _answered(self) -> None:
        last = max(time.perf_counter(), self.again or 0.0)
        while len(self.seconds) < self.sent or self.due or (self.again or 0.0) > time.perf_counter():
            if time.perf_counter() > last + ANSWER_SECONDS:
                raise TimeoutError(f"{self.sent - len(self.seconds) + len(self.due)} deliveries have no answer")
            await asyncio.sleep(0.005)


class Line(asyncio.Protocol):
    """One connection, one delivery under way at a time."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._got = bytearray()
        self._due = 0.0

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._client.freed(self)

    def send(self, due: float) -> None:
        client = self._client
        self._due = due
        message = request(client.loops[client.sent % len(client.loops)], client.secret)
        client.sent += 1
        client.late.append(time.perf_counter() - due)
        self._transport.write(message)

    def data_received(self, data: bytes) -> None:
        self._got += data
        head, found, rest = bytes(self._got).partition(b"\r\n\r\n")
        if not found or len(rest) < int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0]):
            return
        self._got.clear()
        self._client.seconds.append(time.perf_counter() - self._due)
        self._client.status.append(int(head[9:12]))
        self._client.freed(self)


async def main() -> None:
    port, seconds, connections, rate, loops = sys.argv[1:]
    client = Client(int(port), loops.split(","))
    await client.connect(int(connections))
    # A collection of this client would be taken for the server's slowness.
    gc.freeze()
    gc.disable()
    begun = time.perf_counter()
    if float(rate):
        await client.paced(float(rate), float(seconds))
    else:
        await client.fast(begun + float(seconds))
    wall = time.perf_counter() - begun
    print(json.dumps({"seconds": client.seconds, "status": client.status, "late": client.late, "wall": wall}))


if __name__ == "__main__":
    uvloop.run(main())
