"""The audit within a round: before the verify stage verifies anything, and before anything is trained."""

from __future__ import annotations

from ratchet import canonical
from ratchet.errors import AuditFailed, NotFound, VerifierError
from ratchet.promptset import open_part
from ratchet.recipe.audit import AuditConfig
from ratchet.stage import StageContext
from ratchet.verify.audit.making import Wanted, measured
from ratchet.verify.audit.result import AUDIT_FILE, Audited, AuditResult
from ratchet.verify.judges import spent_in_words
from ratchet.verify.tools import Tools


def audited(context: StageContext, tools: Tools) -> AuditResult | None:
    """The audit of the round's verifiers, kept at the stage's place; None where the recipe asks for none.

    What an earlier try has measured stands: a verifier is measured once a round. Raises AuditFailed, after it is kept, where
    a verifier is less precise than the recipe asks.
    """
    config: AuditConfig | None = context.config.audit
    if config is None:
        return None
    place = f"{context.prefix}/{AUDIT_FILE}"
    try:
        found = AuditResult.model_validate(canonical.loads(context.store.get(place)))
    except NotFound:
        tools.spending.begin(f"{context.prefix}#audit")
        with context.clock("audit"):
            found = _measured(context, tools, config)
        if not context.config.asks_models:
            tools.close()  # nobody else needs the seed, and workers need its memory
        # Taken here, so that no file of the stage counts it for its own.
        spent = spent_in_words(tools.spending.take(), tools.judges)
        found = found.model_copy(update={"spent": spent})
        context.check_lease()
        context.store.put(place, canonical.pretty(found.model_dump(mode="json")))
    check(found, config, context.store.uri(place))
    return found


def _measured(context: StageContext, tools: Tools, config: AuditConfig) -> AuditResult:
    prompts = context.prompt_set()
    if not prompts.rows.get("validation") or "validation" not in prompts.parts:
        raise VerifierError(
            f"verify.audit measures on the validation split, but prompt set {prompts.name} has none; raise prompts.validation, import "
            "a set with one, or remove verify.audit."
        )
    part = open_part(context.store, prompts, "validation")
    return measured(
        tools,
        part,
        prompts.name,
        Wanted(context.round.recipe, config),
        lambda done, of, name: context.progress(done, of, "verifiers", f"audit of {name}"),
    )


def check(found: AuditResult, config: AuditConfig, where: str) -> None:
    """Raise AuditFailed for the verifiers whose precision is below what the recipe asks, or could not be measured. `where` the
    audit is kept is told."""
    short = []
    for name, least in sorted(config.min_precision.items()):
        one = found.of(name)
        if one is None:
            there = ", ".join(row.verifier for row in found.verifiers if row.family != "baseline")
            raise AuditFailed(
                f"verify.audit.min_precision names {name}, but no prompt of the audit was looked at by a verifier called so; there "
                f"are: {there}. Mend verify.audit.min_precision."
            )
        if (words := _short(one, least, config)) is not None:
            short.append(words)
    if short:
        rest = "Nothing was verified or trained. Use another verifier or judge"
        raise AuditFailed(
            f"{'; '.join(short)}. {rest}, make its rule stricter (a floor, a threshold, required), or lower "
            f"verify.audit.min_precision, and begin again. All figures are in {where}."
        )


def _short(one: Audited, least: float, config: AuditConfig) -> str | None:
    """Why a verifier does not reach `least`, in words; None where it does."""
    precision = one.precision
    if precision.share is None:
        return f"verifier {one.verifier} passed none of {one.answers.n} answers, so it has no precision, and {least:g} is asked"
    interval = config.min_precision_by == "interval"
    if (precision.low if interval else precision.share) >= least:
        return None
    said = f"precision of verifier {one.verifier} is {precision.share:.3f} (95% {precision.low:.3f} to {precision.high:.3f})"
    right = one.answers.true_positives
    what = "the interval's lower end" if interval else "the estimate"
    base = f", where {one.base_rate.share:.3f} of all answers are right" if one.base_rate.share is not None else ""
    return (
        f"{said}: {right} of the {precision.n} answers that it passes are right{base}; {what} must reach {least:g} "
        "(verify.audit.min_precision)"
    )
