"""All suites by name. A module of a benchmark, or of several that are alike, exports SUITES; they are joined here."""

from __future__ import annotations

from collections.abc import Mapping

from ratchet.errors import RecipeError
from ratchet.evaluate.suites import (
    amber,
    chair,
    chartqa,
    docvqa,
    hallusion,
    maths,
    mmbench,
    mme,
    mmhal,
    mmmu,
    ocrbench,
    pope,
    procedural,
    several_pictures,
    single_picture,
    spatial,
    textvqa,
    three_d,
    vl_rewardbench,
    we_math,
)
from ratchet.evaluate.suites.base import Suite

MODULES = (
    pope,
    amber,
    chair,
    mmhal,
    hallusion,
    mme,
    chartqa,
    docvqa,
    textvqa,
    ocrbench,
    vl_rewardbench,
    procedural,
    mmbench,
    single_picture,
    several_pictures,
    spatial,
    three_d,
    mmmu,
    maths,
    we_math,
)
SUITES: Mapping[str, Suite] = {one.name: one for module in MODULES for one in module.SUITES}


def suite(name: str) -> Suite:
    """The suite of that name. Raises RecipeError that lists what there is."""
    found = SUITES.get(name)
    if found is None:
        raise RecipeError(f"no suite {name!r}; there are: {', '.join(sorted(SUITES))}. See `ratchet evaluate suites`.")
    return found
