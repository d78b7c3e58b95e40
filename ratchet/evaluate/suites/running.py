"""One suite on one model, outside of rounds: what `ratchet evaluate suite` runs. Killed and run again, it goes on."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from ratchet import canonical, models, sources
from ratchet.artifacts import ArtifactWriter, Header, ImageBank, Manifest, ModelRef
from ratchet.artifacts.manifest import SPENT
from ratchet.errors import RecipeError, SamplingError
from ratchet.evaluate.measuring import engine_settings
from ratchet.evaluate.outcomes import OUTCOMES, Outcome
from ratchet.evaluate.remembering import Remembering, identity
from ratchet.evaluate.suites import results
from ratchet.evaluate.suites.asking import Exam, Sitting, answers_of, told_of_item
from ratchet.evaluate.suites.base import Suite
from ratchet.evaluate.suites.catalogue import suite as suite_of
from ratchet.evaluate.suites.marking import TOO_LONG, ByJudge, ByRule, Marker
from ratchet.evaluate.suites.preparing import Origin, Prepared, prepare
from ratchet.generate.engine import Engine
from ratchet.generate.engines import open_engine
from ratchet.model_files import describe, files_digest
from ratchet.progress import Progress, silent
from ratchet.recipe import EndpointConfig, EngineConfig, EvaluateConfig, JudgeConfig, SuiteConfig
from ratchet.recipe.judges import SEED
from ratchet.registry.base import Registry
from ratchet.store import Store
from ratchet.verify.extract import UNPARSED
from ratchet.verify.judges.identity import digest_of
from ratchet.verify.tools import Tools

FOLDER = "evaluations"
FAILED = "failed"
"""Count of answers and judgements that could not be had this time; another try may have them."""
SAID = (
    ("generate.engine.model", "--served-model"),
    ("generate.engine.url", "--url"),
    ("generate.engine.key_env", "--key-env"),
    ("generate.engine.", "--set "),
    ("generate.", "evaluate."),
)
"""What engines name by a round's recipe, and what it is here."""
DECIDED = (TOO_LONG, UNPARSED)
"""Reasons of unscored answers that another try would not change."""


@dataclass(frozen=True)
class RunOptions:
    """What to run. `engine` may also be an endpoint, which a round's cannot; then there is no `model`.

    `again`: measure anew where it was measured before, and ask everything anew.
    """

    suite: SuiteConfig
    model: str | None
    evaluate: EvaluateConfig = field(default_factory=EvaluateConfig)
    engine: EngineConfig | None = None
    judges: Mapping[str, JudgeConfig] = field(default_factory=dict)
    salt: str = ""
    again: bool = False

    @property
    def keeps(self) -> bool:
        """Whether answers and judgements are recalled, and kept."""
        return self.evaluate.cache and not self.again

    @property
    def chosen(self) -> EngineConfig:
        return self.engine or self.evaluate.engine


@dataclass(frozen=True)
class _Examinee:
    """The model that answers: its folder (None: at a server), what it is called, what its bytes are."""

    folder: Path | None
    label: str
    digest: str


def run(store: Store, options: RunOptions, registry: Registry | None = None, progress: Progress = silent) -> Manifest:
    """Measure one model on one suite; its outcomes are an artifact under `evaluations/`, with figures in `results`.

    Raises RecipeError, FileProblem, ModelError, SamplingError and VerifierError.
    """
    try:
        return _measured(store, options, registry, progress)
    except SamplingError as error:
        words = str(error)
        for field_, option in SAID:
            words = words.replace(field_, option)
        raise SamplingError(words) from error


def _measured(store: Store, options: RunOptions, registry: Registry | None, progress: Progress) -> Manifest:
    prepared = prepare(store, Origin(suite_of(options.suite.name), options.suite, options.salt, "report"))
    sitter = _examinee(store, options, registry)
    engine = _remembering(store, options, sitter, prepared, progress)
    try:
        with marking(prepared, options.suite, lambda: _tools(store, options, prepared, registry)) as marker:
            return _sat(store, Exam(prepared, options.suite, marker), options, sitter, engine)
    finally:
        engine.close()


def _sat(store: Store, exam: Exam, options: RunOptions, sitter: _Examinee, engine: Remembering) -> Manifest:
    who = identity(options.chosen, sitter.digest, options.evaluate.dtype)
    body = {
        "suite": exam.prepared.digest,
        "model": who,
        "config": options.suite.model_dump(mode="json", exclude={"source"}),
        "judge": exam.marker.identity,
    }
    key = canonical.digest(body)
    header = Header(stage="evaluation", key=key, config=body)
    last, writer = _attempts(store, f"{FOLDER}/{exam.name}/{key[:24]}", header)
    if last is not None and options.keeps and not last.counts[FAILED]:
        return last
    sitting = Sitting(exam, writer, "candidate", 0, lambda: engine)
    sitting.run()
    outcomes = list(sitting.outcomes())
    found = results.of_model(sitting.measured(), outcomes)
    told = {
        **results.described(exam.prepared.suite, exam.prepared.digest, exam.items, exam.marker.identity),
        "model": {"label": sitter.label, "digest": sitter.digest},
        "figures": found,
        "notes": results.notes(exam.prepared.suite, sitter.label, found),
        SPENT: engine.spent.told(),
    }
    counts = {
        "items": exam.items,
        "unparsed": sum(o.unparsed for o in outcomes),
        "clipped": sum(o.clipped for o in outcomes),
        FAILED: sum(o.score is None and o.reason not in DECIDED for o in outcomes),
    }
    return writer.commit(counts=counts, results=told, packs=exam.prepared.manifest.packs)


def _attempts(store: Store, place: str, header: Header) -> tuple[Manifest | None, ArtifactWriter[Outcome]]:
    """The last finished measurement at `place`, and the writer of the next, which goes on where one was killed."""
    last: Manifest | None = None
    for number in count(1):
        writer = ArtifactWriter(store, place if number == 1 else f"{place}-{number}", OUTCOMES, header)
        finished = writer.existing()
        if finished is None:
            break
        last = finished
    return last, writer


def predictions(outcomes: Iterator[Outcome]) -> Iterator[dict[str, Any]]:
    """Outcomes as rows that `ratchet evaluate score` reads."""
    for one in outcomes:
        yield {"key": one.item, "prediction": one.text, "score": one.score, "counts": one.counts}


@contextmanager
def marking(prepared: Prepared, config: SuiteConfig, tools: Callable[[], Tools]) -> Iterator[Marker]:
    """Who marks the suite: its own rule, or the judge that the recipe names for it. Raises RecipeError where that does not fit."""
    suite = prepared.suite
    check_judge(suite, config)
    if config.judge is None:
        yield ByRule(suite)
        return
    opened = tools()
    try:
        judge = opened.judge(config.judge)
        first = told_of_item(next(prepared.artifact.rows()))
        yield ByJudge(suite, judge, {"name": config.judge, **_who(opened, config.judge)}, first)
    finally:
        opened.close()


def check_judge(suite: Suite, config: SuiteConfig) -> None:
    """Raise RecipeError for a judged suite without a judge, and for a judge where a rule marks."""
    if suite.judged is not None and config.judge is None:
        raise RecipeError(
            f"{suite.title} is marked by a judge; name one of verify.judges for it (judge: NAME; on the command line "
            "--judge NAME --recipe FILE)."
        )
    if suite.judged is None and config.judge is not None:
        raise RecipeError(f"{suite.title} is marked by its own rule; leave judge {config.judge!r} out.")


def _who(tools: Tools, name: str) -> dict[str, Any]:
    who = tools.who(name)
    return {"identity": digest_of(who)[:16], **who}


def _examinee(store: Store, options: RunOptions, registry: Registry | None) -> _Examinee:
    engine = options.chosen
    if isinstance(engine, EndpointConfig):
        if options.model is not None:
            raise RecipeError(f"engine endpoint has its model already; leave --model {options.model} out.")
        # The server is asked for its model's name, and for nothing yet.
        from ratchet.generate.engines.endpoint import EndpointEngine
        from ratchet.generate.engines.endpoint_http import URL_ENV

        served = EndpointEngine(engine, ImageBank(store, []), "endpoint").model
        # What runs behind a name may change, and nothing tells: at least another server is another model.
        return _Examinee(None, served, f"{served} at {engine.url or os.environ.get(URL_ENV)}")
    if options.model is None:
        raise RecipeError("no model is named; give --model FOLDER, s3://, models:/name@champion or hf://repo.")
    folder, description = sources.fetch_model(options.model, store, registry)
    return _Examinee(folder, description, files_digest(describe(folder)))


def _remembering(
    store: Store, options: RunOptions, sitter: _Examinee, prepared: Prepared, progress: Progress
) -> Remembering:
    bank, done = prepared.bank, 0
    total = answers_of(prepared, options.suite)

    def advance(completions: int) -> None:
        nonlocal done
        done = min(done + completions, total)
        progress(done, total, "answers", sitter.label)

    def start() -> Engine:
        settings = engine_settings(options.chosen, options.evaluate)
        return open_engine(settings, sitter.folder, bank, sitter.label, advance)

    who = identity(options.chosen, sitter.digest, options.evaluate.dtype)
    return Remembering(start, bank, sitter.label, store if options.keeps else None, who, advance)


def _tools(store: Store, options: RunOptions, prepared: Prepared, registry: Registry | None) -> Tools:
    """What asks the judge, its model copied to the store: an alias may move, this does not."""
    name = options.suite.judge or ""
    config = options.judges.get(name)
    if config is None:
        there = ", ".join(sorted(options.judges)) or "none"
        raise RecipeError(
            f"no judge {name!r} in verify.judges; there are: {there}. Give a recipe that has it (--recipe)."
        )
    if config.model == SEED and not isinstance(config.engine, EndpointConfig):
        raise RecipeError(
            f"judge {name!r} is the seed of a round, and there is no round here; set its model or engine endpoint."
        )
    pinned: dict[str, ModelRef] = {}
    if config.source is not None:
        folder, _ = sources.fetch_model(config.source, store, registry)
        pinned[config.source] = models.upload(store, folder, "beside")
    nobody = ModelRef(name=SEED, uri=store.uri("models/none"), digest="0" * 64)
    return Tools(store, prepared.bank, nobody, options.judges, pinned, draw=0, keeps=not options.again)
