"""All verifiers of a recipe on one slice: each by itself, all of them combined, and the baselines."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import get_args

from ratchet.recipe import VerifyConfig
from ratchet.recipe.audit import COMBINED
from ratchet.recipe.verifiers import FAMILIES, OWN
from ratchet.records import Verdict
from ratchet.verify.applying import known, wanted
from ratchet.verify.audit.baselines import Coin, Constant
from ratchet.verify.audit.figures import figures
from ratchet.verify.audit.result import Audited, AuditResult, Family
from ratchet.verify.audit.seeing import ANSWER, Looker, Seeing, Seen
from ratchet.verify.audit.slices import Slice
from ratchet.verify.panel import Panel
from ratchet.verify.policy import judge
from ratchet.verify.protocol import Verifier

Watch = Callable[[int, int, str], None]
"""`watch(done, of, verifier)`, before each verifier."""


def silent(done: int, of: int, verifier: str) -> None:
    del done, of, verifier


def audit(
    panel: Panel,
    slice_: Slice,
    config: VerifyConfig,
    own: Mapping[str, frozenset[str]] | None = None,
    watch: Watch = silent,
) -> AuditResult:
    """Measure the panel's verifiers. `own` are the models whose answers are a verifier's own, by its name.

    Raises VerifierError for a verifier that is not known, VerifierUnavailable where one cannot work at all.
    """
    names = [wanted(case.prompt, panel.names) for case in slice_.cases]
    labels = _labels(panel, slice_)
    seen: dict[str, Seeing] = {}
    rows: list[Audited] = []
    for number, label in enumerate(labels):
        watch(number, len(labels), label)
        places = [place for place, one in enumerate(names) if label in one]
        seen[label] = Looker(label, _known(panel, label), slice_, places, config.timeout_seconds).look()
        its = (own or {}).get(label, frozenset()) if len(slice_.models) > 1 else frozenset()
        true = _is_truth(label, config, slice_)
        rows.append(figures(label, family_of(label, config), seen[label], own=its, is_truth=true))
    together = _combined(names, seen, config)
    all_true = bool(labels) and config.policy == "all" and all(row.is_truth for row in rows)
    rows.append(figures(COMBINED, "policy", together, is_truth=all_true))
    rows += [_baseline(one, slice_, config) for one in (Constant(), Coin(slice_.base_rate, slice_.draw))]
    return AuditResult(
        truth=slice_.truth,
        split=slice_.split,
        prompts=len(slice_.cases),
        answers=slice_.labelled,
        k=slice_.k,
        temperature=slice_.temperature,
        models=slice_.models,
        verifiers=tuple(rows),
    )


def _labels(panel: Panel, slice_: Slice) -> list[str]:
    """Every verifier once, in the recipe's order; those that prompts name by name, where the recipe has `prompt`."""
    own = sorted({name for case in slice_.cases for name in case.prompt.verifiers})
    names = (OWN,) if panel.names is None else panel.names
    return list(dict.fromkeys(one for name in names for one in (own if name == OWN else (name,))))


def family_of(label: str, config: VerifyConfig) -> Family:
    """What a verifier decides from: as the recipe's configuration of that name says, or that of the prompts' own kind."""
    for one in config.chosen:
        if one.called == label:
            return one.evidence
    return _KINDS.get(label, "rule")


def _kinds() -> dict[str, Family]:
    models = [model for family in FAMILIES.values() for model in (get_args(family) or (family,))]
    return {name: model.evidence for model in models for name in get_args(model.model_fields["name"].annotation)}


_KINDS = _kinds()


def _known(panel: Panel, label: str) -> Mapping[str, Verifier]:
    return {label: known(label, panel.verifiers)}


def _is_truth(label: str, config: VerifyConfig, slice_: Slice) -> bool:
    """Whether this very verifier says which answers are right: prompts name it, and the recipe has it without options."""
    if slice_.truth != "prompt" or not any(label in case.prompt.verifiers for case in slice_.cases):
        return False
    own = next((one for one in config.chosen if one.called == label), None)
    return own is None or own == type(own).model_validate({"name": label})


def _combined(names: Sequence[tuple[str, ...]], seen: Mapping[str, Seeing], config: VerifyConfig) -> Seeing:
    """All verdicts as the recipe combines them, of the texts that every verifier has seen."""
    by_text: dict[tuple[int, bool, int], dict[str, Seen]] = {}
    for label, seeing in seen.items():
        for one in seeing.seen:
            by_text.setdefault((one.case, one.sort == ANSWER, one.place), {})[label] = one
    together = Seeing(version=config.policy)
    for (case, _, _), said in by_text.items():
        if said.keys() != set(names[case]):
            continue
        found = judge([said[label].verdict for label in names[case]], config)
        tokens = sum(one.verdict.tokens for one in said.values())
        verdict = Verdict(
            verifier=COMBINED,
            version=config.policy,
            score=found.score,
            passed=found.passed,
            reason=found.reason,
            tokens=tokens,
        )
        together.seen.append(next(iter(said.values()))._replace(verdict=verdict))
    together.seconds, together.judged = _cost(seen)
    return together


def _cost(seen: Mapping[str, Seeing]) -> tuple[float, int]:
    """Seconds that all verifiers take for one answer."""
    return sum(one.seconds / one.judged for one in seen.values() if one.judged), 1


def _baseline(verifier: Verifier, slice_: Slice, config: VerifyConfig) -> Audited:
    places = range(len(slice_.cases))
    looker = Looker(verifier.name, {verifier.name: verifier}, slice_, places, config.timeout_seconds)
    return figures(verifier.name, "baseline", looker.look())
