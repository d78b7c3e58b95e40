"""Real items for the report: pictures, questions, answers and verdicts, a few of each kind."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Iterator, Sequence

from ratchet import rounds
from ratchet.artifacts import GROUPS, Artifact, ImageBank, Manifest
from ratchet.errors import ArtifactError, NotFound
from ratchet.evaluate.outcomes import Outcome
from ratchet.promptset import find, open_part
from ratchet.recipe import VerifyConfig
from ratchet.records import Group, Prompt
from ratchet.report.view import AnswerView, GalleryItem
from ratchet.store import Store
from ratchet.verify.judging import EVERY
from ratchet.verify.policy import judge

FLIPS = {
    (False, True): "wrong to right",
    (True, False): "right to wrong",
    (True, True): "both right",
    (False, False): "both wrong",
}


def gallery(
    store: Store, loop: str, numbers: Sequence[int], final: Artifact[Outcome] | None, most: int
) -> Iterator[GalleryItem]:
    """At most `most` items: half of the report split (seed against champion), half of what the rounds learned from."""
    shown = 0
    if final is not None:
        for item in _compared(store, loop, numbers, final, most // 2):
            shown += 1
            yield item
    share = (most - shown) // max(len(numbers), 1)
    for number in numbers:
        yield from _learned(store, loop, number, share)


def _compared(
    store: Store, loop: str, numbers: Sequence[int], final: Artifact[Outcome], most: int
) -> Iterator[GalleryItem]:
    """Report items by flip and skill, in turn, so that rare flips are seen as well."""
    opened = rounds.read_round(store, loop, numbers[0])
    source = find(store, opened.report)
    if source is None:
        return
    part = open_part(store, source, "report")
    prompts = {prompt.id: prompt for prompt in part.rows()}
    bank = ImageBank(store, part.manifest.packs)
    sides: dict[str, dict[str, Outcome]] = {}
    for outcome in final.rows():
        sides.setdefault(outcome.prompt_id, {})[outcome.role] = outcome
    kinds = Counter[tuple[str, str]]()
    cap = max(most // (len(FLIPS) * max(len({p.skill for p in prompts.values()}), 1)), 1)
    for id_, both in sides.items():
        seed, champion = both["champion"], both["candidate"]
        flip = FLIPS.get((bool(seed.correct), bool(champion.correct)))
        kinds[(seed.skill, flip or "")] += 1
        if flip is None or kinds[(seed.skill, flip)] > cap:
            continue
        answers = (_answer("seed", seed), _answer("champion", champion))
        yield GalleryItem(
            round=None,
            split="report",
            flip=flip,
            answers=answers,
            **_shown(prompts[id_], bank),
        )


def _learned(store: Store, loop: str, number: int, most: int) -> Iterator[GalleryItem]:
    """Prompts of the round's pool, each with all its samples: kept groups first, then dropped ones."""
    done = rounds.manifests(store, loop, number)
    if "verify" not in done or most <= 0:
        return
    config = rounds.read_round(store, loop, number).recipe.verify
    kept = _kept(store, done.get("filter"))
    verified = Artifact.open(store, done["verify"].uri, GROUPS)
    bank = ImageBank(store, verified.manifest.packs)
    seen = Counter[str]()
    skills = max(len(verified.manifest.results.get("skills", {})), 9)
    for group in verified.rows():
        skill = group.prompt.skill
        seen[skill] += 1
        if seen[skill] > max(most // skills, 1):
            if sum(min(n, most // skills) for n in seen.values()) >= most:
                return
            continue
        chosen = kept.get(group.prompt.id)
        answers = tuple(_sample(group, index, chosen, config) for index in range(len(group.completions)))
        yield GalleryItem(round=number, split="pool", answers=answers, **_shown(group.prompt, bank))


def _kept(store: Store, filtered: Manifest | None) -> dict[str, set[int]]:
    """Indices of the completions that training used, by prompt."""
    if filtered is None:
        return {}
    try:
        groups = Artifact.open(store, filtered.uri, GROUPS).rows()
        return {g.prompt.id: {c.index for c in g.completions if c.kept} for g in groups}
    except (ArtifactError, NotFound):
        return {}


def _sample(group: Group, index: int, kept: set[int] | None, config: VerifyConfig) -> AnswerView:
    """Judged as the round did; where its policy lets everything pass, as its verifiers together would."""
    completion = group.completions[index]
    verdicts = completion.verdicts
    judged = judge(verdicts, EVERY if config.policy == "none" else config)
    return AnswerView(
        who=f"sample {index + 1}",
        text=completion.text,
        passed=judged.passed,
        reason=judged.reason if verdicts else "not checked",
        said={v.verifier: v.passed for v in verdicts} if len(verdicts) > 1 else {},
        kept=kept is not None and completion.index in kept,
    )


def _answer(who: str, outcome: Outcome) -> AnswerView:
    return AnswerView(who=who, text=outcome.text, passed=outcome.correct, reason=outcome.reason)


def _shown(prompt: Prompt, bank: ImageBank) -> dict[str, object]:
    pictures = (f"data:{i.media_type};base64,{base64.b64encode(bank.bytes(i.sha256)).decode()}" for i in prompt.images)
    return {
        "prompt_id": prompt.id,
        "skill": prompt.skill,
        "question": prompt.question,
        "reference": prompt.reference,
        "pictures": tuple(pictures),
    }
