"""The evaluate stage: seed (champion) and candidate on the same holdout prompts and suites, answered and scored alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ratchet.artifacts import Manifest, ModelRef
from ratchet.artifacts.manifest import SPENT
from ratchet.errors import ArtifactError
from ratchet.evaluate import metrics
from ratchet.evaluate.examining import ROLES, Examination
from ratchet.evaluate.outcomes import OUTCOMES, ModelRole
from ratchet.evaluate.suites import in_rounds
from ratchet.generate.resuming import read_back
from ratchet.promptset import open_part
from ratchet.stage import StageContext
from ratchet.verify.judges import Spending, spent_in_words


def run(context: StageContext) -> Manifest:
    """Measure both models on the holdout and the recipe's suites. Finished shards of an earlier try are kept, whatever ended
    it. Outcomes of the holdout name no suite; the gate decides by them."""
    writer = context.writer(OUTCOMES)
    finished = writer.existing()
    if finished is not None:
        return finished
    holdout = open_part(context.store, context.prompt_set(), "holdout")
    models: dict[ModelRole, ModelRef] = {
        "champion": context.round.seed,
        "candidate": candidate_of(context.parents["train"]),
    }
    examined: dict[ModelRole, Examination] = {}
    spending, first, suites = Spending(), 0, {}
    with in_rounds.exams(context, spending) as exams:
        for role in ROLES:
            examined[role] = Examination(context, writer, holdout, role, models[role], first, exams)
            first = examined[role].run()
        with context.clock("metrics"):
            for exam in exams:
                sittings = {role: part.sittings[exam.name] for role, part in examined.items()}
                suites[exam.name] = in_rounds.summary(exam, sittings)
    outcomes = [one for part in examined.values() for index in part.holdout for one in read_back(writer, index)]
    with context.clock("metrics"):
        results = metrics.summary(outcomes)
    results["models"] = {role: ref.model_dump(mode="json") for role, ref in models.items()}
    results |= {"suites": suites} if suites else {}
    results[SPENT] = _spent(context, examined, spending)
    context.check_lease()
    packs = [*holdout.manifest.packs, *(pack for exam in exams for pack in exam.prepared.manifest.packs)]
    return writer.commit(counts=metrics.counts(outcomes), results=results, seconds=context.seconds, packs=packs)


def candidate_of(train: Manifest) -> ModelRef:
    """The model that training made. Raises ArtifactError where the manifest names none."""
    made = train.results.get("model")
    if made is None:
        raise ArtifactError(f"{train.uri} names no model in results.model; run the train stage again.")
    return ModelRef.model_validate(made)


def _spent(context: StageContext, examined: Mapping[ModelRole, Examination], spending: Spending) -> dict[str, Any]:
    """What answers and judgements cost in this try: not covered by the artifact's digest."""
    judges = spent_in_words(spending.take(), context.round.recipe.verify.judges)
    return {"answers": {role: part.spent.told() for role, part in examined.items()}, "judges": judges}
