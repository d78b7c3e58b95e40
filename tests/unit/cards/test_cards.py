"""Model cards: what they tell, that they tell the same twice, and that foreign text cannot become mark-up."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from markdown_it import MarkdownIt

from ratchet import rounds
from ratchet.artifacts import GROUPS
from ratchet.cards import Facts, card_of, facts_of, keep_card, written
from ratchet.cards.facts import PARENT, Data
from ratchet.cards.keeping import card_at_end
from ratchet.cards.markdown import code, plain
from ratchet.errors import RoundError
from ratchet.evaluate import OUTCOMES, metrics
from ratchet.promptset import find, open_part
from ratchet.records import Group
from ratchet.registry import open_registry
from ratchet.report.words import probability
from ratchet.rounds import RoundEnd
from ratchet.settings import Settings
from ratchet.store import Store, open_store
from tests.program import program
from tests.unit.loops import LOOP, leave, new_loop, opened, promoted
from tests.unit.registry.rows import outcomes
from tests.unit.review.made import RECIPE
from tests.unit.review.made import leave as leave_rows

HOSTILE = "a|b\n# head <script>x()</script> [link](javascript:x) `code` *bold* ![i](http://e/x.png) \u202eturn \x1b[2J"
WORDS = ("The candidate is right on 60.0% of 300 items.", "Promote.")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Settings, Store]:
    """A loop whose round promoted version 2, with rows for all that a card reads."""
    settings = new_loop(tmp_path_factory.mktemp("carded"))
    store = open_store(settings.root)
    ticket = opened(settings, recipe=RECIPE)
    prompts = find(store, rounds.read_round(store, LOOP, 1).prompts)
    assert prompts is not None
    pool = list(open_part(store, prompts, "pool").rows())
    foreign = pool[2].model_copy(update={"source": HOSTILE, "licence": None})
    groups = [
        *(Group(prompt=p.model_copy(update={"licence": "cc0-1.0"})) for p in pool[:2]),
        Group(prompt=foreign),
        Group(prompt=pool[3], reason="too-easy"),
    ]
    leave_rows(store, "filter", GROUPS, groups, results={"reasons": {"too-easy": 1}})
    rows = outcomes(wins=60, losses=20)
    leave_rows(store, "evaluate", OUTCOMES, rows, results=metrics.summary(rows))
    for stage in ("generate", "verify", "train"):
        leave(store, ticket, stage)
    results = {"state": "PROMOTED", "words": WORDS, "candidate": "2", "champion": "2", "decision": {"reason": "better"}}
    leave(store, ticket, "promote", results)
    promoted(settings, ticket)
    return settings, store


def head_of(card: str) -> dict:
    return yaml.safe_load(card.split("---\n")[1])


def test_a_card_tells_lineage_data_numbers_decision_limits_and_how_to_load(made):
    card = card_of(made[0], LOOP)
    assert re.findall(r"^## (.*)$", card, re.M) == [
        "Lineage",
        "Data",
        "Numbers",
        "The gate's decision",
        "Limits",
        "How to load it",
    ]
    assert "| Accuracy | 57.9% (" in card
    assert "(52.5 to 62.3, n 380)" in card or "n 380" in card
    assert "+10.5 (" in card
    assert "- Promote\\." in card or "- Promote." in card
    assert "| tinyworld | cc0-1.0 | 2 |" in card
    assert "1 of the prompts it learned from state no licence" in card
    assert "Dropped by the filter: too-easy 1." in card


def test_the_head_says_only_what_is_known(made):
    head = head_of(card_of(made[0], LOOP))
    assert head["pipeline_tag"] == "image-text-to-text"
    assert "base_model" not in head, "the seed is not on the hub"
    assert "license" not in head
    (result,) = head["model-index"][0]["results"]
    assert result["metrics"][0]["type"] == "accuracy"
    assert result["dataset"]["split"] == "holdout"


def test_models_and_data_sets_of_the_hub_are_named_in_the_head():
    given = {"loop": "l", "version": "2", "digest": "d", "uri": "s3://b/m", "promoted": None, "lineage": ("1",)}
    facts = Facts(**given, seed_source="hf://org/model@abc", prompts_source="hf://datasets/org/set@abc/path", round=1)
    head = head_of(written(facts))
    assert (head["base_model"], head["datasets"]) == ("org/model", ["org/set"])


def test_it_is_the_same_bit_for_bit_and_kept_beside_the_model_and_in_the_registry(made, tmp_path):
    settings, store = made
    assert card_of(settings, LOOP) == card_of(settings, LOOP)
    uri = keep_card(settings, LOOP)
    kept = store.get(store.key(uri)).decode()
    assert kept == card_of(settings, LOOP)
    assert store.get(f"registry/{LOOP}/cards/0002.md").decode() == kept


def test_finish_keeps_the_card_of_what_was_promoted_and_only_tells_of_trouble(made, capsys):
    settings, store = made
    for number in ("0001", "0002"):
        store.delete(f"registry/{LOOP}/cards/{number}.md")
    card_at_end(settings, LOOP, RoundEnd(state="REFUSED", reason="r", job="j", candidate="2"))
    assert not store.exists(f"registry/{LOOP}/cards/0002.md")
    card_at_end(settings, LOOP, RoundEnd(state="PROMOTED", reason="r", job="j", candidate="2"))
    assert store.exists(f"registry/{LOOP}/cards/0002.md")
    card_at_end(settings, LOOP, RoundEnd(state="PROMOTED", reason="r", job="j", candidate="9"))
    assert "no card of version 9: RoundError" in capsys.readouterr().err


def test_a_seed_has_a_card_without_training(made):
    card = card_of(made[0], LOOP, "1")
    assert "The model that the loop began with" in card
    assert "## Numbers" not in card
    with pytest.raises(
        RoundError, match=r"loop mine has no version 9; it has 1 to 2: see `ratchet status --loop mine`\."
    ):
        card_of(made[0], LOOP, "9")
    with pytest.raises(RoundError, match="loop other has no champion"):
        card_of(made[0], "other")


@pytest.mark.parametrize(
    ("move", "reason", "said"),
    [
        ("outside", "not-better", "the gate refused it (not"),
        ("rollback", "better", "the gate would promote it. A person made it champion by a rollback"),
        ("rollback", None, "no gate judged it"),
    ],
)
def test_a_version_that_a_person_made_champion_is_not_said_to_have_passed_the_gate(move, reason, said):
    given = {"loop": "l", "version": "2", "digest": "d", "uri": "s3://b/m", "promoted": "2026-01-02", "lineage": ("1",)}
    decided = {} if reason is None else {"decision": {"reason": reason}, "words": []}
    card = written(Facts(**given, seed_source="", move=move, round=1, decided=decided))
    assert said in card
    assert "passed the gate" not in card


def test_how_a_version_became_champion_is_read_from_the_log(made):
    settings, store = made
    registry = open_registry(settings, store)
    assert facts_of(store, registry, LOOP, registry.version(LOOP, "2")).move == "promotion"


def tokens_of(text: str) -> set[str]:
    found: set[str] = set()

    def walk(tokens):
        for one in tokens:
            found.add(one.type)
            walk(one.children or ())

    walk(MarkdownIt("commonmark", {"html": True}).enable("table").parse(text))
    return found


FORBIDDEN = {"html_block", "html_inline", "link_open", "image", "strong_open", "heading_open"}


@pytest.mark.parametrize(
    "text", [HOSTILE, "1. one", "- item", "+ x", "> quote", "---", "===", "| a | b |", "http://x.y <b>", "&lt;b&gt;", "\\<b>", "~~~\nx", "``` x",
     "__x__", "a _b_ c", "a*b*c", "#1", "# x", "12) x", "+", "=", "-", "www.x.y", "x@y.z", "[a]: http://b", "![a](b)", "a __b", "a\n===", "___", "_ _ _"]
)  # fmt: skip
def test_foreign_text_is_the_same_words_and_no_markup(text):
    made = f"Before {plain(text)} after"
    assert not tokens_of(made) & (FORBIDDEN | {"code_inline"})
    assert "\n" not in made
    assert "\x1b" not in made
    assert "\u202e" not in made
    assert not tokens_of(f"x {code(text)} y") & FORBIDDEN
    assert not tokens_of(plain(text)) & {*FORBIDDEN, "bullet_list_open", "blockquote_open", "hr", "table_open"}


def _numbers(card: str) -> str:
    return card.partition("## Numbers")[2].partition("\n## ")[0]


def test_every_number_has_its_interval_or_the_words_why_it_has_none(made):
    _, store = made
    registry = open_registry(made[0], store)
    facts = facts_of(store, registry, LOOP, registry.version(LOOP, "2"))
    rows = outcomes(wins=30, losses=10, right=20, wrong=20, truth_yes=True, yes=True)
    rows += outcomes(
        wins=8, losses=2, mentioned=4, hallucinated=1, covered=3, truth=4, samples=4, samples_correct=2, distinct=2
    )
    measured = metrics.summary([row.model_copy(update={"prompt_id": f"{n // 2:05d}"}) for n, row in enumerate(rows)])
    card = written(facts.model_copy(update={"measured": measured}))
    cells = [
        cell.strip() for line in _numbers(card).splitlines() if line.startswith("| ") for cell in line.split("|")[2:-1]
    ]
    told = [cell for cell in cells if re.search(r"\d", cell)]
    assert len(told) > 30
    assert not [cell for cell in told if not re.search(r"\(.*\d to .*\d|no interval: it is of the questions", cell)]
    assert not [cell for cell in cells if not cell]
    for said in (
        "| Yes/no precision | 100.0% (95.4 to 100.0, n 80)",
        "| True share of yes | 100.0% (no interval: it is of the questions, not of a model, n 80)",
        "| CHAIR_i (lower is better) | 25.0% (",
        "| pass@4 | ",
    ):
        assert said in card
    (result,) = head_of(card)["model-index"][0]["results"]
    assert all("95% interval" in one["name"] for one in result["metrics"]), (
        "the hub has no place for intervals but the name"
    )


def test_numbers_of_an_older_ratchet_say_that_no_interval_was_kept(made):
    _, store = made
    registry = open_registry(made[0], store)
    facts = facts_of(store, registry, LOOP, registry.version(LOOP, "2"))
    one = facts.measured["candidate"] | {
        "chair": {"captions": 40, "chair_i": 0.1, "chair_s": 0.25, "cover": 0.5},
        "yes_no": {"items": 30, "accuracy": 0.9, "precision": None},
        "sampled": {"k": 4, "prompts": 20, "pass_at_k": 0.5, "low": 0.3, "high": 0.7},
        "intervals": None,
    }
    card = written(facts.model_copy(update={"measured": {**facts.measured, "candidate": one}}))
    old = "no interval: an older ratchet kept none"
    for said in (
        "pass@4 | – | 50.0% (30.0 to 70.0, n 20) | not compared |", f"| 25.0% ({old}, n 40) |", f"| Cover | – | 50.0% ({old}, n 40) |",
        f"| 90.0% ({old}, n 30) |", "n 380",
    ):  # fmt: skip
        assert said in card


def test_the_data_are_of_all_rounds_behind_a_version(tmp_path):
    settings = new_loop(tmp_path)
    store = open_store(settings.root)
    registry = open_registry(settings, store)
    for number in (1, 2):
        ticket = opened(settings, f"job-{number}", recipe=RECIPE.replace("seed: 7", f"seed: {number}"))
        prompts = find(store, rounds.read_round(store, LOOP, number).prompts)
        assert prompts is not None
        pool = list(open_part(store, prompts, "pool").rows())
        kept = [Group(prompt=p.model_copy(update={"licence": "cc0-1.0"})) for p in pool[:number]]
        leave_rows(store, "filter", GROUPS, kept, number=number)
        promoted(settings, ticket)
        store.delete(f"loops/{LOOP}/lease.json")
    last = registry.version(LOOP, "3")
    facts = facts_of(store, registry, LOOP, last.model_copy(update={"tags": {**last.tags, PARENT: "2"}}))
    assert (facts.learned, [one.prompts for one in facts.data]) == ((1, 2), [3])
    assert "Kept over the 2 rounds behind it" in written(facts)


def test_a_small_p_is_written_as_in_the_report(made):
    _, store = made
    registry = open_registry(made[0], store)
    facts = facts_of(store, registry, LOOP, registry.version(LOOP, "2"))
    card = written(facts.model_copy(update={"decided": {"words": ["It comes up with p = 9e-07 (4,050 clusters)."]}}))
    assert f"- It comes up with p = {probability(9e-7)} (4,050 clusters)." in card


def test_what_can_begin_no_markup_is_not_escaped():
    for text in ("A2: 4,050 items (n = 9e-7)", "CC-BY-4.0", "not_better: +0.1 - 2", "a, b!", "round 1. It", "12:30"):
        assert plain(text) == text


def test_hostile_names_come_into_no_part_of_a_card(made):
    _, store = made
    registry = open_registry(made[0], store)
    facts = facts_of(store, registry, LOOP, registry.version(LOOP, "2"))
    changed = facts.model_copy(
        update={
            "loop": HOSTILE, "recipe": HOSTILE, "prompts_name": HOSTILE, "prompts_source": HOSTILE, "seed_source": HOSTILE,
            "uri": HOSTILE, "alarms": (HOSTILE,), "decided": {"words": [HOSTILE]}, "dropped": {HOSTILE: 2},
            "data": (Data(source=HOSTILE, licence=HOSTILE, prompts=3),), "autonomy": HOSTILE,
            "measured": {**facts.measured, "candidate": {**facts.measured["candidate"], "skills": {HOSTILE: facts.measured["candidate"]["skills"]["count"]}}},
        }
    )  # fmt: skip
    card = written(changed)
    assert not tokens_of(card.split("---\n", 2)[2]) & (FORBIDDEN - {"heading_open"})
    assert next(line for line in card.splitlines() if line.startswith("#")).startswith("# a\\|b")
    assert sum(line.startswith("# ") for line in card.splitlines()) == 1
    assert head_of(card)["model-index"][0]["name"].startswith("a|b")


def test_the_command_prints_and_writes_it(made, monkeypatch, capsys, tmp_path: Path):
    for name, value in made[0].environment().items():
        monkeypatch.setenv(name, value)
    ratchet = program(monkeypatch, capsys)
    code_, out, _ = ratchet("card", "--loop", LOOP, "--version", "2")
    assert (code_, out) == (0, card_of(made[0], LOOP, "2"))
    code_, out, _ = ratchet("card", "--loop", LOOP, "--out", str(tmp_path / "README.md"), "--keep")
    assert code_ == 0
    assert (tmp_path / "README.md").read_text() == card_of(made[0], LOOP, "2")
    assert "card-2.md" in out
