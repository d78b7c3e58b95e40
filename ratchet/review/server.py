"""The page's server: this machine only, one token in the address, and nothing that another site's page could make it do.

Whoever has the address may label. It listens on 127.0.0.1 alone; a request for another host name (DNS rebinding) is refused, and
a label is taken only as JSON from our own page (Origin), which no form and no other site can send.
"""

from __future__ import annotations

import hmac
import json
import secrets
import threading
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from pydantic import Field, ValidationError

from ratchet.artifacts import ImageBank
from ratchet.errors import RatchetError
from ratchet.records import ImageRef, Record
from ratchet.review.doubts import Doubt
from ratchet.review.labels import LONGEST_NOTE, Choice, Label, Labels, standing
from ratchet.review.page import item, render

HOST = "127.0.0.1"
MOST_BYTES = 64 * 1024
SHOWN = ("image/png", "image/jpeg", "image/gif", "image/webp", "image/bmp")
_HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": "frame-ancestors 'none'",
}


class Given(Record):
    """What the page sends for one answer."""

    id: str
    choice: Choice
    override: bool = False
    note: str = Field("", max_length=LONGEST_NOTE)


class Review:
    """A queue under review by one person. `labels` keeps what they say."""

    def __init__(
        self, loop: str, doubts: Sequence[Doubt], banks: Sequence[ImageBank], labels: Labels, author: str
    ) -> None:
        self.loop, self.author = loop, author
        self._doubts: Mapping[str, Doubt] = {one.id: one for one in doubts}
        self._pictures: Mapping[str, ImageRef] = {i.sha256: i for one in doubts for i in one.prompt.images}
        self._banks, self._labels = banks, labels
        self._looking = threading.Lock()

    def queue(self) -> dict[str, Any]:
        """All items, and what this person said of them before."""
        mine = standing(label for place in ("pool", "held") for label in self._labels.of(place))
        said = {one.answer: one.choice for one in mine if one.author == self.author}
        items = [{**item(one), "label": said.get(one.id)} for one in self._doubts.values()]
        return {"loop": self.loop, "author": self.author, "items": items}

    def label(self, given: Given) -> Label:
        """Keep what was said. Raises KeyError for an answer that is not in the queue, ValueError for an override without a note."""
        if given.override and not given.note.strip():
            raise ValueError("an override needs a note that says why")
        doubt = self._doubts[given.id]
        label = Label(
            round=doubt.round,
            split=doubt.split,
            prompt_id=doubt.prompt.id,
            text=doubt.text,
            model=doubt.model,
            why=doubt.why,
            verdict=doubt.verdict,
            said={one.verifier: one.passed for one in doubt.said},
            choice=given.choice,
            override=given.override,
            note=given.note.strip(),
            author=self.author,
        )
        self._labels.add(label)
        return label

    def picture(self, sha256: str) -> tuple[str, bytes] | None:
        """(media type, bytes) of a picture of the queue; no other one is given away."""
        ref = self._pictures.get(sha256)
        if ref is None or ref.media_type not in SHOWN:
            return None
        # A bank is one reader's, and every request has a thread of its own.
        with self._looking:
            bank = next((one for one in self._banks if sha256 in one), None)
            return None if bank is None else (ref.media_type, bank.bytes(sha256))


class ReviewServer(ThreadingHTTPServer):
    """Serves one review at `address` until it is shut down."""

    daemon_threads = True

    def __init__(self, review: Review, port: int = 0) -> None:
        super().__init__((HOST, port), _Answer)
        self.review, self.token = review, secrets.token_urlsafe(24)

    @property
    def address(self) -> str:
        return f"http://{HOST}:{self.server_port}/{self.token}/"


class _Answer(BaseHTTPRequestHandler):
    """One request."""

    server: ReviewServer
    protocol_version = "HTTP/1.1"
    timeout = 30

    def do_GET(self) -> None:
        path = self._path()
        if path is None:
            return
        try:
            self._give(path)
        except RatchetError as error:
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, str(error))

    def _give(self, path: str) -> None:
        review = self.server.review
        if path == "":
            self._send(HTTPStatus.OK, "text/html; charset=utf-8", render(review.loop).encode())
        elif path == "queue.json":
            self._json(HTTPStatus.OK, review.queue())
        elif path.startswith("picture/") and (found := review.picture(path.removeprefix("picture/"))) is not None:
            self._send(HTTPStatus.OK, *found)
        else:
            self._refuse(HTTPStatus.NOT_FOUND, "there is nothing here")

    def do_POST(self) -> None:
        path = self._path()
        if path is None:
            return
        if path != "labels":
            self._refuse(HTTPStatus.NOT_FOUND, "labels go to labels")
        elif self.headers.get("Origin") != f"http://{self.headers['Host']}":
            self._refuse(HTTPStatus.FORBIDDEN, "a label is taken from this page only")
        elif self.headers.get_content_type() != "application/json":
            self._refuse(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "a label is JSON")
        else:
            self._label()

    def _label(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > MOST_BYTES:
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a label has at most {MOST_BYTES} bytes")
            return
        try:
            given = Given.model_validate_json(self.rfile.read(int(length)))
            kept = self.server.review.label(given)
        except ValidationError as error:
            self._refuse(HTTPStatus.BAD_REQUEST, f"no label: {error.errors()[0]['msg']}")
        except KeyError:
            self._refuse(HTTPStatus.NOT_FOUND, "no such answer in this queue")
        except ValueError as error:
            self._refuse(HTTPStatus.BAD_REQUEST, str(error))
        except RatchetError as error:
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, f"not kept: {error}")
        else:
            self._json(HTTPStatus.CREATED, {"label": kept.choice, "at": kept.at.isoformat()})

    def _path(self) -> str | None:
        """What follows the token; None, and answered, where host or token is not ours."""
        port = self.server.server_port
        if self.headers.get("Host") not in (f"{HOST}:{port}", f"localhost:{port}"):
            self._refuse(HTTPStatus.FORBIDDEN, f"this is {HOST}:{port}")
            return None
        token, slash, rest = self.path.partition("?")[0].removeprefix("/").partition("/")
        if not slash or not hmac.compare_digest(token.encode(), self.server.token.encode()):
            self._refuse(HTTPStatus.NOT_FOUND, "open the whole address that `ratchet review` printed")
            return None
        return rest

    def _json(self, status: HTTPStatus, body: Any) -> None:
        self._send(status, "application/json", json.dumps(body).encode())

    def _refuse(self, status: HTTPStatus, why: str) -> None:
        # What is left of a request's body must not be read as the next request.
        self.close_connection = True
        self._json(status, {"error": why})

    def _send(self, status: HTTPStatus, kind: str, body: bytes) -> None:
        self.send_response(status)
        for name, value in {**_HEADERS, "Content-Type": kind, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: a line a request would hold the token."""
