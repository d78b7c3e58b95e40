"""Multi-image consistency: sets of questions whose answers must agree, or oppose each other, in a known way."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace

from ratchet.evaluate.suites.procedural import asking
from ratchet.evaluate.suites.procedural.asking import CONVERSE, OPPOSITE, PLACES, YES_NO, Asking, Together
from ratchet.evaluate.suites.procedural.board import Board
from ratchet.evaluate.suites.procedural.pairs import cell_on, measured, off, relation
from ratchet.evaluate.suites.procedural.scene import Kind, Scene, Thing, World, other_ground
from ratchet.evaluate.suites.procedural.targets import changed_kind, place

WORDS = ("first", "second")
MIRRORED: Mapping[str, str] = {
    place: place.replace("left", "*").replace("right", "left").replace("*", "right") for place in PLACES
}
_NOISE_BITS = 48
_MOST = 5


def views(rng: random.Random, world: World, level: float) -> Together:
    """One question over five views of a scene: as it is, on another ground, mirrored, encoded with loss, scaled.

    In the mirror left is right: the answer changes as it must, so that always saying the same is not consistent.
    """
    drawn = _sideways(rng, world, level) if rng.random() < 0.5 else _off_centre(rng, world, level)
    base = drawn.asked[0]
    (scene,) = base.scenes
    turned = OPPOSITE if base.reads == "yes_no" else MIRRORED
    plain = replace(base, form="plain")
    shown = (
        plain,
        replace(plain, form="ground", scenes=(scene.on(other_ground(rng, world, scene.ground)),)),
        replace(plain, form="mirror", scenes=(scene.mirrored(),), reference=turned[base.reference], means=turned),
        replace(plain, form="lossy", lossy=True),
        replace(plain, form="scaled", scenes=(scene.scaled(),)),
    )
    return Together(shown, drawn.knobs)


def _sideways(rng: random.Random, world: World, level: float) -> Together:
    """A relation of left and right."""
    while True:
        drawn = relation(rng, world, level)
        if "left" in drawn.asked[0].text or "right" in drawn.asked[0].text:
            return drawn


def _off_centre(rng: random.Random, world: World, level: float) -> Together:
    """A place in the left or right third."""
    while True:
        drawn = place(rng, world, level)
        if "center" not in drawn.asked[0].reference:
            return drawn


def order(rng: random.Random, world: World, level: float) -> Together:
    """The same pictures in other orders: every picture once in every place."""
    return _more(rng, world, level) if world.tiny or rng.random() < 0.5 else _holder(rng, world, level)


def _more(rng: random.Random, world: World, level: float) -> Together:
    """Which of two pictures has more of a kind."""
    board = Board(rng, world, level)
    (target,) = board.kinds(1)
    most = min(_MOST, world.things[1] - 1)
    lead = 1 + round((1 - board.near()) * (most - 2))
    few = rng.randint(0, most - lead)
    scenes = [_counted(rng, world, level, target, number) for number in (few + lead, few)]
    knobs = measured(scenes, target)._replace(lead=lead)
    asked = [
        Asking(asking.more(world, target), tuple(shown), WORDS[at], "choice", (*WORDS, "same"), _means(2, at), f"{at}")
        for at, shown in ((0, scenes), (1, scenes[::-1]))
    ]
    return Together(tuple(rng.sample(asked, 2)), knobs)


def _means(pictures: int, turn: int) -> dict[str, str]:
    """Which picture an answer names, whatever the order: the one that is meant is picture 0."""
    said = WORDS if pictures == len(WORDS) else [str(number + 1) for number in range(pictures)]
    return {word: f"picture {(place - turn) % pictures}" for place, word in enumerate(said)}


def _counted(rng: random.Random, world: World, level: float, target: Kind, number: int) -> Scene:
    board = Board(rng, world, level)
    for _ in range(number):
        board.put(target)
    board.fill(max(board.count(), number), target, ())
    return board.scene()


def _holder(rng: random.Random, world: World, level: float) -> Together:
    """Which of several pictures holds a thing; the others hold something like it."""
    board = Board(rng, world, level)
    (target,) = board.kinds(1)
    pictures = 3 if board.near() < 0.5 else 4
    scenes = [_counted(rng, world, level, target, 1)]
    while len(scenes) < pictures:
        one = Board(rng, world, level)
        one.put(changed_kind(rng, world, target))
        one.fill(one.count(), target, ())
        scenes.append(one.scene())
    knobs = measured(scenes[:1], target)
    for scene in scenes[1:]:
        knobs = knobs.harder(measured([scene], target))
    numbers = tuple(str(number + 1) for number in range(pictures))
    asked = []
    for turn in range(pictures):
        # Picture 0, which is meant, comes to stand in place `turn`.
        shown = tuple(scenes[(place - turn) % pictures] for place in range(pictures))
        text, means = asking.holder(target, pictures), _means(pictures, turn)
        asked.append(Asking(text, shown, numbers[turn], "choice", numbers, means, f"{turn}"))
    return Together(tuple(rng.sample(asked, pictures)), knobs._replace(pictures=pictures))


def same(rng: random.Random, world: World, level: float) -> Together:
    """The second picture is drawn anew, once with the same things and once with one of them changed."""
    board = Board(rng, world, level)
    (kind,) = board.kinds(1)
    size = board.small()
    target = board.put(kind, size=size)
    board.fill(board.count(), kind, ())
    cell = board.pick()
    scene = board.scene()
    after = rng.choice((None, board.moved(target, cell), _like(rng, world, target)))
    asked = []
    for truth, second in ((True, scene), (False, scene.with_thing(target, after))):
        shown = (scene, _anew(rng, world, second))
        asked.append(Asking(asking.same(world), shown, asking.yes_no(truth), "yes_no", YES_NO, form=str(truth).lower()))
    return Together(tuple(rng.sample(asked, 2)), measured((scene,), kind, size=size))


def _like(rng: random.Random, world: World, thing: Thing) -> Thing:
    colour, shape = changed_kind(rng, world, thing.kind)
    return thing._replace(colour=colour, shape=shape)


def _anew(rng: random.Random, world: World, scene: Scene) -> Scene:
    """The same things with other noise, or on another ground: never the same bytes."""
    if world.tiny:
        return replace(scene, noise=rng.getrandbits(_NOISE_BITS))
    return scene.on(other_ground(rng, world, scene.ground))


def difference(rng: random.Random, world: World, level: float) -> Together:
    """Which thing changed between two pictures: the same first picture with two second ones."""
    board, change = Board(rng, world, level), rng.choice(tuple(asking.CHANGES))
    kinds, size = board.kinds(2), board.small()
    targets = [board.put(kind, size=size) for kind in kinds]
    board.fill(board.count(), kinds[0], kinds)
    cell = board.pick()
    scene = board.scene()
    names = tuple(asking.name(kind) for kind in world.kinds)
    asked = []
    for target in targets:
        after = None
        if change == "moved":
            after = board.moved(target, cell)
        elif change == "recoloured":
            after = target._replace(colour=rng.choice([one for one in world.colours if one != target.colour]))
        shown = (scene, scene.with_thing(target, after))
        asked.append(Asking(asking.CHANGES[change], shown, target.name, "choice", names, form=change))
    return Together(tuple(asked), measured((scene,), kinds[0], size=size))


def contradiction(rng: random.Random, world: World, level: float) -> Together:
    """One relation, asked as it is, turned round, and denied: half of the answers are yes."""
    board, axis = Board(rng, world, level), rng.randrange(2)
    subject, landmark = board.kinds(2)
    way = rng.choice((("left of", "right of"), ("above", "below"))[axis])
    steps = 1 + round((1 - board.near()) * (world.rows - 2))
    low = rng.randint(0, world.rows - 1 - steps)
    across = rng.randrange(world.rows)
    aside = min(max(across + rng.randint(1 - steps, steps - 1), 0), world.rows - 1)
    ends = [cell_on(axis, low, across), cell_on(axis, low + steps, aside)]
    rng.shuffle(ends)
    one, other = board.put(subject, ends[0]), board.put(landmark, ends[1])
    board.fill(board.count(), subject, (landmark,))
    scene = board.scene()
    gap = off(one, other, axis)
    truth = (gap < 0) == (way in ("left of", "above"))
    asked = _forms(world, scene, subject, way, landmark, truth)
    return Together(tuple(rng.sample(asked, len(asked))), measured((scene,), subject, gap=abs(gap)))


def _forms(world: World, scene: Scene, subject: Kind, way: str, landmark: Kind, truth: bool) -> list[Asking]:
    """Every form with whether it says the same as the first."""
    turned = CONVERSE[way]
    forms = {
        "asked": (asking.relation(world, subject, way, landmark), True),
        "converse": (asking.relation(world, landmark, turned, subject), True),
        "opposite": (asking.relation(world, subject, turned, landmark), False),
        "reversed": (asking.relation(world, landmark, way, subject), False),
    }
    if not world.tiny:
        forms["denied"] = (asking.denied(subject, way, landmark), False)
        forms["opposite-denied"] = (asking.denied(subject, turned, landmark), True)
    return [
        Asking(text, (scene,), asking.yes_no(truth == agrees), "yes_no", YES_NO, {} if agrees else OPPOSITE, form)
        for form, (text, agrees) in forms.items()
    ]
