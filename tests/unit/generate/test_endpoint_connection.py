"""How the endpoint engine reaches its server: address, model, key, certificates; how it ends; what it holds in memory."""

from __future__ import annotations

import io
import os
import random
import signal
import ssl
import subprocess
import threading
import tracemalloc
from collections.abc import Iterator

import pytest
from PIL import Image

from ratchet.artifacts import ImageBank, write_pack
from ratchet.artifacts.images import ref_of
from ratchet.errors import SamplingError
from ratchet.generate import SamplingParams
from ratchet.generate.engine import Answer, Request
from ratchet.generate.engines.endpoint import EndpointEngine
from ratchet.recipe import EndpointConfig
from ratchet.records import Message
from ratchet.store import FolderStore
from tests import tiny
from tests.endpoints import MODEL, Clock, FaultyEndpoint, serving

PARAMS = SamplingParams(k=2, max_new_tokens=6, seed=7)
SECRET = "sk-very-secret-0123456789"


@pytest.fixture
def endpoint() -> Iterator[FaultyEndpoint]:
    with serving(FaultyEndpoint()) as server:
        yield server


@pytest.fixture(scope="session")
def asked(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Request], ImageBank]:
    prompts, pictures = tiny.world("pool", 40)
    store = FolderStore(str(tmp_path_factory.mktemp("connection-store")))
    return [Request.of(p) for p in prompts], tiny.bank(store, pictures)


@pytest.fixture
def opened(endpoint, asked):
    def opened(**config) -> EndpointEngine:
        return EndpointEngine(EndpointConfig(url=endpoint.url, **config), asked[1], "seed", pace=Clock().pace())

    return opened


def errors(rows: list[tuple[Answer, ...]]) -> list[str | None]:
    """Of each row, its first answer's error."""
    return [row[0].error for row in rows]


def test_a_server_that_is_not_there_says_what_to_mend(endpoint, opened, asked):
    with serving(FaultyEndpoint()) as gone:
        pass
    with pytest.raises(SamplingError, match=r"does not answer.*Start the server, or mend generate\.engine\.url"):
        EndpointEngine(EndpointConfig(url=gone.url), asked[1], "x", pace=Clock().pace())
    endpoint.plan("503", "cut", "html")
    assert opened().model == MODEL, "the listing of models is retried like anything else"


def test_the_model_is_the_only_one_served_or_the_one_that_is_named(asked):
    with serving(FaultyEndpoint(models=("small", "large"))) as server:
        with pytest.raises(SamplingError, match=r"serves small, large; generate\.engine\.model is not set"):
            EndpointEngine(EndpointConfig(url=server.url), asked[1], "x")
        with pytest.raises(SamplingError, match=r"serves small, large; it does not serve 'huge'"):
            EndpointEngine(EndpointConfig(url=server.url, model="huge"), asked[1], "x")
        engine = EndpointEngine(EndpointConfig(url=server.url + "/", model="large"), asked[1], "x")
        assert (engine.model, engine.label) == ("large", "large")
        server.plan("404")
        assert EndpointEngine(EndpointConfig(url=server.url, model="huge"), asked[1], "x").model == "huge"


def test_the_address_comes_from_the_recipe_or_the_environment(endpoint, asked, monkeypatch):
    with pytest.raises(SamplingError, match="RATCHET_ENDPOINT_URL"):
        EndpointEngine(EndpointConfig(), asked[1], "x")
    monkeypatch.setenv("RATCHET_ENDPOINT_URL", endpoint.url)
    assert EndpointEngine(EndpointConfig(), asked[1], "x").model == MODEL
    monkeypatch.setenv("RATCHET_ENDPOINT_URL", f"http://me:{SECRET}@host/v1")
    with pytest.raises(SamplingError, match="name or password") as caught:
        EndpointEngine(EndpointConfig(), asked[1], "x")
    assert SECRET not in str(caught.value)


def test_the_key_is_sent_and_shows_nowhere(asked, monkeypatch, caplog):
    caplog.set_level("DEBUG")
    monkeypatch.setenv("MY_KEY", f" {SECRET}\n")
    with serving(FaultyEndpoint(key=SECRET)) as server:
        config = EndpointConfig(url=server.url, key_env="MY_KEY", retries=1, concurrency=1)
        engine = EndpointEngine(config, asked[1], "x", pace=Clock().pace())
        assert errors(engine.answer(asked[0][:2], PARAMS)) == [None, None]
        server.plan("echo_key", "echo_key", "echo_key_400")
        crashed, refused, fine = errors(engine.answer(asked[0][:3], PARAMS))
        assert (crashed, fine) == ("server: HTTP 500: crashed on Bearer ***", None)
        assert "Bearer ***" in (refused or "")
        shown = [repr(vars(x)) for x in (engine, engine._server)] + [config.model_dump_json(), caplog.text, refused]
        server.key = "another"
        with pytest.raises(SamplingError, match=r"the API key is refused \(environment variable MY_KEY") as caught:
            engine.answer(asked[0][:1], PARAMS)
        assert not [text for text in [*shown, str(caught.value)] if SECRET in text]
        monkeypatch.delenv("MY_KEY")
        with pytest.raises(SamplingError, match="the API key is missing"):
            EndpointEngine(config, asked[1], "x")


def test_certificates_are_verified(asked, tmp_path, monkeypatch):
    names = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-keyout", f"{tmp_path}/key.pem", "-out", f"{tmp_path}/cert.pem"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", *files, *names]
    subprocess.run(command, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    with serving(FaultyEndpoint(), context) as server:
        with pytest.raises(SamplingError, match=r"certificate that is not trusted.*SSL_CERT_FILE"):
            EndpointEngine(EndpointConfig(url=server.url), asked[1], "x")
        for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
            with monkeypatch.context() as changed:
                changed.setenv(name, f"{tmp_path}/cert.pem")
                assert EndpointEngine(EndpointConfig(url=server.url), asked[1], "x").model == MODEL


def test_an_interrupt_ends_at_once_and_leaves_nothing_running(endpoint, opened, asked):
    engine = opened()
    before = set(threading.enumerate())
    endpoint.plan("stall", always=True)
    timer = threading.Timer(0.4, os.kill, (os.getpid(), signal.SIGINT))
    # A shell starts its background jobs with interrupts ignored.
    ignored = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            engine.answer(asked[0], PARAMS)
        timer.join()
    finally:
        signal.signal(signal.SIGINT, ignored)
    endpoint.plan()
    endpoint.closing.set()
    left = {t for t in threading.enumerate() if "process_request_thread" not in t.name} - before
    assert not left, "no thread of the engine is left"


def test_an_error_of_the_batch_hook_ends_the_call(endpoint, asked):
    class Stopped(BaseException):
        pass

    def stop(_: int) -> None:
        raise Stopped

    engine = EndpointEngine(EndpointConfig(url=endpoint.url, concurrency=4), asked[1], "x", on_batch=stop)
    with pytest.raises(Stopped):
        engine.answer(asked[0], PARAMS)
    assert len(endpoint.seen) < 12


def test_memory_does_not_grow_with_the_number_of_requests(endpoint, opened, tmp_path):
    """Bodies of 130 kB: 600 of them at once would be 78 MB. Few are under way at once, as their peaks differ by chance."""
    noise = io.BytesIO()
    Image.frombytes("RGB", (180, 180), random.Random(0).randbytes(180 * 180 * 3)).save(noise, "PNG")
    ref, store = ref_of(noise.getvalue()), FolderStore(str(tmp_path))
    bank = ImageBank(store, [write_pack(store, "pack", [(ref.sha256, noise.getvalue())])])
    engine = opened(concurrency=2)
    engine.bank, endpoint.keep = bank, False
    requests = [Request(str(n), (Message(role="user", content="what ?"),), (ref,)) for n in range(600)]
    engine.answer(requests[:50], PARAMS)
    peaks = []
    for part in (requests[:100], requests):
        tracemalloc.start()
        engine.answer(part, PARAMS)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    # What grows are the answers themselves, under a kilobyte each. The server's side runs in this process as well.
    assert peaks[1] - peaks[0] < 500 * 4 * 1024, peaks
