"""Picture corruptions: the same for a seed anywhere, never the source where they can change it, refused by name."""

from __future__ import annotations

import hashlib
import io
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFilter

from ratchet.errors import SamplingError
from ratchet.generate.negatives.diffusion import STEPS, alpha_bar
from ratchet.generate.negatives.edits import _hue
from ratchet.generate.negatives.pictures import CORRUPTIONS, corrupt, encode, settle
from ratchet.recipe.corruptions import DIFFUSION_STEPS
from ratchet.tinyworld import item_at

# Raw pixels of `pattern()` corrupted with default parameters and seed 7: another machine must find the same.
GOLDEN = {
    "stic": "dfe951896086b786",
    "diffusion": "6f40be31014c3e4b",
    "noise": "f3690a6488931a70",
    "blur": "c0953f968c9a3b76",
    "downscale": "772178fb50ed0fee",
    "crop": "c7d09aa16e5472cd",
    "erase": "11f70ea5895d46d2",
    "patches": "18f4bd0fa6151543",
    "shuffle": "c3226dda19bbe24d",
    "colour": "cbe96d3b4fe37e6b",
    "grey": "a5805ffe9b364b2b",
    "rotate": "d8c3371a2afbbdc8",
    "flip": "9b9c03f72268d24f",
    "diffusion schedule=1": "27fc6969f5cc9ba9",
    "stic p=0": "dfe951896086b786",
    "stic p=1": "8d86f46a9e786aa0",
    "rotate degrees=31": "7f04b4eb83b319b2",
}

kinds = st.sampled_from(sorted(CORRUPTIONS))
seeds = st.integers(0, 2**60)


def pattern(width: int = 37, height: int = 23) -> Image.Image:
    """Shades, edges and colours from whole numbers alone, symmetric in no way."""
    row, column = np.mgrid[:height, :width]
    channels = [7 * row + 3 * column, row * column + 40, 255 - 5 * column + (row > height // 3) * 90]
    return Image.fromarray((np.stack(channels, axis=-1) % 256).astype(np.uint8))


def random_picture(width: int, height: int, seed: int) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def pixel_hash(image: Image.Image) -> str:
    return hashlib.sha256(repr(image.size).encode() + image.tobytes()).hexdigest()[:16]


def same(one: Image.Image, other: Image.Image) -> bool:
    return one.size == other.size and one.tobytes() == other.tobytes()


@st.composite
def settings_of(draw: st.DrawFn, kind: str) -> dict[str, float]:
    chosen = {}
    for name, param in CORRUPTIONS[kind].params.items():
        whole = st.integers(int(param.low), int(param.high)).map(float)
        chosen[name] = draw(whole if param.whole else st.floats(param.low, param.high))
    if kind == "colour":
        chosen["brightness"] = max(chosen["brightness"], 0.1)
    return chosen


@pytest.mark.parametrize("kind", sorted(CORRUPTIONS))
def test_each_kind_gives_the_golden_pixels(kind: str) -> None:
    assert pixel_hash(corrupt(pattern(), kind, {}, 7)) == GOLDEN[kind]


@pytest.mark.parametrize(
    ("kind", "params"),
    [("diffusion", {"schedule": 1}), ("stic", {"p": 0}), ("stic", {"p": 1}), ("rotate", {"degrees": 31})],
)
def test_the_other_choices_give_golden_pixels_too(kind: str, params: dict[str, float]) -> None:
    name = " ".join([kind, *(f"{key}={value}" for key, value in params.items())])
    assert pixel_hash(corrupt(pattern(), kind, params, 7)) == GOLDEN[name]


def test_a_negative_is_made_again_bit_for_bit_from_its_file_in_another_process() -> None:
    source = encode(item_at("pool", 3, 6, "caption").pictures[0])
    code = (
        "import hashlib, io, sys; from PIL import Image\n"
        "from ratchet.generate.negatives.pictures import CORRUPTIONS, corrupt, encode\n"
        "source = Image.open(io.BytesIO(sys.stdin.buffer.read()))\n"
        "print([hashlib.sha256(encode(corrupt(source, kind, {}, 11))).hexdigest() for kind in CORRUPTIONS])\n"
        "assert not {'torch', 'transformers', 'mlflow', 'kfp'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], input=source, capture_output=True, check=True)
    here = [encode(corrupt(Image.open(io.BytesIO(source)), kind, {}, 11)) for kind in CORRUPTIONS]
    assert done.stdout.decode().strip() == str([hashlib.sha256(one).hexdigest() for one in here])


@given(st.data(), kinds, seeds, st.integers(1, 40), st.integers(1, 40))
@settings(max_examples=300, deadline=None)
def test_only_the_arguments_decide_and_the_source_stays(
    data: st.DataObject, kind: str, seed: int, width: int, height: int
) -> None:
    params = data.draw(settings_of(kind))
    source = random_picture(width, height, seed)
    before = source.tobytes()
    first = corrupt(source, kind, params, seed)
    np.random.default_rng().random()
    assert same(first, corrupt(source, kind, params, seed))
    assert source.tobytes() == before
    assert first.mode == "RGB"
    assert min(first.size) > 0


@pytest.mark.parametrize("kind", sorted(CORRUPTIONS))
@pytest.mark.parametrize(
    "size", [(2, 3), (3, 2), (1, 60), (60, 1), (1200, 2), (2, 1200), (20, 20), (21, 400), (48, 48)]
)
def test_a_picture_with_different_pixels_is_always_changed(kind: str, size: tuple[int, int]) -> None:
    source = random_picture(*size, seed=size[0])
    # A column has no left and right.
    params = {"vertical": float(size[0] == 1)} if kind == "flip" else {}
    for seed in range(8):
        assert not same(corrupt(source, kind, params, seed), source)


def test_a_single_pixel_changes_where_there_is_something_to_change() -> None:
    changing = {"stic", "diffusion", "noise", "colour", "grey"}
    source = Image.new("RGB", (1, 1), (200, 100, 50))
    for kind in CORRUPTIONS:
        assert same(corrupt(source, kind, {}, 1), source) is (kind not in changing)


@pytest.mark.parametrize("kind", ["noise", "diffusion"])
@pytest.mark.parametrize("level", [0, 255])
def test_noise_changes_even_a_saturated_pixel(kind: str, level: int) -> None:
    source = Image.new("RGB", (1, 1), (level,) * 3)
    params = {"std": 1.0} if kind == "noise" else {}
    assert not any(same(corrupt(source, kind, params, seed), source) for seed in range(200))


def test_stic_shrinks_to_20_pixels_half_of_a_small_picture_or_jitters() -> None:
    assert corrupt(pattern(200, 100), "stic", {"p": 1}, 0).size == (40, 20)
    assert corrupt(pattern(30, 20), "stic", {"p": 1}, 0).size == (15, 10)
    assert corrupt(pattern(200, 100), "stic", {"p": 0}, 0).size == (200, 100)
    small = sum(corrupt(pattern(), "stic", {}, seed).size != (37, 23) for seed in range(400))
    assert 150 < small < 250


def test_diffusion_keeps_what_the_schedules_say() -> None:
    assert alpha_bar(0, 500) == pytest.approx(0.0778, abs=1e-3)
    assert alpha_bar(1, 500) == pytest.approx(0.7450, abs=1e-3)
    flat = Image.new("RGB", (400, 400), (127, 127, 127))
    for step in (50, 100):
        pixels = np.asarray(corrupt(flat, "diffusion", {"step": step, "schedule": 1}, 0)).astype(float)
        assert pixels.std() == pytest.approx(127.5 * (1 - alpha_bar(1, step)) ** 0.5, rel=0.01)
        assert pixels.mean() == pytest.approx(127, abs=0.3)


def test_noise_has_its_standard_deviation() -> None:
    pixels = np.asarray(corrupt(Image.new("RGB", (300, 300), (128, 128, 128)), "noise", {"std": 20}, 5)).astype(float)
    assert pixels.std() == pytest.approx(20, rel=0.01)


@pytest.mark.parametrize(("kind", "name"), [("crop", "area"), ("erase", "area"), ("patches", "share")])
@pytest.mark.parametrize("share", [0.1, 0.3, 0.6])
@pytest.mark.parametrize("size", [(224, 224), (500, 60)])
def test_shares_are_kept(kind: str, name: str, share: float, size: tuple[int, int]) -> None:
    source = random_picture(*size, seed=0)
    params = {name: share} | ({"boxes": 1} if kind == "erase" else {})
    result = corrupt(source, kind, params, 4)
    found = result.width * result.height / (size[0] * size[1])
    if kind != "crop":
        found = (np.asarray(result) != np.asarray(source)).any(axis=2).mean()
    # A rectangle that would leave the picture is cut.
    assert found <= share * 1.06
    assert found >= share * (0.5 if kind == "erase" else 0.9)


def test_shuffling_and_turning_keep_every_pixel() -> None:
    source = random_picture(57, 43, seed=1)
    for kind in ("shuffle", "rotate", "flip"):
        result = corrupt(source, kind, {}, 1)
        assert sorted(result.get_flattened_data()) == sorted(source.get_flattened_data())


def test_hue_turns_colours_as_the_colour_circle_has_them_and_leaves_grey() -> None:
    source = Image.fromarray(np.array([[[200, 20, 20], [20, 200, 20], [90, 90, 90]]], dtype=np.uint8))
    turned = np.asarray(_hue(source, 1 / 3))
    assert turned.tolist() == [[[20, 200, 20], [20, 20, 200], [90, 90, 90]]]
    noisy = random_picture(150, 140, seed=2)
    assert same(_hue(noisy, 0.0), noisy)


@pytest.mark.parametrize("size", [(224, 224), (51, 33), (1, 9)])
def test_blur_at_half_size_is_the_gaussian_blur(size: tuple[int, int]) -> None:
    source = pattern(*size)
    ours = np.asarray(corrupt(source, "blur", {"radius": 4}, 0)).astype(int)
    exact = np.asarray(source.filter(ImageFilter.GaussianBlur(4))).astype(int)
    assert np.abs(ours - exact).mean() < 3


def test_pictures_of_other_modes_are_read_as_rgb() -> None:
    source = pattern().convert("RGBA")
    assert same(corrupt(source, "noise", {}, 3), corrupt(pattern(), "noise", {}, 3))


@given(st.integers(1, 300), st.integers(1, 150), seeds)
@settings(max_examples=30, deadline=None)
def test_encoded_pictures_open_as_they_were(width: int, height: int, seed: int) -> None:
    source = random_picture(width, height, seed)
    body = encode(source)
    opened = Image.open(io.BytesIO(body))
    opened.load()
    assert (opened.format, opened.mode, opened.info) == ("PNG", "RGB", {})
    assert same(opened, source)
    assert encode(opened) == body


@pytest.mark.parametrize(
    ("kind", "params", "said"),
    [
        ("melt", {}, "'melt' is unknown: use one of stic,"),
        ("blur", {"std": 1}, "no parameter 'std': it has radius; leave"),
        ("grey", {"std": 1}, "it has none"),
        ("noise", {"std": 900}, r"std 900 .* must be from 1 to 128 \(levels of 0 to 255\); its default is 50"),
        ("noise", {"std": float("nan")}, "std nan"),
        ("diffusion", {"step": 2.5}, "step 2.5 .* whole number"),
        ("colour", {"brightness": 0, "contrast": 0, "saturation": 0, "hue": 0}, "changes nothing"),
    ],
)
def test_what_cannot_be_done_is_refused_by_name(kind: str, params: dict[str, float], said: str) -> None:
    with pytest.raises(SamplingError, match=said):
        corrupt(pattern(), kind, params, 0)


def test_a_negative_seed_is_refused() -> None:
    with pytest.raises(SamplingError, match="seed -1"):
        corrupt(pattern(), "noise", {}, -1)


def test_settled_parameters_are_complete_and_settle_again_to_themselves() -> None:
    for kind, corruption in CORRUPTIONS.items():
        settled = settle(kind, {})
        assert settled.keys() == corruption.params.keys()
        assert settle(kind, settled) == settled
        assert corruption.source
        assert corruption.spares


def test_a_recipe_may_ask_for_the_steps_that_the_schedule_has() -> None:
    assert DIFFUSION_STEPS == STEPS
    corrupt(pattern(), "diffusion", {"step": STEPS - 1}, 0)
    with pytest.raises(SamplingError, match=f"must be from 0 to {STEPS - 1}"):
        corrupt(pattern(), "diffusion", {"step": STEPS}, 0)
