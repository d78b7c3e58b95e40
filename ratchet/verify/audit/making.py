"""Measure a recipe's verifiers on a split of a prompt set: sample the seed's answers, or take labels, and audit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from ratchet.artifacts import Artifact, ImageBank, Pack
from ratchet.generate.engine import Engine
from ratchet.generate.sampling import SamplingParams, derived_seed
from ratchet.recipe import EndpointConfig, Recipe
from ratchet.recipe.audit import AuditConfig
from ratchet.recipe.judges import SEED
from ratchet.records import Prompt
from ratchet.verify.audit.auditing import Watch, audit, silent
from ratchet.verify.audit.labels import Label, labelled
from ratchet.verify.audit.probes import lexicon_for
from ratchet.verify.audit.result import AuditResult, Truth
from ratchet.verify.audit.slices import Slice, cases_of, chosen, sampled
from ratchet.verify.environments import for_prompts
from ratchet.verify.judging import Rights, rights
from ratchet.verify.panel import panel_of
from ratchet.verify.scratch import showing
from ratchet.verify.tools import Tools


@dataclass(frozen=True)
class Wanted:
    """What is measured: a recipe's verifiers, with its sampling and its audit's settings. `labels` by prompt take the place
    of sampled answers; `judged` that of the prompts' own verifiers, and `truth` says whose word it is."""

    recipe: Recipe
    audit: AuditConfig
    labels: Mapping[str, Sequence[Label]] | None = None
    judged: Rights = rights
    truth: Truth = "prompt"


def measured(tools: Tools, part: Artifact[Prompt], name: str, wanted: Wanted, watch: Watch = silent) -> AuditResult:
    """Audit on the split `part` of the prompt set called `name`. Raises VerifierError where it has nothing to audit on."""
    draw = derived_seed(tools.draw, "audit")
    with showing(tools, ImageBank(tools.store, part.manifest.packs)):
        if wanted.labels is not None:
            slice_ = labelled(part.rows(), wanted.labels, wanted.audit, draw, name, tools.bank)
            engines: dict[str, Engine] = {}
        else:
            prompts = chosen(part.rows(), wanted.audit.prompts, str(draw), name)
            engines = _engines(tools, wanted)
            slice_ = sampled_slice(prompts, engines, wanted, draw, tools.bank)
        return audit(panel_of(wanted.recipe.verify, tools), slice_, wanted.recipe.verify, _own(wanted, engines), watch)


def measured_labels(
    tools: Tools, prompts: Sequence[Prompt], packs: Sequence[Pack], name: str, wanted: Wanted, watch: Watch = silent
) -> AuditResult:
    """Audit on labels that people gave to answers of a round's own pool: `wanted.labels` of `prompts`, whose pictures are in
    `packs`."""
    draw = derived_seed(tools.draw, "audit")
    with showing(tools, ImageBank(tools.store, packs)):
        slice_ = labelled(prompts, wanted.labels or {}, wanted.audit, draw, name, tools.bank)
        slice_ = replace(slice_, split="pool")
        return audit(panel_of(wanted.recipe.verify, tools), slice_, wanted.recipe.verify, _own(wanted, {}), watch)


def sampled_slice(
    prompts: Sequence[Prompt], engines: Mapping[str, Engine], wanted: Wanted, draw: int, bank: ImageBank | None = None
) -> Slice:
    """The slice with answers of each engine, judged by `wanted.judged`; the prompts' pictures are in `bank`."""
    config = wanted.audit
    generate = wanted.recipe.generate
    params = SamplingParams(
        strategy="audit",
        k=config.k,
        temperature=config.temperature,
        top_p=generate.top_p,
        top_k=generate.top_k,
        max_new_tokens=generate.max_new_tokens,
        seed=derived_seed(draw, "answers"),
    )
    answers = sampled(prompts, list(engines.values()), params)
    judged = partial(rights, bank=bank) if wanted.judged is rights else wanted.judged
    cases = cases_of(prompts, answers, judged, lexicon_for(config.words, prompts), draw, for_prompts(bank))
    return Slice(cases, wanted.truth, config.k, config.temperature, draw)


def _engines(tools: Tools, wanted: Wanted) -> dict[str, Engine]:
    """Whose answers are judged: the seed's, and where it is asked for those of every other model that judges, by judge."""
    names = [SEED]
    if wanted.audit.judges_answer:
        asked = dict.fromkeys(getattr(one, "judge", SEED) for one in wanted.recipe.verify.chosen)
        names += [name for name in asked if name != SEED and _is_other(tools, name)]
    return {name: tools.engine(name) for name in names}


def _is_other(tools: Tools, judge: str) -> bool:
    config = tools.judge_config(judge)
    return isinstance(config.engine, EndpointConfig) or config.model != SEED


def _own(wanted: Wanted, engines: Mapping[str, Engine]) -> dict[str, frozenset[str]]:
    """The label of each verifier's judge, where its answers are at hand."""
    asked = {one.called: getattr(one, "judge", None) for one in wanted.recipe.verify.chosen}
    return {
        called: frozenset({engines[judge].label})
        for called, judge in asked.items()
        if judge is not None and judge in engines
    }
