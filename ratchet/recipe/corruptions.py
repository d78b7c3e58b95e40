"""The picture corruptions that a recipe may ask for: their parameters with bounds and units, and where they come from.

Read by recipes, so nothing here needs numpy; `ratchet.generate.negatives.pictures` does the work.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ratchet.errors import SamplingError


@dataclass(frozen=True, slots=True)
class Param:
    """A number that may be set: its default, its least and largest value, its unit; `whole` if it is an integer."""

    default: float
    low: float
    high: float
    unit: str
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Corruption:
    """A kind of corruption: its parameters, the paper it comes from, and which pictures it leaves as they are."""

    name: str
    source: str
    spares: str
    params: Mapping[str, Param] = field(default_factory=dict)
    random: bool = True


DIFFUSION_STEPS = 1000
_FLAT = "pictures of one colour"
_DARK = "black pictures, and almost black ones that a factor leaves black"
_SWITCH = "0 or 1"


def _share(default: float, high: float = 1.0) -> Param:
    return Param(default, 0.01, high, "share of the picture")


def _spread(default: float, high: float = 1.0) -> Param:
    return Param(default, 0.0, high, "colour circle, +-" if high < 1 else "factor 1 +-")


def _side(default: int, unit: str = "pixels") -> Param:
    return Param(default, 1, 1024, unit, whole=True)


CORRUPTIONS: Mapping[str, Corruption] = {
    one.name: one
    for one in (
        Corruption(
            "stic",
            "STIC (Deng et al. 2024): a picture of 20 pixels, left small as in its code, or colour jitter. A picture that "
            "is no larger than that is halved",
            f"{_DARK}; with p = 1 those one pixel wide or high, where the colours stay too",
            {
                "p": Param(0.5, 0, 1, "probability of the small picture"),
                "short_side": _side(20),
                "brightness": _spread(0.5),
                "hue": _spread(0.3, 0.5),
            },
        ),
        Corruption(
            "diffusion",
            "DDPM (Ho et al. 2020) schedule 0, VCD (Leng et al. 2023) schedule 1, which SeVa and POVID use at step 500",
            "none in practice; the first steps leave a saturated picture as it is",
            {
                "step": Param(500, 0, DIFFUSION_STEPS - 1, "steps of 1,000", whole=True),
                "schedule": Param(0, 0, 1, "0 linear, 1 sigmoid", whole=True),
            },
        ),
        Corruption("noise", "standard", "none", {"std": Param(50, 1, 128, "levels of 0 to 255")}),
        Corruption("blur", "standard", _FLAT, {"radius": Param(4, 0.5, 64, "pixels")}, random=False),
        Corruption(
            "downscale",
            "standard",
            _FLAT,
            {"factor": Param(8, 1.5, 64, "times smaller"), "smooth": Param(0, 0, 1, _SWITCH, whole=True)},
            random=False,
        ),
        Corruption("crop", "Image-DPO's random crop", "a single pixel", {"area": _share(0.3, 0.95)}),
        Corruption(
            "erase",
            "Random Erasing (Zhong et al. 2017), with the mean colour",
            _FLAT,
            {"area": _share(0.3, 0.9), "boxes": Param(3, 1, 32, "rectangles", whole=True)},
        ),
        Corruption(
            "patches",
            "BDHS (Amirloo et al. 2024): masked image tokens, here masked pixels",
            _FLAT,
            {"patch": _side(14), "share": _share(0.5)},
        ),
        Corruption("shuffle", "standard", "those whose squares are all the same", {"patch": _side(28)}),
        Corruption(
            "colour",
            "torchvision's ColorJitter, in a fixed order",
            f"{_DARK}; grey ones where only saturation or hue may change",
            {
                "brightness": _spread(0.5),
                "contrast": _spread(0.5),
                "saturation": _spread(0.5),
                "hue": _spread(0.3, 0.5),
            },
        ),
        Corruption("grey", "standard", "grey ones", random=False),
        Corruption(
            "rotate",
            "standard",
            "those that look the same when turned",
            {"degrees": Param(90, 1, 359, "degrees against the clock")},
            random=False,
        ),
        Corruption(
            "flip",
            "standard; answers about left and right change with it",
            "symmetric ones",
            {"vertical": Param(0, 0, 1, _SWITCH, whole=True)},
            random=False,
        ),
    )
}
"""By name. Sources that are `standard` are corruptions that several papers use without one origin."""


def settle(kind: str, params: Mapping[str, float]) -> dict[str, float]:
    """Every parameter of `kind`: those given, checked, and the defaults of the rest.

    Raises SamplingError for a kind or a parameter that does not exist, and for a value outside of its range.
    """
    corruption = named(kind)
    for name, value in params.items():
        if name not in corruption.params:
            known = ", ".join(corruption.params) or "none"
            raise SamplingError(f"corruption {kind} has no parameter {name!r}: it has {known}; leave {name!r} out.")
        _check(kind, name, value, corruption.params[name])
    settled = {name: float(params.get(name, param.default)) for name, param in corruption.params.items()}
    if kind == "colour" and not any(settled.values()):
        raise SamplingError("corruption colour with every parameter 0 changes nothing: set at least one above 0.")
    return settled


def named(kind: str) -> Corruption:
    """The corruption `kind`; raises SamplingError where there is none."""
    if kind not in CORRUPTIONS:
        raise SamplingError(f"corruption {kind!r} is unknown: use one of {', '.join(CORRUPTIONS)}.")
    return CORRUPTIONS[kind]


def _check(kind: str, name: str, value: float, param: Param) -> None:
    if not param.low <= value <= param.high:
        rule = f"must be from {param.low:g} to {param.high:g} ({param.unit})"
        raise SamplingError(f"{name} {value:g} of corruption {kind} {rule}; its default is {param.default:g}.")
    if param.whole and value != int(value):
        raise SamplingError(f"{name} {value:g} of corruption {kind} must be a whole number; round it.")
