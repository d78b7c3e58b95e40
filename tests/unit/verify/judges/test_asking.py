"""The judge client: asks each question once, keeps what it hears, counts what it costs, and says when the judge is away."""

from __future__ import annotations

import logging
import threading
import time
from pathlib import Path

import pytest

from ratchet.artifacts import ImageBank
from ratchet.errors import SamplingError, StoreError, StoreUnavailable, VerifierUnavailable
from ratchet.generate import SamplingParams
from ratchet.generate.engine import Answer, Request
from ratchet.recipe import JudgeConfig
from ratchet.store import FolderStore, Stat
from ratchet.verify.judges import Judge, Judgements, Question, Spending, identity, segments, spent_in_words
from ratchet.verify.judges.asking import key_of
from tests import rows
from tests.asking import Scripted
from tests.unit.verify.judges.asked import SEED, judge, reply

WHO = {"engine": "transformers", "digest": "d"}


def echo(request: Request, _number: int) -> Answer:
    return reply(f"re {request.messages[-1].content}")


def opened(folder: Path, script: object = echo, cache: bool = True, part: str = "", **config: object) -> Judge:
    store = FolderStore(str(folder))
    engine = Scripted(script)  # type: ignore[arg-type]
    engine.bank = ImageBank(store, [])
    spending = Spending()
    spending.begin(part)
    kept = Judgements(store, WHO) if cache else None
    return Judge("j", JudgeConfig.model_validate(config), engine, spending, kept)


def asked(judge: Judge) -> list[str]:
    engine = judge.engine
    assert isinstance(engine, Scripted)
    return [request.messages[-1].content for call in engine.calls for request in call]


def questions(*texts: str) -> list[Question]:
    return [Question.of(text) for text in texts]


def texts(replies: list[tuple[Answer, ...]]) -> list[str]:
    return [one.text for (one,) in replies]


def test_equal_questions_of_one_call_are_asked_once_even_without_a_cache(tmp_path: Path) -> None:
    judge = opened(tmp_path, cache=False)
    assert texts(judge.ask(questions("a", "b", "a"))) == ["re a", "re b", "re a"]
    assert asked(judge) == ["a", "b"]
    judge.ask(questions("a"))
    assert asked(judge) == ["a", "b", "a"]


def test_another_run_asks_nothing_that_was_replied_to(tmp_path: Path) -> None:
    first = opened(tmp_path)
    replies = first.ask(questions("a", "b"))
    first.close()
    second = opened(tmp_path)
    again = second.ask(questions("b", "c", "a"))
    assert asked(second) == ["c"]
    assert [again[2], again[0]] == replies
    assert again[0][0].n_prompt == replies[1][0].n_prompt == 10


def test_what_a_reply_depends_on_is_the_key(tmp_path: Path) -> None:
    drawn = SamplingParams(temperature=0.0, max_new_tokens=8)
    one = Question.of("a", [rows.image_ref(1)])
    others = [
        (Question.of("b", [rows.image_ref(1)]), drawn),
        (Question.of("a", [rows.image_ref(2)]), drawn),
        (Question.of("a"), drawn),
        (Question(one.messages, one.images, begun="x"), drawn),
        (one, drawn.model_copy(update={"max_new_tokens": 9})),
        (one, drawn.model_copy(update={"temperature": 0.5})),
        (one, drawn.model_copy(update={"temperature": 0.5, "k": 2})),
    ]
    keys = {key_of(*other) for other in others}
    assert len(keys) == len(others)
    assert key_of(one, drawn) not in keys
    assert key_of(one, drawn.model_copy(update={"strategy": "other"})) == key_of(one, drawn)


def test_a_judge_is_its_model_and_precision_and_neither_its_pace_nor_its_price() -> None:
    plain = {"engine": {"kind": "endpoint", "url": "http://a:1/v1", "model": "m"}}
    moved = {"engine": {**plain["engine"], "concurrency": 3}, "price_in": 2.0}
    other = {"engine": {"kind": "endpoint", "url": "http://a:1/v1", "model": "n"}}
    assert identity(judge(**plain), None, "m") == identity(judge(**moved), None, "m")
    assert identity(judge(**plain), None) != identity(judge(**other), None)
    assert identity(judge(), SEED) != identity(judge(dtype="bfloat16"), SEED)
    assert identity(judge(), SEED) != identity(judge(), SEED.model_copy(update={"digest": "1" * 64}))
    assert identity(judge(), SEED) != identity(judge(engine="vllm"), SEED)
    seed = {"engine": {"kind": "endpoint", "model": "m", "serves": "seed"}}
    assert identity(judge(**seed), SEED) != identity(judge(**seed), SEED.model_copy(update={"digest": "1" * 64}))


def test_two_servers_that_call_their_models_the_same_are_two_judges_unless_both_run_the_seed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    a, b = ({"kind": "endpoint", "url": f"http://{host}:1/v1"} for host in "ab")
    assert identity(judge(engine=a), None, "model") != identity(judge(engine=b), None, "model")
    seeds = [identity(judge(engine={**one, "serves": "seed"}), SEED, "model") for one in (a, b)]
    assert seeds[0] == seeds[1]
    monkeypatch.setenv("RATCHET_ENDPOINT_URL", "http://a:1/v1")
    unnamed = judge(engine={"kind": "endpoint"})
    assert identity(unnamed, None, "model") == identity(judge(engine=a), None, "model")
    assert "a:1" not in str(identity(unnamed, None)), "as the recipe names it"


def test_failed_replies_are_given_and_not_kept(tmp_path: Path) -> None:
    down = True

    def script(request: Request, number: int) -> Answer:
        return (
            Answer.failed("server", "gone") if down and request.messages[-1].content == "b" else echo(request, number)
        )

    judge = opened(tmp_path, script)
    assert [a.error for (a,) in judge.ask(questions("a", "b"))] == [None, "server: gone"]
    down = False
    assert texts(judge.ask(questions("a", "b"))) == ["re a", "re b"]
    assert asked(judge) == ["a", "b", "b"]


def test_a_judge_that_is_away_stops_the_stage_and_what_it_said_is_kept(tmp_path: Path) -> None:
    calls = 0

    def script(request: Request, number: int) -> Answer:
        nonlocal calls
        calls += 1
        if calls > 8:
            raise SamplingError("http://x fails; mend generate.engine.url.")
        return echo(request, number)

    judge = opened(tmp_path, script, batch_size=1)
    many = questions(*map(str, range(20)))
    with pytest.raises(
        VerifierUnavailable, match=r"judge j .* mend verify\.judges\.j\.engine\.url.*run the stage again"
    ):
        judge.ask(many)
    judge.close()
    back = opened(tmp_path)
    assert texts(back.ask(many)) == [f"re {n}" for n in range(20)]
    assert asked(back) == [str(n) for n in range(8, 20)]


@pytest.mark.parametrize("harm", ["cut", "changed", "empty", "binary", "other schema"])
def test_a_broken_file_is_not_used_and_a_warning_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, harm: str
) -> None:
    first = opened(tmp_path)
    first.ask(questions("a"))
    first.close()
    intact = opened(tmp_path)
    intact.ask(questions("b"))
    intact.close()
    (file,) = [path for path in tmp_path.rglob("*.jsonl") if b"re a" in path.read_bytes()]
    data = file.read_bytes()
    file.write_bytes(
        {
            "cut": data[:-9],
            "changed": data.replace(b"re a", b"re x"),
            "empty": b"",
            "binary": bytes(range(256)),
            "other schema": segments.line_of({"schema": "x", "version": 9}) + data[data.index(b"\n") :],
        }[harm]
    )
    with caplog.at_level(logging.WARNING):
        judge = opened(tmp_path)
    assert texts(judge.ask(questions("a", "b"))) == ["re a", "re b"]
    assert asked(judge) == ["a"]
    assert file.name in caplog.text
    assert "asked again" in caplog.text


def test_two_writers_at_once_lose_nothing_and_agree_afterwards(tmp_path: Path) -> None:
    one, two = opened(tmp_path), opened(tmp_path, lambda r, n: reply(f"two {r.messages[-1].content}"))
    one.ask(questions("a", "b"))
    two.ask(questions("b", "c"))
    one.ask(questions("d"))
    one.close()
    two.close()
    readers = [opened(tmp_path), opened(tmp_path)]
    heard = [texts(reader.ask(questions("a", "b", "c", "d"))) for reader in readers]
    assert heard[0] == heard[1]
    assert [heard[0][0], *heard[0][2:]] == ["re a", "two c", "re d"]
    assert asked(readers[0]) == []


def test_files_grow_and_are_many_only_when_they_are_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    judge = opened(tmp_path)
    for number in range(20):
        judge.ask(questions(str(number)))
    assert len(list(tmp_path.rglob("*.jsonl"))) == 1
    monkeypatch.setattr(segments, "FULL_BYTES", 300)
    for number in range(20, 40):
        judge.ask(questions(str(number)))
    judge.close()
    assert len(list(tmp_path.rglob("*.jsonl"))) > 5
    reader = opened(tmp_path)
    assert texts(reader.ask(questions(*map(str, range(40))))) == [f"re {n}" for n in range(40)]
    assert asked(reader) == []


class _Full(FolderStore):
    def put(self, key: str, data: bytes) -> Stat:
        raise StoreUnavailable(f"no room for {key}")


def test_a_reply_that_comes_just_when_its_writer_has_looked_for_the_last_time_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = FolderStore(tmp_path)
    writer = segments.Segments(store, "said", WHO)
    write, looked, go_on = writer._write, threading.Event(), threading.Event()

    def slow() -> None:
        """There is nothing more to write, and the thread has not ended yet."""
        write()
        looked.set()
        go_on.wait(60)

    monkeypatch.setattr(writer, "_write", slow)
    one, two = ({"key": key, "answers": []} for key in ("one", "two"))
    writer.add([segments.line_of(one)])
    assert looked.wait(60)
    adding = threading.Thread(target=writer.add, args=([segments.line_of(two)],))
    adding.start()
    until = time.monotonic() + 60
    while not writer._dirty:
        assert time.monotonic() < until
    go_on.set()
    adding.join()
    while list(segments.read(store, "said")) != [one, two]:
        assert time.monotonic() < until, "it waits for the next reply"
        time.sleep(0.01)
    writer.close()


def test_replies_that_cannot_be_written_stop_the_stage(tmp_path: Path) -> None:
    judge = opened(tmp_path)
    judge.cache = Judgements(_Full(str(tmp_path)), WHO)
    with pytest.raises(VerifierUnavailable, match="no room"):
        judge.ask(questions("a"))
    with pytest.raises(StoreError):
        judge.close()


def test_calls_and_tokens_are_counted_and_cached_replies_cost_nothing(tmp_path: Path) -> None:
    first = opened(tmp_path, price_in=2.0, price_out=10.0)
    first.ask(questions("a", "b", "a"))
    first.ask(questions("a"))
    spent = spent_in_words(first.spending.take(), {"j": first.config})
    # Two calls of 10 tokens in and 3 out.
    assert spent == {
        "j": {"calls": 2, "cached": 1, "failed": 0, "tokens_in": 20, "tokens_out": 6, "cost": 0.0001},
    }
    assert first.spending.take() == {}


def test_what_a_killed_try_paid_for_is_counted_once_by_the_next(tmp_path: Path) -> None:
    killed = opened(tmp_path, part="verify-1#0")
    killed.ask(questions("a", "b"))
    killed.close()
    again = opened(tmp_path, part="verify-1#0")
    again.ask(questions("a", "b", "c"))
    again.ask(questions("a"))
    assert again.spending.take() == {"j": {"calls": 3, "cached": 1, "failed": 0, "tokens_in": 30, "tokens_out": 9}}
    again.spending.begin("verify-1#1")
    again.ask(questions("a"))
    assert again.spending.take() == {"j": {"cached": 1}}


def test_prompts_cost_once_a_request_where_several_replies_come_of_one(tmp_path: Path) -> None:
    drawn = SamplingParams(k=5, temperature=1.0, max_new_tokens=8)
    whole = opened(tmp_path, cache=False)
    (replies,) = whole.ask(questions("a"), drawn)
    assert whole.tokens(replies) == 10 + 5 * 3
    apart = opened(tmp_path, cache=False, engine={"kind": "endpoint", "n_per_request": 2})
    assert apart.tokens(replies) == 3 * 10 + 5 * 3
