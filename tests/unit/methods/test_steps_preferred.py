"""The step that only its paper takes, at work: methods that prefer one answer, or one picture, to another."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.unit.methods.made import Made, note, score


def stic(made: Made) -> None:
    assert {c.negative.kind for _, c in made.negatives if c.negative} == {"misleading", "stic"}
    assert any(rejected.negative is not None for _, rejected in made.pairs)
    for chosen, _ in made.pairs:
        assert chosen.input is not None
        assert chosen.input.messages[-1].content.startswith("look ")
    assert not any(turn["content"].startswith("look ") for row in made.rows for turn in row["prompt"])


def sima(made: Made) -> None:
    assert made.pairs
    assert {frozenset((a.sampling.temperature, b.sampling.temperature)) for a, b in made.pairs} == {
        frozenset((0.0, 1.0))
    }


def csr(made: Made) -> None:
    assert {c.sampling.strategy for g in made.verified for c in g.completions} == {"beam_tree"}
    assert all(len({c.text for c in g.completions}) == len(g.completions) for g in made.verified)
    depths = {note(c, "depth") for g in made.verified if g.prompt.skill == "caption" for c in g.completions}
    assert max(depths) > 1, "lists grow object by object"
    assert made.pairs


def povid(made: Made) -> None:
    rejected = {r.negative.kind for _, r in made.pairs if r.negative is not None}
    assert "inject" in rejected
    assert {c.negative.kind for _, c in made.negatives if c.negative} >= {"inject"}
    terms = made.recipe.train.pictures
    noised = any(n.kind == "diffusion" for n in made.recipe.generate.negatives)
    assert noised or (terms is not None and terms.noised > 0), "the noised picture is a source of what is rejected"


def ha_dpo(made: Made) -> None:
    injected = [(c, r) for c, r in made.pairs if r.negative is not None]
    assert injected
    parents = {id(r): int(r.negative.parent.partition(":")[2]) for _, r in injected if r.negative}
    for _, rejected in injected:
        group = next(g for g in made.kept if rejected in g.completions)
        right, wrong = group.completions[parents[id(rejected)]].text.split(), rejected.text.split()
        changed = sum(a != b for a, b in zip(right, wrong, strict=False)) if len(right) == len(wrong) else 1
        assert 1 <= changed <= 2, f"{right} and {wrong} differ in more than a fact"


def rlaif_v(made: Made) -> None:
    scored = [v for g in made.verified for c in g.completions for v in c.verdicts]
    assert {v.verifier for v in scored} == {"claims"}
    assert any(len(v.parts) > 1 for v in scored), "claims are judged one by one"
    chosen, rejected = (sum(c.n_tokens for c in side) / len(made.pairs) for side in zip(*made.pairs, strict=True))
    assert max(chosen, rejected) / min(chosen, rejected) <= 1.1 + 1e-9


def sena(made: Made) -> None:
    for chosen, _ in made.pairs:
        assert chosen.input is not None
        assert chosen.input.messages[-1].content not in {row["prompt"][-1]["content"] for row in made.rows}
    assert made.recipe.train.pictures is not None
    assert made.recipe.train.pictures.content > 0
    assert any("content" in key or "description" in key for key in made.rows[0]), sorted(made.rows[0])


def bdhs(made: Made) -> None:
    masked = [(g, c) for g, c in made.negatives if c.negative and c.negative.kind == "mask_answer"]
    begun = [(g, c) for g, c in masked if c.input is not None and c.input.begun]
    assert begun
    for group, completion in begun:
        assert completion.input is not None
        assert completion.negative is not None
        parent = completion.negative.parent.partition(":")[2]
        whole = (
            group.prompt.reference if completion.negative.parent == "reference" else group.completions[int(parent)].text
        )
        assert completion.text.startswith(completion.input.begun.strip())
        assert (whole or "").startswith(completion.input.begun.strip())
        assert {i.sha256 for i in completion.input.images}.isdisjoint({i.sha256 for i in group.prompt.images})


def image_dpo(made: Made) -> None:
    kinds = {p.kind for g in made.kept for p in g.pairs}
    assert "image" in kinds
    inputs = [
        (g.completions[p.chosen], g.completions[p.rejected]) for g in made.kept for p in g.pairs if p.kind == "image"
    ]
    assert all(chosen.text == rejected.text for chosen, rejected in inputs)
    assert {r.negative.kind for _, r in inputs if r.negative} == {"crop", "diffusion", "blur", "swap"}
    assert made.recipe.train.method == "dpo"


def mdpo(made: Made) -> None:
    """What its terms do to the loss is in test_steps_trained."""
    assert made.pairs
    assert all(row["bad_images"] == [] for row in made.rows), (
        "a corruption makes the bad pictures, as they are trained on"
    )


def judge_free(made: Made) -> None:
    assert {c.negative.kind for _, c in made.negatives if c.negative} == {"mix"}
    assert {c.sampling.strategy for _, c in made.negatives} == {"negative"}
    scores = [(score(chosen, "conditioning"), score(rejected, "conditioning")) for chosen, rejected in made.pairs]
    assert scores
    assert all(a >= b for a, b in scores), "what hangs more on the picture is never the rejected one"


def sherlock(made: Made) -> None:
    whole = [(g, c) for g in made.verified for c in g.completions if c.finish_reason != "error"]
    cut = [(g, c) for g, c in whole if c.parent is not None]
    assert cut
    for group, completion in cut:
        assert completion.input is not None
        begun = completion.input.begun.strip()
        assert group.completions[completion.parent or 0].text.startswith(begun)
        assert completion.text.startswith(begun)
        assert completion.input.messages[-1].content.startswith("look ")
    assert made.pairs


def vision_sr1(made: Made) -> None:
    twins = 0
    for group in made.verified:
        blind = {note(c, "description"): c for c in group.completions if c.blind}
        for completion in group.completions:
            if completion.blind or completion.finish_reason == "error":
                continue
            twin = blind[note(completion, "description")]
            own = next(v.passed for v in twin.verdicts if v.verifier != "sufficient")
            assert score(completion, "sufficient") == float(bool(own))
            twins += 1
    assert twins > 4 * len(made.verified)
    assert made.pairs
    for chosen, rejected in made.pairs:
        assert score(chosen, "sufficient") == 1
        assert not chosen.blind
        assert not rejected.blind


CHECKS: dict[str, Callable[[Made], None]] = {
    "stic": stic,
    "sima": sima,
    "csr": csr,
    "povid": povid,
    "ha-dpo": ha_dpo,
    "rlaif-v": rlaif_v,
    "bdhs": bdhs,
    "sena": sena,
    "image-dpo": image_dpo,
    "mdpo": mdpo,
    "judge-free": judge_free,
    "sherlock": sherlock,
    "vision-sr1": vision_sr1,
}


@pytest.mark.parametrize("name", CHECKS)
def test_the_step_of_its_paper_is_at_work(name: str, round_of: Callable[..., Made]) -> None:
    CHECKS[name](round_of(name))
