"""The step that only its paper takes, at work: methods that prefer one answer, or one picture, to another."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import torch
from torch.nn.functional import logsigmoid

from ratchet.tinyworld.seed import SEED_DIR
from ratchet.train.preference.pictures import BadPictures
from tests.unit.methods.made import Made, few, note, score
from tests.unit.train.preference.likelihoods import Pair


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
    assert "diffusion" in rejected, "what a noised picture makes the model say is rejected"
    with TemporaryDirectory() as folder:
        _noised_side_is_in_the_loss(made, Path(folder))


def _noised_side_is_in_the_loss(made: Made, folder: Path) -> None:
    """-log sigmoid of the chosen answer's reward over that of the policy's own words beside the noised picture."""
    config = made.recipe.train
    terms = config.pictures
    assert terms is not None
    rows = few(made, folder, 3, BadPictures(terms, made.bank, 5))
    whole = Pair(config, SEED_DIR, rows, folder)
    plain = Pair(config.model_copy(update={"pictures": None}), SEED_DIR, rows.remove_columns("bad_images"), folder)
    added, other = 0.0, 0
    for row in whole.rows:
        answer = (row["prompt"], row["chosen"])
        picks = whole.logits(whole.trainer.model, *answer, row["bad_images"]).argmax(-1, keepdim=True)
        other += int((picks[:, 0] != whole.tokens(*answer, row["images"])[1]).sum())
        ours, theirs = (
            float(whole.logits(model, *answer, row["images"]).gather(1, picks).sum())
            for model in (whole.trainer.model, whole.reference)
        )
        added += float(-logsigmoid(torch.tensor(config.beta * (whole.reward(row, "chosen") - ours + theirs))))
    assert other > 0
    assert whole.loss() == pytest.approx(plain.loss() + 0.5 * added / len(whole.rows), abs=1e-4)


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
    shown = set()
    for chosen, _ in made.pairs:
        assert chosen.input is not None
        shown.add(chosen.input.messages[-1].content)
    assert made.rows
    for row in made.rows:
        (caption,), question = row["content"], row["prompt"][-1]["content"]
        assert caption["content"], "a caption"
        assert f"{caption['content']} {question}" in shown, "from which a chosen answer was made"
        assert row["content_prompt"][-1]["content"] == "list the objects ."
        assert question not in shown, "and the answer is learned without it"
    with TemporaryDirectory() as folder:
        _caption_is_in_the_loss(made, Path(folder))


def _caption_is_in_the_loss(made: Made, folder: Path) -> None:
    """The mean over rows of the caption's log-likelihood per token, subtracted."""
    config, rows = made.recipe.train, few(made, folder, 3)
    plain = config.model_copy(update={"pictures": None})
    whole = Pair(config, SEED_DIR, rows, folder)
    without = Pair(plain, SEED_DIR, rows.remove_columns(["content", "content_prompt"]), folder)
    captions = 0.0
    for row in whole.rows:
        given = (row["content_prompt"], row["content"], row["images"])
        captions += whole.logp(whole.trainer.model, *given) / len(whole.tokens(*given)[1])
    assert captions < -1e-3
    assert whole.loss() == pytest.approx(without.loss() - captions / len(whole.rows), abs=1e-4)


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
