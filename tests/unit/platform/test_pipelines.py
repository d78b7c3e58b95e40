"""The client against the fake API: what it finds, makes, asks again, and says when it is refused."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import pytest

from ratchet.errors import PlatformError, PlatformUnavailable
from ratchet.platform.access import Access
from ratchet.platform.asking import NotThere, Patience
from ratchet.platform.pipelines import Pipelines
from ratchet.services.fake_pipelines import FakePipelines, Fault
from tests.pipelines import QUICK, client, pipeline_file


def test_an_experiment_is_made_once() -> None:
    with FakePipelines() as fake:
        first, made = client(fake).experiment("mine", "a loop")
        second, again = client(fake).experiment("mine", "a loop")
    assert (made, again) == (True, False)
    assert first.experiment_id == second.experiment_id


def test_a_server_with_several_users_is_told_the_namespace_and_one_for_one_user_is_not() -> None:
    with FakePipelines(multi_user=True) as fake:
        client(fake, "team-a").experiment("mine", "a loop")
        assert client(fake, "team-b").find_experiment("mine") is None
        (kept,) = fake.state.experiments.values()
    assert kept["namespace"] == "team-a"
    with FakePipelines() as fake:
        client(fake, "team-a").experiment("mine", "a loop")
        (kept,) = fake.state.experiments.values()
    assert "namespace" not in kept


@pytest.mark.parametrize("code", [429, 500, 502, 503])
def test_a_server_that_is_away_for_a_moment_is_asked_again(code: int) -> None:
    with FakePipelines(faults=[Fault(code, times=2, path="/experiments")]) as fake:
        made, _ = client(fake).experiment("mine", "a loop")
        assert len(fake.state.experiments) == 1
    assert made.display_name == "mine"


@pytest.mark.parametrize("code", [500, None])
def test_a_creation_whose_answer_is_lost_is_not_done_twice(code: int | None) -> None:
    with FakePipelines(faults=[Fault(code, method="POST", path="/experiments", after=True)]) as fake:
        found, _ = client(fake).experiment("mine", "a loop")
        assert list(fake.state.experiments) == [found.experiment_id]


def test_a_server_that_stays_away_is_named_with_the_next_step() -> None:
    with FakePipelines(faults=[Fault(503, times=99)]) as fake, pytest.raises(PlatformUnavailable) as told:
        client(fake).experiment("mine", "a loop")
    assert fake.url in str(told.value)
    assert "asked 4 times" in str(told.value)
    assert "kubectl" in str(told.value)


def test_a_refused_connection_is_told_with_the_address() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{held.getsockname()[1]}"
        with pytest.raises(PlatformUnavailable, match=f"{address} did not answer"):
            Pipelines(Access(address), "kubeflow", QUICK).find_experiment("mine")


def test_a_slow_server_is_not_waited_for_without_end() -> None:
    patience = Patience(tries=2, pause=0.01, connect=1.0, answer=0.2)
    with FakePipelines(faults=[Fault(200, times=99, seconds=60.0)]) as fake:
        begun = time.monotonic()
        with pytest.raises(PlatformUnavailable, match="did not answer"):
            client(fake, patience=patience).find_experiment("mine")
    assert time.monotonic() - begun < 60.0


def test_a_slow_server_that_answers_in_time_is_waited_for() -> None:
    with FakePipelines(faults=[Fault(200, seconds=0.3)]) as fake:
        assert client(fake).find_experiment("mine") is None


def test_who_is_not_known_is_told_what_was_shown() -> None:
    with FakePipelines(token="right") as fake:
        with pytest.raises(PlatformError, match=r"does not know us \(401.*the token of KFP_TOKEN") as told:
            client(fake, token="wrong").find_experiment("mine")
        assert "wrong" not in str(told.value).replace("token of", "")
        assert client(fake, token="right").find_experiment("mine") is None


def test_a_token_file_is_read_for_every_request(tmp_path: Path) -> None:
    file = tmp_path / "token"
    with FakePipelines(token="second") as fake:
        file.write_text("first")
        one = client(fake, token_file=file)
        with pytest.raises(PlatformError, match="401"):
            one.find_experiment("mine")
        file.write_text("second\n")
        assert one.find_experiment("mine") is None


def test_a_token_file_that_is_gone_is_named(tmp_path: Path) -> None:
    with FakePipelines(token="x") as fake, pytest.raises(PlatformError, match=r"cannot be read from .*gone"):
        client(fake, token_file=tmp_path / "gone").find_experiment("mine")


def test_a_session_cookie_is_sent_and_its_lack_is_no_endless_redirect() -> None:
    with FakePipelines(cookie="authservice_session=abc", login=True) as fake:
        assert client(fake, cookie="authservice_session=abc").find_experiment("mine") is None
        with pytest.raises(PlatformError, match=r"login page \(302\).*KFP_COOKIE"):
            client(fake).find_experiment("mine")


def test_a_namespace_that_is_not_ours_is_told_with_the_role() -> None:
    with FakePipelines(multi_user=True, forbidden=("team-b",)) as fake:
        with pytest.raises(PlatformError, match=r"403.*namespace team-b.*Bind the role"):
            client(fake, "team-b").experiment("mine", "a loop")
        assert [path for method, path in fake.requests if method == "POST"] == []


def test_a_run_that_is_not_there_is_no_matter_of_patience() -> None:
    with FakePipelines() as fake:
        with pytest.raises(NotThere, match="there is no run nothing"):
            client(fake).run("nothing")
        assert len(fake.requests) == 1


@pytest.mark.parametrize(("release", "fits"), [("2.4.1", False), ("2.5.0", True), ("2.17.0", True), ("3.1.0", True)])
def test_a_server_that_is_too_old_is_refused_with_both_releases(release: str, fits: bool) -> None:
    with FakePipelines(release=release) as fake:
        if fits:
            assert client(fake).health.release == release
            return
        with pytest.raises(PlatformError, match=rf"Kubeflow Pipelines {release}.*needs 2.5"):
            client(fake).find_experiment("mine")


def test_a_server_that_does_not_say_its_release_is_taken_as_it_is() -> None:
    with FakePipelines(release="unknown") as fake:
        assert client(fake).health.release is None


def test_something_else_at_the_address_is_not_taken_for_the_api(tmp_path: Path) -> None:
    import functools
    import http.server
    import threading

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Nothing."""

    (tmp_path / "apis" / "v2beta1").mkdir(parents=True)
    (tmp_path / "apis" / "v2beta1" / "healthz").write_text("<html>Sign in</html>")
    serving = functools.partial(Quiet, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), serving) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        address = f"http://127.0.0.1:{server.server_address[1]}"
        with pytest.raises(PlatformError, match="answered no JSON: is it the API"):
            Pipelines(Access(address), "kubeflow", QUICK).find_experiment("mine")
        server.shutdown()


def test_all_pages_of_a_list_are_read(tmp_path: Path) -> None:
    with FakePipelines() as fake:
        one = client(fake)
        pipeline, _ = one.upload(pipeline_file(tmp_path), "ratchet", "a pipeline")
        for number in range(130):
            fake.state.upload(
                fake.state.pipelines[pipeline.pipeline_id], f"v{number}", "", pipeline_file(tmp_path).read_bytes()
            )
        found = one.versions(pipeline.pipeline_id)
    assert len(found) == 131
    assert found[0].display_name == "v129"
