import json
import os
import signal
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator

import pytest

from ratchet.errors import VerifierUnavailable
from ratchet.verify.contained import Stopped, Worker
from ratchet.verify.contained.child import MOST_DEPTH
from ratchet.verify.limits import Overtime, within
from ratchet.verify.rules.documents import SHORT
from tests.unit.verify.rules_table import asked, built


@pytest.fixture
def python() -> Iterator[Worker]:
    made = Worker("python", 0.5, 256)
    yield made
    made.close()


@pytest.fixture
def schema() -> Iterator[Worker]:
    made = Worker("schema", 0.3, 256)
    yield made
    made.close()


def test_a_worker_answers_one_request_after_the_other(python: Worker) -> None:
    assert python.ask("x = 1") is None
    first = python._process
    assert python.ask("x =").startswith("SyntaxError")
    assert python.ask("") == "there is no statement in it"
    assert python._process is first


def test_a_program_is_parsed_and_never_run(python: Worker, tmp_path: object) -> None:
    canary = f"{tmp_path}/canary"
    assert python.ask(f"open({canary!r}, 'w')\nraise SystemExit") is None
    assert not os.path.exists(canary)
    assert python.ask("x = 1") is None


@pytest.mark.parametrize("source", ["x = 1\x00", "\ud800", "(" * 100_000, "x = " + "[" * 300 + "]" * 300])
def test_what_python_refuses_is_said(python: Worker, source: str) -> None:
    assert "Error" in python.ask(source)


@pytest.mark.parametrize(
    "source",
    ["-" * SHORT, "(" * SHORT, "[" * 150 + "]" * 150, "a." * 199 + "a", "x=" * 199 + "1", "'\\d'", "1if x else 2", ""],
)
def test_short_programs_are_judged_alike_here_and_in_the_worker(python: Worker, source: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        finding = built("python").check(asked("?", None), source)
    assert (finding.passed is True) == (python.ask(source) is None)


def test_a_pattern_that_explodes_ends_its_process_and_nothing_else(schema: Worker) -> None:
    shape = json.dumps({"type": "string", "pattern": "^(a+)+$"})
    with pytest.raises(Stopped, match=r"not done within 0\.3 s of CPU time") as stopped:
        schema.ask({"schema": shape, "document": json.dumps("a" * 40 + "!")})
    assert stopped.value.reason == "timeout"
    assert schema.ask({"schema": shape, "document": '"aa"'}) is None


def test_schemas_are_checked_to_a_depth_and_fetch_nothing(schema: Worker) -> None:
    tree = json.dumps({"$ref": "#/$defs/n", "$defs": {"n": {"type": "array", "items": {"$ref": "#/$defs/n"}}}})
    assert schema.ask({"schema": tree, "document": "[[[]], []]"}) is None
    assert schema.ask({"schema": tree, "document": "[[3]]"}).startswith("$[0][0]: 3 is not of type 'array'")
    deep = "[" * (MOST_DEPTH + 1) + "]" * (MOST_DEPTH + 1)
    assert "nested more than" in schema.ask({"schema": tree, "document": deep})
    with pytest.raises(Stopped, match="Unresolvable") as stopped:
        schema.ask({"schema": '{"$ref": "http://127.0.0.1/s"}', "document": "1"})
    assert stopped.value.reason == "crash"


def test_too_much_memory_is_an_error_of_one_request(python: Worker) -> None:
    with pytest.raises(Stopped, match="more than 256 MiB") as stopped:
        python.ask("-" * 150_000 + "1")
    assert stopped.value.reason == "memory"
    assert python.ask("x = 1") is None


def test_a_process_that_is_killed_is_a_crash_and_started_again(python: Worker) -> None:
    assert python.ask("x = 1") is None
    assert python._process is not None
    os.kill(python._process.pid, signal.SIGKILL)
    with pytest.raises(Stopped, match="ended with -9"):
        python.ask("x = 1")
    assert python.ask("x = 1") is None


def test_somebody_elses_time_limit_leaves_no_reply_behind(schema: Worker) -> None:
    slow = {"schema": '{"pattern": "^(a+)+$"}', "document": json.dumps("a" * 40 + "!")}
    schema.seconds = 30.0
    with pytest.raises(Overtime):
        within(1.5, lambda: schema.ask(slow))
    assert schema.ask({"schema": '{"type": "string"}', "document": "3"}).startswith("$: 3")


def test_threads_take_turns(python: Worker) -> None:
    said: dict[int, object] = {}

    def ask(number: int) -> None:
        said[number] = python.ask(f"x = {number}" if number % 2 else "x =")

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all((said[number] is None) == bool(number % 2) for number in range(8))


def test_a_worker_that_does_not_start_stops_the_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(VerifierUnavailable, match="task python did not start"):
        Worker("python", 1, 256).ask("x = 1")


def test_no_process_outlives_the_one_that_asked() -> None:
    code = (
        "from ratchet.verify.contained import worker; w = worker('python', 1.0, 256); w.ask('x'); print(w._process.pid)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    with pytest.raises(ProcessLookupError):
        os.kill(int(done.stdout), 0)
