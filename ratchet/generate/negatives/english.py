"""The built-in English lexicon: COCO's 80 objects by supercategory, what stands beside them, attributes and relations.

One group a line: entries are separated by `|`, the names of one entry by `/`. Confusable means the same supercategory
(or a part of it); company is from scenes where both are usual, as POVID and HA-DPO insert what often comes together.
"""

from __future__ import annotations

from collections.abc import Mapping

from ratchet.generate.negatives.lexicon import Group, Lexicon

_OBJECTS = """
person | statue | mannequin
man | woman | boy | girl
bicycle/bike | motorcycle/motorbike | scooter
car | bus | train | truck
airplane/plane/aeroplane | helicopter | boat
traffic light | fire hydrant/hydrant | stop sign | parking meter
bird | cat/kitten | dog/puppy | horse/pony
sheep | cow | goat
elephant | bear | zebra | giraffe
backpack/rucksack | handbag/purse | suitcase | umbrella
tie/necktie | scarf
frisbee | kite | sports ball/ball
skis | snowboard | skateboard | surfboard
baseball bat | baseball glove | tennis racket/tennis racquet
bottle | wine glass | cup/mug
fork | knife | spoon
bowl | plate
banana | apple | orange
broccoli | carrot
sandwich | hot dog | pizza
donut/doughnut | cake
chair | couch/sofa | bench | bed
dining table/table | desk
potted plant/houseplant | vase
toilet | sink
tv/television | laptop | cell phone/cellphone/mobile phone/phone | remote/remote control
computer mouse/mouse | keyboard
microwave | oven/stove | toaster | refrigerator/fridge
book | clock
scissors | hair drier/hair dryer | toothbrush
teddy bear | doll
"""

_ATTRIBUTES = """
red | green | blue | yellow | black | white | brown | purple | pink | gray/grey
big/large/huge | small/little/tiny
tall | short
old | young | new
wooden | metal | plastic | brick | leather
striped | spotted | checkered | plain
open | closed
full | empty
clean | dirty
wet | dry
standing | sitting/seated | lying
smiling | frowning
sunny | cloudy | rainy | snowy
round | rectangular | oval
hot | cold
"""

_RELATIONS = """
left | right
top | bottom
upper | lower
above/over | below
on top of/atop | underneath
in front of | behind
inside | outside
next to/close to/near | far from
foreground | background
on the | under the
on a | under a
on its | under its
on his | under his
on her | under her
"""

_COMPANY = """
person: dog, handbag, bicycle, chair
man: tie, car, dog, cell phone
woman: handbag, umbrella, cell phone
boy: skateboard, baseball bat, backpack
girl: teddy bear, kite, umbrella
bicycle: person, car, backpack
car: traffic light, truck, bicycle
bus: car, traffic light, person
train: bench, suitcase
truck: car, stop sign
boat: bird, person
dog: cat, frisbee, couch
cat: couch, bed, laptop
bird: boat, bench
horse: person, dog
sheep: dog, cow
cow: sheep, truck
bench: bird, person, bicycle
couch: remote, tv, cat
bed: book, clock, teddy bear
chair: dining table, laptop
dining table: chair, cup, bowl, wine glass
tv: remote, couch
laptop: computer mouse, keyboard, cup
keyboard: computer mouse, cell phone
sink: toothbrush, cup, bottle
toilet: sink, toothbrush
oven: microwave, bowl
refrigerator: oven, bottle
pizza: fork, cup, wine glass
sandwich: cup, knife
cake: fork, knife
bowl: spoon, banana
bottle: cup, wine glass
cup: spoon, bottle
banana: apple, orange
apple: banana, knife
surfboard: person, bird
skis: person, backpack
skateboard: bench, person
tennis racket: sports ball, person
baseball bat: baseball glove, sports ball
umbrella: handbag, person
traffic light: car, bus
"""

_IDIOMS = (
    *("all right", "right now", "right away", "right angle", "has left", "have left", "is left", "are left"),
    *("on the other", "on the side", "on the way", "on the phone", "on the back", "on the front", "on the edge"),
    *(
        f"on the {ground}"
        for ground in ("beach", "grass", "ground", "floor", "wall", "street", "road", "sidewalk", "field")
    ),
    *(
        f"on the {ground}"
        for ground in ("snow", "water", "ocean", "sand", "track", "tracks", "slope", "court", "corner")
    ),
    *("over there", "all over", "tank top", "black and white", "no one", "the one", "one another", "each one"),
    *("this one", "that one", "which one", "any one", "at first", "first of all", "mouse pad"),
)


def _groups(lines: str) -> tuple[Group, ...]:
    return tuple(
        tuple(tuple(entry.strip().split("/")) for entry in line.split("|")) for line in lines.strip().splitlines()
    )


def _company(lines: str) -> Mapping[str, tuple[str, ...]]:
    pairs = (line.partition(":") for line in lines.strip().splitlines())
    return {name: tuple(one.strip() for one in others.split(",")) for name, _, others in pairs}


# On the left and on the right are places of their own, not the surface of something.
_SIDES: tuple[Group, ...] = ((("on the left",), ("on the right",)), (("on the top",), ("on the bottom",)))

ENGLISH = Lexicon(
    objects=_groups(_OBJECTS),
    attributes=_groups(_ATTRIBUTES),
    relations=(*_SIDES, *_groups(_RELATIONS)),
    company=_company(_COMPANY),
    guests=("person", "dog", "chair", "car", "cup", "bird", "handbag", "clock", "potted plant", "bottle"),
    nothing=("nothing", "none"),
    choices=(("first", "second", "same"), ("first", "second", "both")),
    idioms=_IDIOMS,
    adjectival=("orange",),
    irregular={
        "person": "people",
        "man": "men",
        "woman": "women",
        "mouse": "mice",
        "knife": "knives",
        "scarf": "scarves",
        "sheep": "sheep",
        "broccoli": "broccoli",
    },
    plural_only=("scissors", "skis"),
    ordinals=("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth"),
)
"""`Lexicon.with_words` adds a domain's own words to it."""
