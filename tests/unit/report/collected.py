"""A loop whose rounds left generate artifacts through the real writers: strategies, negatives, questions, plans."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ratchet import rounds
from ratchet.artifacts import GROUPS, ArtifactWriter, Header, ImageBank, Manifest, Pack, write_pack
from ratchet.generate.choosing import Choice, Weights
from ratchet.generate.negatives.pictures import corrupt, encode
from ratchet.generate.plan import Plan
from ratchet.generate.probe import Probed
from ratchet.generate.tally import Tally
from ratchet.generate.tune import point
from ratchet.generate.weakness import weighed
from ratchet.recipe import WeaknessConfig
from ratchet.records import Completion, Group, Message, Negative, Prompt, Sampling, Shown
from ratchet.rounds import RoundEnd, Ticket
from ratchet.settings import Settings
from ratchet.store import Store, open_store
from tests.tiny import pack, world
from tests.unit.loops import LOOP, new_loop, opened

RECIPE = """
name: steered
seed: 7
prompts: {pool: 27, validation: 9, holdout: 9, report: 9}
promote: {min_items: 9}
generate:
  k: 2
  prompts: 12
  strategy: [{name: random, weight: 3}, {name: prompted, weight: 1}]
  negatives: [{kind: blur}, {kind: diffusion}]
  weakness: {bands: 3, cap: 4}
  tune: {prompts: 9}
train: {epochs: %d}
"""
Made = Callable[[Store], tuple[Sequence[Group], Sequence[Pack]]]
SKILLS = ("count", "exist", "caption", "read", "pair")


def steered_loop(folder: Path, count: int = 3, made: Made | None = None) -> tuple[Settings, Store]:
    """A loop of `count` rounds, each with what `made` makes; default: `collection`."""
    settings = new_loop(folder)
    store = open_store(settings.root)
    for number in range(1, count + 1):
        ticket = opened(settings, f"job-{number}", recipe=RECIPE % number)
        groups, packs = (made or collection)(store)
        leave_generated(store, ticket, groups, packs, plan(number))
        end = RoundEnd(state="REFUSED", reason="not-better", job=ticket.job, champion="1", candidate="2")
        rounds.write_end(store, LOOP, ticket.number, end)
    return settings, store


def leave_generated(
    store: Store, ticket: Ticket, groups: Sequence[Group], packs: Sequence[Pack], told: Mapping[str, Any]
) -> Manifest:
    """What the generate stage leaves of these groups."""
    settled = rounds.read_round(store, LOOP, ticket.number)
    place = f"{settled.prefix}/generate-{'0' * 12}"
    config = settled.recipe.generate.model_dump(mode="json")
    header = Header(stage="generate", key="g", loop=LOOP, round=ticket.number, epoch=ticket.epoch, config=config)
    writer = ArtifactWriter(store, place, GROUPS, header)
    writer.write(0, groups)
    tally = Tally()
    tally.add(groups)
    return writer.commit(
        counts=tally.counts(), results={**told, **tally.results()}, seconds={"sample": 1.0}, packs=packs
    )


def generated(store: Store, number: int) -> Manifest:
    return rounds.manifests(store, LOOP, number)["generate"]


def plan(number: int) -> dict[str, Any]:
    """A probe that gets better at count from round to round, and a pool that is short of hard captions."""
    cells = [(skill, band) for skill in SKILLS for band in range(3)]
    probed = dict.fromkeys(cells, 12)
    right = {
        (s, b): max(0, min(12, 3 * SKILLS.index(s) + (5 * number if s == "count" else 0) - 2 * b)) for s, b in cells
    }
    rates = weighed(probed, right, WeaknessConfig(bands=3))
    weights = Weights(3, {one.cell: one.weight for one in rates})
    asked = {one.cell: round(100 * one.weight) for one in rates}
    came = {**asked, ("caption", 2): asked["caption", 2] // 2}
    curve = tuple(point(t, r + number, 200) for t, r in ((0.3, 110), (0.5, 126), (0.7, 131), (0.9, 120), (1.1, 96)))
    probe = Probed(name="weakness", asked=180, unanswered=2, unscored=1)
    made = Plan(temperature=0.7 if number < 3 else 0.5, curve=curve, bands=3, cells=rates, probes=(probe,))
    return made.told(Choice("salt", weights, {}, asked, came))


def collection(store: Store) -> tuple[list[Group], list[Pack]]:
    """Two plain groups, two guided ones, negatives of pictures and words, questions made and refused."""
    prompts, pictures = world("pool", 12)
    first = pack(store, pictures, "collected")
    bank = ImageBank(store, [first])
    groups = [Group(prompt=p, completions=(answer(0, p.reference or ""), answer(1, "3"))) for p in prompts[:2]]
    groups += [guided(prompts[2]), guided(prompts[3], pictures=False)]
    groups += [corrupted(bank, p, kind) for p, kind in zip(prompts[4:7], ("blur", "diffusion", "erase"), strict=True)]
    groups += [injected(prompts[7]), corrupted(bank, prompts[8], "blur", use="input")]
    groups += [asked(prompts[9], "how many red squares ?"), asked(prompts[10], "what ?", "unanswerable")]
    made = write_pack(store, "images/corrupted.parquet", sorted(bank.take_added().items()))
    return groups, [first, made]


def answer(index: int, text: str, strategy: str = "random", **fields: Any) -> Completion:
    sampling = Sampling(strategy=strategy, seed=1, temperature=0.7, max_new_tokens=12)
    return Completion(
        index=index, text=text, n_tokens=3, model="mine v1", sampling=sampling, **{"finish_reason": "stop", **fields}
    )


def guided(prompt: Prompt, *, pictures: bool = True) -> Group:
    long = f"{prompt.question} look at every object , then answer ."
    shown = Shown(
        messages=(Message(role="user", content=long),), images=prompt.images if pictures else (), begun="there"
    )
    made = answer(0, "there are two red circles", "prompted", input=shown, finish_reason="length")
    return Group(prompt=prompt, completions=(made,))


def corrupted(bank: ImageBank, prompt: Prompt, kind: str, use: Any = "answer") -> Group:
    """The model's answer to a worse picture beside its answer to the good one."""
    ref = prompt.images[0]
    bad = bank.add(encode(corrupt(bank.image(ref.sha256), kind, {}, seed=5)))
    good = answer(0, prompt.reference or "two")
    negative = Negative(
        kind=kind, use=use, params={"radius": 4.0}, seed=5, parent=f"picture:{ref.sha256}" if use == "answer" else "completion:0"
    )  # fmt: skip
    shown = Shown(messages=prompt.messages, images=(bad, *prompt.images[1:]))
    text = "a blue triangle" if use == "answer" else good.text
    return Group(prompt=prompt, completions=(good, answer(1, text, input=shown, negative=negative)))


def injected(prompt: Prompt) -> Group:
    """One wrong word in a right answer; the same word stands before it, unchanged."""
    good = answer(0, "a red circle left of a red square")
    words = {"fact": "attribute", "from": "red", "to": "green"}
    negative = Negative(kind="inject", params={"at": 6.0}, words=words, seed=9, parent="completion:0")
    return Group(prompt=prompt, completions=(good, answer(1, "a red circle left of a green square", negative=negative)))


def asked(prompt: Prompt, question: str, reason: str | None = None) -> Group:
    """A question that the model made, with answers and its label; or refused, without."""
    made = Prompt.make(
        messages=(Message(role="user", content=question),), images=prompt.images, skill="asked", source="ask",
        reference=None if reason else "2", origin=prompt.id,
    )  # fmt: skip
    answers = () if reason else tuple(answer(i, "2" if i else "3", "ask") for i in range(6))
    return Group(prompt=made, completions=answers, reason=reason)
