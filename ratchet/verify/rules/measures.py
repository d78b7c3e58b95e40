"""Numbers with units: read from text and made comparable. The table holds what questions about pictures use."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction

from ratchet.verify import text as texts


@dataclass(frozen=True)
class Unit:
    """`factor` times a number, plus `offset`, is that many of the dimension's base unit."""

    name: str
    dimension: str | None
    factor: Fraction
    offset: Fraction = Fraction(0)

    def base(self, number: Fraction) -> Fraction:
        return number * self.factor + self.offset

    def of(self, base: Fraction) -> Fraction:
        """The number in this unit of what is `base` in the base unit."""
        return (base - self.offset) / self.factor


@dataclass(frozen=True)
class Measure:
    """A number in the base unit of its dimension; the same measure in two units is equal. Dimension None: a bare number."""

    dimension: str | None
    base: Fraction
    number: Decimal = field(compare=False)
    unit: Unit = field(compare=False)

    def __str__(self) -> str:
        return f"{self.number} {self.unit.name}".strip()


NO_UNIT = Unit("", None, Fraction(1))

_TABLE: dict[str, dict[str, str]] = {
    "length": {
        "1": "m meter meters metre metres",
        "1000": "km kilometer kilometers kilometre kilometres",
        "1/10": "dm",
        "1/100": "cm centimeter centimeters centimetre centimetres",
        "1/1000": "mm millimeter millimeters millimetre millimetres",
        "1/1000000": "μm um micrometer micrometers micron microns",
        "1/1000000000": "nm nanometer nanometers",
        "254/10000": "in inch inches",
        "3048/10000": "ft foot feet",
        "9144/10000": "yd yard yards",
        "1609344/1000": "mi mile miles",
    },
    "mass": {
        "1": "g gram grams gramme grammes",
        "1000": "kg kilogram kilograms",
        "1/1000": "mg milligram milligrams",
        "1000000": "t tonne tonnes",
        "45359237/100000": "lb lbs pound pounds",
        "45359237/1600000": "oz ounce ounces",
    },
    "time": {
        "1": "s sec secs second seconds",
        "1/1000": "ms millisecond milliseconds",
        "60": "min mins minute minutes",
        "3600": "h hr hrs hour hours",
        "86400": "day days",
        "604800": "week weeks",
    },
    "length^3": {
        "1/1000": "l L liter liters litre litres",
        "1/1000000": "ml mL milliliter milliliters millilitre millilitres cc",
        "1/100000": "cl cL",
        "3785411784/1000000000000": "gal gallon gallons",
    },
    "length^2": {"10000": "ha hectare hectares", "40468564224/10000000": "acre acres"},
    "length/time": {"1609344/3600000": "mph", "1000/3600": "kph kmh", "1852/3600": "kn knot knots"},
    "ratio": {"1/100": "% percent percentage pct"},
    "angle": {"1": "° deg degree degrees"},
    "force": {"1": "N newton newtons", "1000": "kN"},
    "energy": {"1": "J joule joules", "1000": "kJ", "3600000": "kWh", "4184/1000": "cal", "4184": "kcal"},
    "power": {"1": "W watt watts", "1000": "kW", "1000000": "MW"},
    "pressure": {"1": "Pa pascal pascals", "1000": "kPa", "100000": "bar", "101325": "atm"},
    "frequency": {"1": "Hz hertz", "1000": "kHz", "1000000": "MHz", "1000000000": "GHz"},
    "voltage": {"1": "V volt volts", "1/1000": "mV", "1000": "kV"},
    "current": {"1": "A amp amps ampere amperes", "1/1000": "mA"},
    "resistance": {"1": "Ω ohm ohms", "1000": "kΩ"},
    "dollar": {"1": "$ dollar dollars usd USD", "1/100": "cent cents ¢"},
    "euro": {"1": "€ euro euros eur EUR"},
    "sterling": {"1": "£ gbp GBP"},
    "yen": {"1": "¥ yen yuan"},
    "temperature": {"1": "K kelvin"},
}
UNITS: dict[str, Unit] = {
    name: Unit(name, dimension, Fraction(factor))
    for dimension, by_factor in _TABLE.items()
    for factor, names in by_factor.items()
    for name in names.split()
}
_CELSIUS = (Fraction(1), Fraction(27315, 100))
_FAHRENHEIT = (Fraction(5, 9), Fraction(27315, 100) - Fraction(160, 9))
for _names, (_factor, _offset) in {("°C", "celsius"): _CELSIUS, ("°F", "fahrenheit"): _FAHRENHEIT}.items():
    UNITS |= {name: Unit(name, "temperature", _factor, _offset) for name in _names}

_RAISED = str.maketrans({"²": "2", "³": "3"})
_PER = re.compile(r"\s(?:per|/)\s|/\s|\s/")
_SQUARE = re.compile(r"\b(square|sq\.?|cubic|cu\.?)\s+(\w+)", re.IGNORECASE)
_DEGREE = re.compile(r"°\s?(?=[CF]\b)|\b[Dd]egrees?\s+(?=[CF]\b)")
_SPELT_DEGREE = re.compile(r"(?:°\s?|\b[Dd]egrees?\s+)(?=[Cc]elsius|[Ff]ahrenheit)")
_TOKEN = re.compile(r"[$€£¥]|[^\s$€£¥()\[\]{};:!?\"'`*=]+")
_NUMBER = re.compile(texts.NUMBER, re.IGNORECASE)
_POWER = re.compile(r"([^\W\d_]+)\^?([23])")
_CURRENCY = "$€£¥"
LONGEST = 80
"""Characters of a text that may be one measure."""


def measures(text: str) -> list[Measure]:
    """Every number in the text with the unit that follows it (or the currency before it).

    Numbers are read as `texts.numbers` reads them. What follows and is no unit of the table is a word: "3 apples" is 3.
    """
    tokens, spelt = _tokens(text)
    found = []
    for index, token in enumerate(tokens):
        number, rest = _number(token, spelt)
        if number is None:
            continue
        after = tokens[index + 1] if index + 1 < len(tokens) else ""
        before = tokens[index - 1] if index else ""
        unit = unit_of(rest) if rest else unit_of(after)
        if unit is None and rest:
            continue  # "3x" and "3-4" hold no number
        if unit is None or (rest == "" and before in _CURRENCY and before):
            unit = (UNITS.get(before) if before and before in _CURRENCY else None) or NO_UNIT
        found.append(Measure(unit.dimension, unit.base(Fraction(number)), number, unit))
    return found


def is_measure(text: str) -> bool:
    """Whether the text is one number with its unit and nothing else: "150 cm", "$5", "3 square meters"; not "3 in the box".

    A unit of one letter must stand apart: "10K" and "5m" may be thousands and millions.
    """
    if len(text) > LONGEST:
        return False
    tokens, spelt = _tokens(text)
    found = measures(text) if len(tokens) in (1, 2) else []
    if len(found) != 1 or found[0].dimension is None:
        return False
    rests = [rest for number, rest in (_number(token, spelt) for token in tokens) if number is not None]
    apart = len(tokens) == 2
    return rests == [""] if apart else not (len(rests[0]) == 1 and rests[0].isalpha())


def _tokens(text: str) -> tuple[list[str], bool]:
    """Words, numbers and currencies of the text, and whether its numbers are spelt as words."""
    plain = _SQUARE.sub(_raised, texts.compatible(text.translate(_RAISED)).replace("−", "-"))
    plain = _SPELT_DEGREE.sub("", _DEGREE.sub("°", _PER.sub("/", plain)))
    return [token.rstrip(".,") for token in _TOKEN.findall(plain)], not any(c.isdigit() for c in plain)


def _number(token: str, spelt: bool) -> tuple[Decimal | None, str]:
    """The number that a token begins with, and the rest of it."""
    if spelt:
        return texts.NUMBER_WORDS.get(token.lower()), ""
    match = _NUMBER.match(token)
    if match is None or abs(float(match.group().replace(",", ""))) == float("inf"):
        return None, ""
    return Decimal(match.group().replace(",", "")), token[match.end() :]


def unit_of(name: str) -> Unit | None:
    """The unit of that name: of the table, a power ("cm2", "cm^2"), or one over another ("m/s")."""
    found = UNITS.get(name) or UNITS.get(name.lower())
    if found is not None or not name or len(name) > 40:
        return found
    over, slash, under = name.partition("/")
    if slash:
        above, below = unit_of(over), unit_of(under) if "/" not in under else None
        if above is None or below is None or below.dimension is None:
            return None
        return Unit(name, f"{above.dimension}/{below.dimension}", above.factor / below.factor)
    power = _POWER.fullmatch(name)
    root = unit_of(power[1]) if power else None
    if power is None or root is None:
        return None
    return Unit(name, f"{root.dimension}^{power[2]}", root.factor ** int(power[2]))


def _raised(match: re.Match[str]) -> str:
    return f"{match[2]}^{2 if match[1].lower().startswith('sq') else 3}"
