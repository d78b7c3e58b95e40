"""Everyday English names of the 80 kinds of objects that COCO labels. A name stands for itself and for its synonyms.

Words that mean other things as often ("plant" for a factory, "orange" as a colour) are left out where leaving them out
loses less. A recipe may add to the table or put its own in its place.
"""

from __future__ import annotations

_TABLE = """
person: man, woman, boy, girl, child, kid, baby, toddler, adult, guy, lady, gentleman, human, student, passenger
person: pedestrian, player, rider, skier, surfer, skateboarder, snowboarder, cyclist, worker, chef, driver, crowd
person: batter, pitcher, catcher, umpire, bride, groom
bicycle: bike, cycle, pushbike, mountain bike
car: automobile, sedan, taxi, cab, suv, hatchback, minivan, jeep, convertible
motorcycle: motorbike, scooter, moped, motor bike, motor cycle
airplane: plane, aeroplane, jet, aircraft, airliner, jetliner, biplane
bus: minibus, coach bus, double decker, school bus, trolleybus
train: locomotive, tram, subway train, railcar, streetcar, steam engine
truck: lorry, pickup, pickup truck, fire engine, firetruck, fire truck, semi truck, dump truck, tow truck
boat: ship, sailboat, canoe, kayak, ferry, rowboat, yacht, gondola, motorboat, raft, dinghy
traffic light: stoplight, traffic signal, stop light
fire hydrant: hydrant
stop sign: stopsign
parking meter:
bench: park bench
bird: pigeon, seagull, gull, duck, goose, parrot, owl, sparrow, swan, chicken, rooster, hen, crow, eagle, hawk
bird: penguin, flamingo, pelican
cat: kitten, kitty, tomcat
dog: puppy, pup, hound, terrier, poodle, bulldog, retriever, dachshund, collie
horse: pony, foal, stallion, mare, colt
sheep: lamb, ram, ewe
cow: cattle, bull, calf, ox, oxen, heifer
elephant:
bear: polar bear, grizzly, bear cub, panda
zebra:
giraffe:
backpack: rucksack, knapsack, back pack
umbrella: parasol
handbag: purse, hand bag, pocketbook, shoulder bag
tie: necktie, bow tie, bowtie
suitcase: luggage, suit case, briefcase, trunk case
frisbee: flying disc, flying disk
skis: ski
snowboard: snow board
sports ball: ball, baseball, basketball, football, soccer ball, tennis ball, volleyball
kite:
baseball bat: bat
baseball glove: mitt, baseball mitt, catcher's mitt
skateboard: skate board, longboard
surfboard: surf board, boogie board, bodyboard
tennis racket: racket, racquet, tennis racquet
bottle: water bottle, wine bottle, beer bottle, flask
wine glass: wineglass, goblet
cup: mug, coffee cup, teacup, paper cup
fork:
knife: blade, butter knife
spoon: teaspoon, tablespoon, ladle
bowl:
banana:
apple:
sandwich: burger, hamburger, cheeseburger, sub sandwich, panini
orange: oranges, tangerine, mandarin
broccoli:
carrot:
hot dog: hotdog, frankfurter
pizza: pepperoni pizza
donut: doughnut
cake: cupcake, cheesecake, birthday cake
chair: armchair, stool, rocking chair, highchair, office chair
couch: sofa, settee, loveseat
potted plant: houseplant, pot plant, plant in a pot, flowerpot
bed: bunk bed, mattress
dining table: table, dinner table, kitchen table, desk
toilet: commode, urinal
tv: television, tv screen, television set, tv set, monitor
laptop: notebook computer, laptop computer
mouse: computer mouse
remote: remote control, tv remote, game controller
keyboard: computer keyboard
cell phone: cellphone, mobile phone, smartphone, phone, iphone, mobile
microwave: microwave oven
oven: stove, stovetop
toaster:
sink: washbasin, basin
refrigerator: fridge, freezer
book: novel, textbook, paperback
clock: alarm clock, clock face, grandfather clock
vase:
scissors: shears, pair of scissors
teddy bear: teddy, stuffed bear, plush bear
hair drier: hair dryer, hairdryer, blow dryer, hairdrier
toothbrush: tooth brush
"""


def _table() -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for line in _TABLE.strip().splitlines():
        name, _, synonyms = line.partition(":")
        found[name] = (*found.get(name, ()), *(one for part in synonyms.split(",") if (one := part.strip())))
    return found


COCO: dict[str, tuple[str, ...]] = _table()
