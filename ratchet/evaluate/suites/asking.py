"""One model sits one suite: its items are asked shard by shard, answers are marked, outcomes written."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from ratchet.artifacts import ArtifactWriter
from ratchet.evaluate.measuring import SHARD_ROWS, subset
from ratchet.evaluate.outcomes import ModelRole, Outcome
from ratchet.evaluate.remembering import SUITE
from ratchet.evaluate.suites.base import Asked, Item, Mark, Marked
from ratchet.evaluate.suites.figures import Measured
from ratchet.evaluate.suites.marking import Marker, Told, facts_of
from ratchet.evaluate.suites.predictions import told_of_prepared
from ratchet.evaluate.suites.preparing import Prepared
from ratchet.generate import Sampler, SamplingParams, derived_seed
from ratchet.generate.resuming import chunks, read_back
from ratchet.recipe import SuiteConfig
from ratchet.records import Completion, Group, Prompt

RIGHT, WRONG, PARTLY, UNSCORED = "right", "wrong", "partly", "unscored"


@dataclass(frozen=True)
class Exam:
    """A prepared suite, how it is asked, and who marks. Two models sit the same exam, or are not compared.

    `shown` says how the pool shows items, by key; None: it was not looked for.
    """

    prepared: Prepared
    config: SuiteConfig
    marker: Marker
    shown: Mapping[str, str] | None = None

    @property
    def name(self) -> str:
        return self.prepared.suite.name

    @property
    def items(self) -> int:
        return self.prepared.manifest.rows

    @property
    def shards(self) -> int:
        return -(-self.items // SHARD_ROWS)

    @property
    def answers(self) -> int:
        return answers_of(self.prepared, self.config)

    def params(self) -> SamplingParams:
        """Greedy, in as many tokens as the suite's answers may take."""
        longest = self.config.max_new_tokens or self.prepared.suite.max_new_tokens
        return SamplingParams(strategy="greedy", temperature=0.0, max_new_tokens=longest)

    def drawn(self) -> SamplingParams | None:
        """How samples are drawn: the seed is the suite's, so that a model's draws are the same in every round."""
        samples = self.config.pass_at_k
        if samples is None:
            return None
        update = {"strategy": SUITE, "k": samples.k, "temperature": samples.temperature}
        return self.params().model_copy(update={**update, "seed": derived_seed(self.prepared.digest, SUITE)})

    def sampled(self) -> frozenset[str]:
        """Ids of the prompts that are also sampled."""
        if self.config.pass_at_k is None:
            return frozenset()
        told = told_of_prepared(self.prepared)
        return subset(dict.fromkeys((one.prompt_id, one.asked.category) for one in told), self.config.pass_at_k, "")


def answers_of(prepared: Prepared, config: SuiteConfig) -> int:
    """Answers that a suite asks for, about: greedy ones, and samples."""
    items, samples = prepared.manifest.rows, config.pass_at_k
    return items + (samples.k * min(samples.prompts, items) if samples else 0)


@dataclass
class Sitting:
    """One model's part of a writer's shards, from `first` on. `sampler` gives its engine when a shard needs it.

    `before` is called before anything that others will see; `advance` is told of shards that were finished already.
    """

    exam: Exam
    writer: ArtifactWriter[Outcome]
    role: ModelRole
    first: int
    sampler: Callable[[], Sampler]
    before: Callable[[], None] = lambda: None
    advance: Callable[[int], None] = lambda _: None

    def run(self) -> int:
        """Ask what is missing; the number of the first shard after this part."""
        also = self.exam.sampled()
        index = self.first
        for items in chunks(self.exam.prepared.artifact.rows(), SHARD_ROWS):
            if self.writer.finished(index) is None:
                self.before()
                outcomes = answered(self.exam, items, self.sampler(), self.role, also)
                self.before()
                self.writer.write(index, outcomes)
            else:
                self.advance(len(items))
            index += 1
        return index

    def outcomes(self) -> Iterator[Outcome]:
        """What was written."""
        for index in range(self.first, self.first + self.exam.shards):
            yield from read_back(self.writer, index)

    def measured(self) -> Measured:
        """The marked items, for figures."""
        told = told_of_prepared(self.exam.prepared)
        rows = [marked_of(one, outcome) for one, outcome in zip(told, self.outcomes(), strict=True)]
        return Measured(self.exam.prepared.suite, self.exam.prepared.digest, rows, self.exam.marker.identity)


def answered(
    exam: Exam, items: Sequence[Item], sampler: Sampler, role: ModelRole, also: frozenset[str] = frozenset()
) -> list[Outcome]:
    """Outcomes of items, in their order. A prompt that several items share is asked once."""
    prompts = {item.prompt.id: item.prompt for item in items}
    greedy = {group.prompt.id: group for group in sampler.sample(list(prompts.values()), exam.params())}
    first = [greedy[item.prompt.id].completions[0] for item in items]
    told = [told_of_item(item) for item in items]
    marks = _marks(exam.marker, told, first)
    made = [_outcome(exam, *each, role) for each in zip(items, first, marks, strict=True)]
    params = exam.drawn()
    asked = [prompt for id_, prompt in prompts.items() if id_ in also]
    return made if params is None or not asked else _with_samples(exam, made, told, asked, sampler, params)


def told_of_item(item: Item) -> Told:
    """An item without the record around it."""
    prompt = item.prompt
    asked = Asked(item.key, prompt.skill, prompt.reference, facts_of(item.facts), prompt.question)
    return Told(asked, item.unit, prompt.split_key, prompt.id, prompt.images)


def marked_of(told: Told, outcome: Outcome) -> Marked:
    """A written outcome as a row for metrics."""
    return told.marked(Mark(outcome.score, outcome.said, outcome.reason, outcome.counts))


def _marks(marker: Marker, told: Sequence[Told], said: Sequence[Completion]) -> list[Mark]:
    """An answer that could not be made is no wrong answer: it is unscored, with the reason."""
    able = [place for place, one in enumerate(said) if one.finish_reason != "error"]
    marks = [Mark(None, None, (one.error or UNSCORED).partition(":")[0]) for one in said]
    given = marker([told[place] for place in able], [said[place].text for place in able])
    for place, mark in zip(able, given, strict=True):
        marks[place] = mark
    return marks


def _outcome(exam: Exam, item: Item, said: Completion, mark: Mark, role: ModelRole) -> Outcome:
    prompt = item.prompt
    return Outcome(
        prompt_id=prompt.id,
        split_key=prompt.split_key,
        skill=prompt.skill,
        role=role,
        text=said.text,
        correct=mark.correct,
        score=mark.score,
        reason=mark.reason or _reason(mark),
        unparsed=mark.said is None and mark.score is not None,
        clipped=said.finish_reason == "length",
        suite=exam.name,
        difficulty=prompt.difficulty,
        item=item.key,
        said=mark.said,
        counts=dict(mark.counts),
        shown=(exam.shown or {}).get(item.key),
        tokens=said.n_tokens,
        **_yes_no(prompt, mark),
        **objects_of(mark),
    )


def _reason(mark: Mark) -> str:
    if mark.score is None:
        return UNSCORED
    return RIGHT if mark.correct else PARTLY if mark.score > 0 else WRONG


def _yes_no(prompt: Prompt, mark: Mark) -> dict[str, bool | None]:
    words = {"yes": True, "no": False}
    truth = words.get((prompt.reference or "").lower())
    return {} if truth is None else {"truth_yes": truth, "yes": words.get((mark.said or "").lower())}


_OBJECTS = {
    "mentioned": ("mentioned", "named"),
    "hallucinated": ("hallucinated",),
    "covered": ("covered", "found"),
    "truth": ("truth", "there", "things"),
}
"""What the suites of descriptions call the counts of objects that the gate reads."""


def objects_of(mark: Mark) -> dict[str, int]:
    """The counts of objects of a description, as an outcome has them; none of other answers."""
    found = {
        name: next((mark.counts[one] for one in known if one in mark.counts), None) for name, known in _OBJECTS.items()
    }
    return {name: int(count) for name, count in found.items() if count is not None}


def _with_samples(
    exam: Exam,
    made: Sequence[Outcome],
    told: Sequence[Told],
    asked: Sequence[Prompt],
    sampler: Sampler,
    params: SamplingParams,
) -> list[Outcome]:
    groups: Mapping[str, Group] = {group.prompt.id: group for group in sampler.sample(asked, params)}
    found = list(made)
    for place, outcome in enumerate(made):
        group = groups.get(outcome.prompt_id)
        if group is not None:
            marks = _marks(exam.marker, [told[place]] * len(group.completions), group.completions)
            scored = [(c.text, m.correct) for c, m in zip(group.completions, marks, strict=True) if m.score is not None]
            right, texts = sum(bool(correct) for _, correct in scored), {text for text, _ in scored}
            update = {"samples": len(scored), "samples_correct": right, "distinct": len(texts)}
            found[place] = outcome.model_copy(update=update)
    return found
