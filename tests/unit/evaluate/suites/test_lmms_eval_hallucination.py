"""Hallucination: the same predictions give the same score in lmms-eval and here; where its metric is faulty, a test has both."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from ratchet.evaluate.suites import Question
from ratchet.evaluate.suites.amber_words import Truth, compare, nouns_of
from ratchet.evaluate.suites.chair import lexicon_of
from ratchet.evaluate.suites.hallusion import FIGURE
from ratchet.verify import text as texts
from tests import crosscheck
from tests.benchmarks import asked, figures, mark_of

SAID = ("yes", "no", "Yes", "No")


def total(theirs: Any, name: str, rows: Sequence[Mapping[str, Any]], answers: Sequence[str]) -> list[dict[str, Any]]:
    """What lmms-eval's `process_results` makes of each row."""
    return [getattr(theirs, name)(dict(row), [answer]) for row, answer in zip(rows, answers, strict=True)]


def pope(answers: Sequence[str], truths: Sequence[str]) -> tuple[dict[str, float], dict[str, Any]]:
    """Theirs and ours."""
    theirs = crosscheck.task("pope")
    rows = [{"question_id": str(n), "answer": truth} for n, truth in enumerate(truths)]
    made = [found["pope_accuracy"] for found in total(theirs, "pope_process_results", rows, answers)]
    names = ("accuracy", "precision", "recall", "f1_score", "yes_ratio")
    scores = {name: getattr(theirs, f"pope_aggregate_{name}")(made) for name in names}
    questions = [asked(str(n), truth, "random") for n, truth in enumerate(truths)]
    return scores, figures("pope", questions, dict(zip(map(str, range(len(answers))), answers, strict=True)))


def test_pope_is_the_same_on_plain_answers() -> None:
    drawn = random.Random(1)
    truths = [drawn.choice(("yes", "no")) for _ in range(200)]
    theirs, ours = pope([drawn.choice(SAID) for _ in truths], truths)
    for name, key in {"accuracy": "accuracy", "precision": "precision", "recall": "recall", "f1": "f1_score"}.items():
        assert ours[name] == pytest.approx(theirs[key], abs=1e-6), name


def test_popes_yes_ratio_is_of_the_predictions_here_and_of_the_references_there() -> None:
    theirs, ours = pope(["yes"] * 4, ["yes", "no", "no", "no"])
    assert (theirs["yes_ratio"], ours["yes_ratio"], ours["true_yes_ratio"]) == (0.25, 1.0, 0.25)


def test_pope_reads_a_yes_with_a_full_stop_here_and_not_there() -> None:
    theirs, ours = pope(["Yes.", "No."], ["yes", "no"])
    assert (theirs["accuracy"], ours["accuracy"]) == (0.0, 1.0)


def test_refusing_raises_popes_recall_there_and_lowers_it_here() -> None:
    theirs, ours = pope(["yes", "I cannot say", "no"], ["yes", "yes", "no"])
    assert (theirs["recall"], ours["recall"]) == (1.0, 0.5)


def mme(answers: Mapping[str, str], truths: Mapping[str, str]) -> tuple[float, float]:
    theirs = crosscheck.task("mme")
    rows = [{"question_id": key.rpartition("/")[0], "category": "existence", "answer": truths[key]} for key in truths]
    made = total(theirs, "mme_process_results", rows, [answers[key] for key in truths])
    score = theirs.mme_aggregate_results([one["mme_perception_score"] for one in made])
    questions = [asked(key, truth.lower(), "existence", key.rpartition("/")[0]) for key, truth in truths.items()]
    return score, figures("mme", questions, answers)["categories"]["existence"]["score"]


def test_mme_is_the_same_on_plain_answers() -> None:
    drawn = random.Random(2)
    truths = {f"{n}/{order}": word for n in range(50) for order, word in enumerate(("Yes", "No"))}
    theirs, ours = mme({key: drawn.choice((*SAID, "Yes, it is.", "no!")) for key in truths}, truths)
    assert ours == pytest.approx(theirs, abs=1e-3)


def test_mme_takes_not_sure_for_a_no_there_and_a_late_no_for_nothing() -> None:
    truths = {"1/0": "Yes", "1/1": "No"}
    assert mme({"1/0": "yes", "1/1": "Not sure"}, truths) == (200.0, 50.0)
    assert mme({"1/0": "yes", "1/1": "I see no dog"}, truths) == (50.0, 200.0)


def hallusion_rows() -> list[dict[str, Any]]:
    return [
        {
            "category": "VD", "subcategory": "illusion", "set_id": str(kind), "figure_id": str(figure), "visual_input": "1",
            "question_id": str(question), "gt_answer": str((kind + figure + question) % 2),
        }
        for kind in range(6) for figure in range(3) for question in range(2)
    ]  # fmt: skip


def hallusion_questions(rows: Sequence[Mapping[str, Any]]) -> list[Question]:
    found = []
    for n, row in enumerate(rows):
        group = f"{row['category']}_{row['subcategory']}_{row['set_id']}"
        facts = {FIGURE: f"{group}_f{row['figure_id']}", "subcategory": row["subcategory"]}
        truth = "yes" if row["gt_answer"] == "1" else "no"
        found.append(asked(str(n), truth, row["category"], f"{group}_q{row['question_id']}", **facts))
    return found


def test_hallusionbench_counts_the_same_from_right_and_wrong_on() -> None:
    drawn = random.Random(3)
    rows = hallusion_rows()
    answers = [
        drawn.choice(SAID) if n % 5 == 0 else ("yes" if row["gt_answer"] == "1" else "no") for n, row in enumerate(rows)
    ]
    ours = figures("hallusionbench", hallusion_questions(rows), {str(n): answer for n, answer in enumerate(answers)})
    theirs = crosscheck.task("hallusion_bench", "evaluate_hb")
    read = [{**row, "model_prediction": answer} for row, answer in zip(rows, answers, strict=True)]
    for name in ("aAcc", "qAcc", "fAcc"):
        assert ours[name] == pytest.approx(theirs.hb_aggregation_result_intern(read, name), abs=1e-6), name
    counting = crosscheck.task("hallusion_bench")
    judged = [
        {**row, "check": str(int((one.lower() == "yes") == (row["gt_answer"] == "1")))}
        for row, one in zip(rows, answers, strict=True)
    ]
    counted = counting.assign_correctness(judged, "check")
    every, pairs, figure = (
        counting.get_eval_all(counted, "check"), counting.get_eval_pair_all(counted, "check"), counting.get_eval_fig(counted),
    )  # fmt: skip
    for name, found in {"aAcc": every, "qAcc": pairs, "fAcc": figure}.items():
        assert ours[name] == pytest.approx(found["correct"] / found["total"], abs=1e-6), name


def test_a_refusal_is_half_right_in_their_reading_without_a_judge_and_wrong_here() -> None:
    rows = hallusion_rows()
    theirs = crosscheck.task("hallusion_bench", "evaluate_hb")
    refused = [{**row, "model_prediction": "I cannot tell"} for row in rows]
    ours = figures("hallusionbench", hallusion_questions(rows), lambda _: "I cannot tell")
    assert (theirs.hb_aggregation_result_intern(refused, "aAcc"), ours["aAcc"]) == (0.5, 0.0)


CAPTIONS = [
    ("A man rides a motorcycle past two dogs and a bench.", ["person", "motorcycle"]),
    ("Two zebras. A zebra eats.", ["zebra"]),
    ("A laptop on a desk near a teddy bear.", ["laptop", "dining table"]),
    ("Nothing of note.", ["cat"]),
]  # fmt: skip


def naive(theirs: Any) -> Any:
    """Their reading of captions with our words and singulars for NLTK's."""
    theirs.nltk.word_tokenize = lambda text: text.replace(".", " .").split()
    theirs.nltk.pos_tag = lambda words: [(word, "NN") for word in words]
    theirs.WordNetLemmatizer = lambda: type(
        "", (), {"lemmatize": staticmethod(lambda word, pos="n": texts.singular(word))}
    )()
    return theirs


def test_chair_is_the_same_where_both_tables_know_the_words() -> None:
    theirs = naive(crosscheck.task("coco_cap_chair"))
    rows = [{"question_id": str(n), "gt_object": there} for n, (_, there) in enumerate(CAPTIONS)]
    made = [
        one["coco_cap_chair_i"]
        for one in total(theirs, "coco_cap_chair_process_result", rows, [said for said, _ in CAPTIONS])
    ]
    assert [one["pred"] for one in made] == [lexicon_of(None).mentions(said) for said, _ in CAPTIONS]
    questions = [asked(str(n), None, "COCO", objects=there) for n, (_, there) in enumerate(CAPTIONS)]
    ours = figures("chair", questions, {str(n): said for n, (said, _) in enumerate(CAPTIONS)})
    for name in ("chair_i", "chair_s", "recall"):
        assert 100 * ours[name] == pytest.approx(
            getattr(theirs, f"coco_cap_chair_aggregate_results_{name}")(made), abs=1e-4
        ), name


def test_what_a_caption_denies_is_hallucinated_there_and_not_here() -> None:
    theirs = naive(crosscheck.task("coco_cap_chair"))
    said = "A man without a dog."
    made = theirs.coco_cap_chair_process_result({"question_id": "1", "gt_object": ["person"]}, [said])[
        "coco_cap_chair_i"
    ]
    ours = figures("chair", [asked("1", None, "COCO", objects=["person"])], {"1": said})
    assert (theirs.coco_cap_chair_aggregate_results_chair_i([made]), ours["chair_i"]) == (50.0, 0.0)


RELATED = {
    "sky": [],
    "forest": ["tree", "bush"],
    "person": ["people", "man"],
    "man": ["person"],
    "dog": [],
    "cloud": [],
    "road": ["path"],
}
VOCABULARY = "\n".join(dict.fromkeys([*RELATED, *(word for words in RELATED.values() for word in words)]))
TRUTH = Truth(["sky", "forest", "person", "man", "road"], ["dog", "cloud"], RELATED)
DESCRIPTIONS = (
    "A man under the sky with a dog.", "Trees, trees and a path. A cloud.", "Clouds and clouds.", "Nothing here.",
    "A forest, a bush, people and a road under the sky.",
)  # fmt: skip


def amber(theirs: Any, said: str) -> dict[str, float]:
    """Their counts of one description, of our nouns; a word is near to itself alone, for want of spaCy's vectors."""
    theirs.extract_nouns = lambda text: nouns_of(text, VOCABULARY)
    theirs.check_synonyms_word = lambda one, other, threshold: one == other
    counts = dict.fromkeys(
        ("chair_score", "chair_num", "safe_cover_score", "safe_cover_num", "hallu_cover_score", "hallu_cover_num",
         "non_hallu_score", "non_hallu_num"), 0.0,
    )  # fmt: skip
    note = {"truth": list(TRUTH.there), "hallu": list(TRUTH.expected)}
    theirs.process_generative_task(
        {"question_id": 1, "text": said}, note, RELATED, set(VOCABULARY.split("\n")), ["path"], 0.8, counts
    )
    return counts


@pytest.mark.parametrize("said", DESCRIPTIONS)
def test_amber_counts_the_same_from_nouns_on(said: str) -> None:
    theirs = amber(crosscheck.task("amber_g"), said)
    ours = compare(nouns_of(said, VOCABULARY), TRUTH, ["path"])
    assert (theirs["chair_score"], theirs["chair_num"]) == (len(ours.hallucinated), len(ours.nouns))
    assert (theirs["safe_cover_score"], theirs["safe_cover_num"]) == (ours.covered, len(TRUTH.there))
    assert (theirs["hallu_cover_score"], theirs["hallu_cover_num"]) == (ours.expected, len(TRUTH.expected))
    assert theirs["non_hallu_score"] == float(not ours.hallucinated)


def test_each_item_adds_a_thousandth_to_ambers_denominators_there() -> None:
    theirs = crosscheck.task("amber_g")
    # As `metrics.txt` begins each of them, once an item.
    rows = [
        {name: count + 0.001 if name.endswith("num") else count for name, count in amber(theirs, said).items()}
        for said in DESCRIPTIONS
    ]
    questions = [
        asked(str(n), None, "generative", vocabulary=VOCABULARY, safe=["path"], there=list(TRUTH.there), expected=list(TRUTH.expected), related=RELATED)
        for n in range(len(DESCRIPTIONS))
    ]  # fmt: skip
    ours = figures("amber", questions, {str(n): said for n, said in enumerate(DESCRIPTIONS)})
    # 4 of 14 nouns: a dog, and clouds three times.
    assert (theirs.amber_g_aggregate_chair(rows), 100 * ours["chair"]) == (
        pytest.approx(400 / 14.005),
        pytest.approx(400 / 14, abs=1e-4),
    )
    assert theirs.amber_g_aggregate_cover(rows) == pytest.approx(100 * ours["cover"], rel=1e-3)
    assert theirs.amber_g_aggregate_hal(rows) == pytest.approx(100 * ours["hal"], rel=1e-3)
    assert theirs.amber_g_aggregate_cog(rows) == pytest.approx(100 * ours["cog"], rel=1e-3)


@pytest.mark.parametrize(
    ("answer", "theirs_right", "ours_right"), [("Yes", 0, 0), ("No, none.", 1, 1), ("I do not know", 1, 0)]
)
def test_any_letters_no_are_a_no_to_amber_there(answer: str, theirs_right: int, ours_right: int) -> None:
    theirs = crosscheck.task("amber_g")
    names = ("correct_num", "correct_score", "no_num", "no_score", "ans_no_num", "ans_no_score")
    counts = {f"{kind}qa_{name}": 0.0 for kind in ("", "ha_") for name in names}
    theirs.process_discriminative_task(
        {"question_id": 1, "text": answer}, {"type": "discriminative-hallucination", "truth": "no"}, counts
    )
    assert counts["qa_correct_score"] == theirs_right
    assert mark_of("amber", asked("1", "no", "existence"), answer).score == ours_right
