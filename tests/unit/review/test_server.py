"""The review's server, asked over real HTTP."""

from __future__ import annotations

import http.client
import json
from threading import Thread

import pytest

from ratchet.review import Labels
from ratchet.review.doubts import queue
from ratchet.review.server import MOST_BYTES, Review, ReviewServer
from tests.unit.loops import LOOP
from tests.unit.review.made import HOSTILE, reviewed_loop


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return reviewed_loop(tmp_path_factory.mktemp("reviewed"))


@pytest.fixture
def server(made):
    store = made[1]
    for stat in list(store.list(f"loops/{LOOP}/labels/")):
        store.delete(store.key(stat.uri))
    doubts, banks = queue(store, LOOP, flips=True)
    with ReviewServer(Review(LOOP, doubts, banks, Labels(store, LOOP), "ann")) as running:
        thread = Thread(target=running.serve_forever, daemon=True)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def ask(server, method, path, body=None, **headers):
    """(status, headers, body) of a request below the token, as our page sends it unless `headers` say otherwise."""
    host = f"127.0.0.1:{server.server_port}"
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=20)
    given = {"Host": host, "Origin": f"http://{host}", "Content-Type": "application/json"}
    given |= {name.replace("_", "-"): value for name, value in headers.items()}
    data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
    full = path if path.startswith("/") else f"/{server.token}/{path}"
    connection.request(method, full, data, {name: value for name, value in given.items() if value is not None})
    reply = connection.getresponse()
    found = reply.status, dict(reply.headers), reply.read()
    connection.close()
    return found


def items(server):
    return json.loads(ask(server, "GET", "queue.json")[2])["items"]


def label(server, text="near", **given):
    id_ = next(one["id"] for one in items(server) if one["text"] == text)
    return ask(server, "POST", "labels", {"id": id_, "choice": "wrong", **given})


def test_page_queue_and_pictures_come_with_the_token(server):
    status, headers, body = ask(server, "GET", "")
    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert headers["Referrer-Policy"] == "no-referrer"
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert b"http://" not in body
    assert b"https://" not in body
    found = items(server)
    assert len(found) == 5
    picture = found[0]["pictures"][0][0]
    status, headers, body = ask(server, "GET", f"picture/{picture}")
    assert (status, headers["Content-Type"], body[:4]) == (200, "image/png", b"\x89PNG")


def test_a_label_is_kept_with_author_time_and_the_verdict_that_it_lies_beside(server, made):
    assert label(server, override=True, note=" look ")[0] == 201
    (kept,) = Labels(made[1], LOOP).of("pool")
    assert (kept.choice, kept.override, kept.note, kept.author, kept.verdict) == ("wrong", True, "look", "ann", True)
    assert kept.said == {"exact": True, "votes": True}
    assert next(one["label"] for one in items(server) if one["text"] == "near") == "wrong"
    assert label(server, "candidate says False")[0] == 201
    assert len(Labels(made[1], LOOP).of("pool")) == 1
    assert [one.split for one in Labels(made[1], LOOP).of("held")] == ["holdout"]


@pytest.mark.parametrize("path", ["/", "/queue.json", "/wrong/queue.json", "/%C3%A9/queue.json", "/../queue.json"])
def test_without_the_token_there_is_nothing(server, path):
    assert ask(server, "GET", path)[0] == 404


def test_another_sites_page_cannot_label(server, made):
    for headers in (
        {"Origin": "http://evil.example"},
        {"Origin": None},
        {"Origin": "null"},
        {"Host": "evil.example"},
        {"Host": "evil.example", "Origin": "http://evil.example"},
    ):
        id_ = items(server)[0]["id"]
        assert ask(server, "POST", "labels", {"id": id_, "choice": "right"}, **headers)[0] == 403, headers
    assert ask(server, "POST", "labels", b"id=1", Content_Type="application/x-www-form-urlencoded")[0] == 415
    assert ask(server, "POST", "labels", b"{}", Content_Type="text/plain")[0] == 415
    assert Labels(made[1], LOOP).of("pool") == []


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ({"choice": "maybe"}, 400),
        ({"extra": 1}, 400),
        ({"id": "unknown"}, 404),
        ({"note": "x" * 2001}, 400),
        ({"override": True}, 400),
    ],
)
def test_what_is_no_label_is_refused_and_nothing_is_kept(server, made, given, status):
    code, _, body = label(server, **given)
    assert (code, "error" in json.loads(body)) == (status, True)
    assert Labels(made[1], LOOP).of("pool") == []


def test_broken_and_huge_bodies_are_refused(server):
    assert ask(server, "POST", "labels", b"{")[0] == 400
    assert ask(server, "POST", "labels", b"\xff\xfe")[0] == 400
    assert ask(server, "POST", "labels", b"x" * (MOST_BYTES + 1))[0] == 413
    assert ask(server, "POST", "elsewhere", {})[0] == 404


def test_a_ledger_that_cannot_be_read_is_told_to_the_page(server, made):
    made[1].put(f"loops/{LOOP}/labels/pool/0001.json", b'{"key": null, "value": {"choice": "maybe"}}')
    status, _, body = ask(server, "GET", "queue.json")
    assert status == 503
    assert "label 1 below" in json.loads(body)["error"]


def test_only_pictures_of_the_queue_are_given_away(server):
    assert ask(server, "GET", f"picture/{'0' * 64}")[0] == 404
    assert ask(server, "GET", "picture/../../etc/passwd")[0] == 404


def test_hostile_text_comes_as_json_text_with_its_control_characters_shown(server):
    text = next(one["text"] for one in items(server) if one["text"].startswith("<script>"))
    assert "\x1b" not in text
    assert text != HOSTILE
    assert b"<script>window" not in ask(server, "GET", "")[2]


def test_it_listens_on_this_machine_only(server):
    assert server.server_address[0] == "127.0.0.1"
    assert server.address.startswith("http://127.0.0.1:")
    assert len(server.token) >= 32
