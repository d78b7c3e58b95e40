"""Near duplicates by a model's vectors: the arithmetic against brute force, and real models that see real pictures."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from ratchet import models
from ratchet.artifacts import ref_of, write_pack
from ratchet.errors import ModelError
from ratchet.filter import vectors as module
from ratchet.filter.embedding import open_embedder, unit
from ratchet.filter.vectors import PictureVectors, near
from ratchet.tinyworld.seed import SEED_DIR
from tests.unit.filter.cases import group
from tests.unit.filter.test_phash import photo
from tests.unit.filter.test_stage import reasons
from tests.unit.verify import staging

_points = st.lists(st.tuples(st.integers(-3, 3), st.integers(-3, 3), st.integers(1, 3), st.integers(0, 2)), max_size=30)


def brute(vectors: np.ndarray, scopes: Sequence[int], cosine: float) -> list[bool]:
    found: list[bool] = []
    for i, one in enumerate(vectors):
        found.append(any(not found[k] and scopes[k] == scopes[i] and one @ vectors[k] >= cosine for k in range(i)))
    return found


@settings(deadline=None, max_examples=60)
@given(_points, st.sampled_from([0.5, 0.8, 0.95]))
def test_it_finds_what_brute_force_finds(points: list[tuple[int, int, int, int]], cosine: float) -> None:
    vectors = unit(np.array([p[:3] for p in points], dtype=np.float32).reshape(-1, 3))
    scopes = [p[3] for p in points]
    # Cosines of small whole numbers stay away from these thresholds by more than rounding.
    assert near(vectors, np.array(scopes, dtype=np.uint64), cosine - 1e-4).tolist() == brute(
        vectors, scopes, cosine - 1e-4
    )


def test_many_rows_are_compared_within_clusters(monkeypatch: pytest.MonkeyPatch) -> None:
    chance = np.random.default_rng(1)
    bases = chance.standard_normal((200, 16)).astype(np.float32)
    rows = unit(np.concatenate([bases, bases + 0.02 * chance.standard_normal((200, 16)).astype(np.float32)]))
    scopes = np.zeros(400, dtype=np.uint64)
    whole = near(rows, scopes, 0.95)
    monkeypatch.setattr(module, "MOST_COMPARED", 100)
    split = near(rows, scopes, 0.95)
    assert (whole[:200].sum(), whole[200:].sum()) == (0, 200)
    assert not split[:200].any()
    assert split[200:].mean() >= 0.95


class Bank:
    """Pictures whose name says what they look like."""

    def image(self, sha256: str) -> Image.Image:
        return photo(int(sha256))


def test_a_rows_vector_is_the_mean_of_its_pictures_and_each_is_embedded_once() -> None:
    asked: list[int] = []

    def embed(pictures: Sequence[Image.Image]) -> np.ndarray:
        asked.append(len(pictures))
        return unit(np.array([np.asarray(p.resize((2, 2)), dtype=np.float32).ravel() for p in pictures]))

    found = PictureVectors(embed, Bank(), 2)
    for row, pictures in enumerate((["1"], ["2", "1"], ["3"])):
        found.add(row + 5, pictures)
    rows = found.matrix()
    assert (found.rows.tolist(), sum(asked)) == ([5, 6, 7], 3)
    both = embed([photo(2), photo(1)]).mean(axis=0)
    assert rows[1] == pytest.approx(both / np.linalg.norm(both), abs=1e-3)


def faint(picture: Image.Image) -> Image.Image:
    return picture.point(lambda value: min(value + 3, 255))


def test_the_seed_sees_that_two_pictures_look_alike() -> None:
    embed = open_embedder(SEED_DIR)
    one, other = photo(1).resize((48, 48)), photo(2).resize((48, 48))
    found = embed([one, faint(one), other, one])
    cosines = found @ found.T
    assert np.linalg.norm(found, axis=1) == pytest.approx(np.ones(4), abs=1e-5)
    assert cosines[0, 3] == pytest.approx(1, abs=1e-5)
    assert cosines[0, 1] > 0.99 > cosines[0, 2]


def clip(folder: Path) -> Path:
    """A CLIP of random weights, as `save_pretrained` writes it."""
    import torch
    from transformers import CLIPConfig, CLIPImageProcessorPil, CLIPModel

    torch.manual_seed(0)
    tiny = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = CLIPConfig(
        text_config={**tiny, "vocab_size": 50},
        vision_config={**tiny, "image_size": 16, "patch_size": 8},
        projection_dim=8,
    )
    CLIPModel(config).save_pretrained(folder)
    CLIPImageProcessorPil(size={"shortest_edge": 16}, crop_size={"height": 16, "width": 16}).save_pretrained(folder)
    return folder


def test_a_clip_gives_its_own_picture_embedding(tmp_path: Path) -> None:
    found = open_embedder(clip(tmp_path))([photo(1), photo(1), photo(2)])
    assert found.shape == (3, 8)
    assert found[0] == pytest.approx(found[1], abs=1e-5)
    assert found[0] @ found[2] < 0.9999


def test_a_folder_that_sees_nothing_is_refused_with_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"does not load as a model that sees pictures.*such as CLIP or SigLIP"):
        open_embedder(tmp_path)


def encoded(picture: Image.Image) -> bytes:
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()


def run(tmp_path: Path, config: dict[str, Any], pinned: Mapping[str, Path] | None = None) -> list[str]:
    """Reasons of four groups: a picture, almost the same one, the same with another question, and another picture."""
    store = staging.store_at(tmp_path)
    pictures = [encoded(p.resize((48, 48))) for p in (photo(1), faint(photo(1)), photo(2))]
    refs = [ref_of(data) for data in pictures]
    pack = write_pack(store, "images/p.parquet", zip([r.sha256 for r in refs], pictures, strict=True))
    asked = [(0, "how many ?"), (1, "how many ?"), (1, "what colour ?"), (2, "how many ?")]
    groups = [group("+-", images=[refs[i]], question=question) for i, question in asked]
    seed = models.upload(store, SEED_DIR, "seed")
    beside = {name: models.upload(store, folder, "beside") for name, folder in (pinned or {}).items()}
    opened = staging.round_at(store, {"filter": config}).model_copy(update={"seed": seed, "models": beside})
    return reasons(
        store, staging.run(store, opened, "filter", verify=staging.parent(store, "verify", groups, packs=[pack]))
    )


def test_the_stage_drops_what_the_seed_sees_as_the_same(tmp_path: Path) -> None:
    near_same = ["near_duplicate_embedding"]
    assert run(tmp_path / "q", {"dedup_embedding": {"cosine": 0.99}}) == near_same
    assert run(tmp_path / "any", {"dedup_embedding": {"cosine": 0.99, "scope": "any"}}) == near_same * 2
    diversity = {"keep": 2, "by": "embedding", "clusters": 2}
    assert (
        run(tmp_path / "both", {"dedup_embedding": {"cosine": 0.99, "scope": "any"}, "diversity": diversity})
        == near_same * 2
    )
    assert run(tmp_path / "spread", {"diversity": {**diversity, "method": "k_center"}}) == ["not_diverse"] * 2


def test_the_stage_works_with_another_model_that_was_pinned(tmp_path: Path) -> None:
    config = {"dedup_embedding": {"model": "hf://clip", "cosine": 0.9999, "scope": "any"}}
    same = run(tmp_path / "store", config, {"hf://clip": clip(tmp_path / "clip")})
    assert set(same) == {"near_duplicate_embedding"}


def test_a_model_that_was_not_pinned_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="model 's3://clip' was not pinned"):
        run(tmp_path, {"dedup_embedding": {"model": "s3://clip"}})
