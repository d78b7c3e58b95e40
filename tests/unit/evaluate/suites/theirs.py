"""How lmms-eval 0.7.3 scores one answer, or all of them, in each suite of multiple choice and maths: rows in, scores out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from tests import crosscheck

Row = Mapping[str, Any]


def distance(one: str, other: str) -> int:
    """Levenshtein's, for the package of that name, which is not installed."""
    row = list(range(len(other) + 1))
    for i, left in enumerate(one, 1):
        above, row = row, [i]
        for j, right in enumerate(other, 1):
            row.append(min(above[j] + 1, row[-1] + 1, above[j - 1] + (left != right)))
    return row[-1]


@lru_cache
def task(name: str, file: str = "utils") -> Any:
    return crosscheck.task(name, file)


def _exact(pred: str, wanted: str) -> float:
    """The harness's exact_match as AI2D's yaml sets it."""
    compare = _metrics().exact_match_hf_evaluate
    return float(
        compare(predictions=[pred], references=[wanted], ignore_case=True, ignore_punctuation=True)["exact_match"]
    )


@lru_cache
def _metrics() -> Any:
    return crosscheck.module("api.metrics")


def _filtered(name: str, row: Row, said: str) -> str:
    """What MultiChoiceRegexFilter leaves of a reply."""
    chosen: list[str] = task(name).MultiChoiceRegexFilter.apply(None, [[said]], [row])
    return chosen[0]


def ai2d(row: Row, said: str) -> float:
    return _exact(_filtered("ai2d", row, said), task("ai2d").ai2d_doc_to_target(row, "mcq"))


def _called(function: Callable[..., Any], *given: Any) -> Any:
    with crosscheck.standing_in():
        return function(*given)


def mmstar(row: Row, said: str) -> float:
    return float(_called(task("mmstar").mmstar_process_results, row, [said])["average"]["score"])


def seed(row: Row, said: str) -> float:
    return float(
        task("seedbench").seed_aggregation_result([task("seedbench").seed_process_result(row, [said])["seed_all"]])
    )


def scienceqa(row: Row, said: str) -> float:
    return float(task("scienceqa").sqa_process_results(row, [said])["exact_match"])


def realworldqa(row: Row, said: str) -> float:
    return float(_called(task("realworldqa").realworldqa_process_results, row, [said])["exact_match"])


def cv_bench(row: Row, said: str) -> float:
    return float(task("cv_bench").cv_bench_process_results(row, [said])["cv_bench_acc"]["is_correct"])


def mmvp(row: Row, said: str) -> float:
    return float(task("mmvp").mmvp_process_results(row, [said])["mmvp_accuracy"]["is_correct"])


def three_d(row: Row, said: str) -> float:
    return float(task("3dsrbench").process_results(row, [said])["vanilla_accuracy"]["score"])


def blink(row: Row, said: str) -> float:
    return float(task("blink").blink_process_results(row, [said])["blink_acc"]["is_correct"])


def muirbench(row: Row, said: str) -> float:
    found = task("muirbench").muir_process_results(row, [_filtered("muirbench", row, said)])
    return float(task("muirbench").muir_aggregation([found["muirbench_score_overall"]]))


def mirb(row: Row, said: str) -> float:
    (found,) = task("mirb").mirb_process_results(row, [said]).values()
    known = found["answers"] in ("A", "B", "C", "D", "E")
    compare = task("mirb").eval_multi_choice if known else task("mirb").eval_open
    return float(compare(found["answers"], found["pred_answer"]))


def mantis(row: Row, said: str) -> float:
    return float(task("mantis").mantis_process_results(row, [said])["mantis_score"]["correct"])


def mmmu(row: Row, said: str) -> float:
    found = task("mmmu").mmmu_process_results(row, [said])["mmmu_acc"]
    return float(task("mmmu").evaluate_mmmu([found])[1]["acc"])


def mathvista(row: Row, said: str) -> float:
    """Without the model that extracts: what its script reads by itself."""
    module = task("mathvista", "mathvista_evals")
    module.distance = distance
    judge = module.MathVistaEvaluator()
    read = judge.extract_answer(said, {**row, "query": ""})
    plain = judge.normalize_extracted_answer(
        read, row["choices"], row["question_type"], row["answer_type"], int(row["precision"] or 0)
    )
    return float(judge.safe_equal(plain, row["answer"]))


def mathvision(row: Row, said: str) -> float:
    return float(task("mathvision").mathvision_process_results(row, [said])["mathvision_standard_eval"]["scores"][0])


def mmbench(rows: Sequence[Row], said: Sequence[str]) -> float:
    judge = task("mmbench", "mmbench_evals").MMBench_Evaluator()
    results = [{**row, "prediction": one} for row, one in zip(rows, said, strict=True)]
    return float(_called(judge.eval_result, results, "static")[0])


def we_math(rows: Sequence[Row], right: Sequence[bool], problems: int) -> Mapping[str, int]:
    """Counts of the four kinds, strictly and loosely."""
    import pandas as pd

    theirs = task("wemath", "wemath_utils")
    frame = pd.DataFrame([{**row, "joker": one} for row, one in zip(rows, right, strict=True)])
    steps = [theirs.process_steps_data(frame[frame["key"].str.contains(f"{n}steps")], n) for n in (2, 3)]
    counts: Mapping[str, int] = theirs.compute_final_scores(theirs.calculate_metrics(*steps), problems)[0]
    return counts


THEIRS: Mapping[str, Callable[[Row, str], float]] = {
    "mmstar": mmstar, "seed": seed, "scienceqa": scienceqa, "ai2d": ai2d, "realworldqa": realworldqa, "cv_bench": cv_bench, "mmvp": mmvp,
    "3dsrbench": three_d, "blink": blink, "muirbench": muirbench, "mirb": mirb, "mantis": mantis, "mmmu": mmmu, "mathvista": mathvista,
    "mathvision": mathvision,
}  # fmt: skip
