"""Every rule with a configuration, a reference, and answers that it must accept and refuse."""

from __future__ import annotations

from typing import Any, NamedTuple

from ratchet.recipe import VerifyConfig
from ratchet.records import ImageRef, Message, Prompt
from ratchet.verify import Finding
from ratchet.verify.rules import RULE_BUILDERS

SCHEMA = {
    "type": "object",
    "properties": {"count": {"type": "integer"}, "name": {"type": "string", "pattern": "^(a+)+$"}},
    "required": ["count"],
}
DRAWING = '<svg xmlns="http://www.w3.org/2000/svg"><circle r="3"/></svg>'


class Case(NamedTuple):
    name: str
    reference: str
    right: tuple[str, ...]
    wrong: tuple[str, ...]
    options: dict[str, Any] = {}
    question: str = "what ?"

    def __str__(self) -> str:
        return self.name


CASES = (
    Case("exact", "top left", (" Top left.", "<answer>top left</answer>"), ("top right", "", "сircle")),
    Case("text", "the two dogs", ("2 dogs!", "A 2 dogs"), ("3 dogs", "the dogs", "...")),
    Case("holds", "the two dogs", ("I see 2 dogs here", "two dogs"), ("2 big dogs", "12 dogs", "dogs 2", "")),
    Case("numeric", "3", ("three", "3.0"), ("4", "NaN", "inf", "3 or 4")),
    Case("maths", "\\frac{1}{2}", ("0.5", "$\\frac{2}{4}$", "\\boxed{1/2}"), ("0.6", "$\\frac{1}{3}$", "half of it")),
    Case("choice", "circles", ("Circles",), ("squares",)),
    Case("yes_no", "yes", ("Yes, there is.",), ("no", "yes and no", "perhaps")),
    Case("count", "4", ("four", "There are 4."), ("5", "4.5", "-4", "none")),
    Case("chart", "100", ("95", "104.9", "100%"), ("94", "106", "95 or 94")),
    Case("set_f1", "a , b", ("b, a, a",), ("a", "a , c", " , ")),
    Case("objects", "red circle , red circle", ("Red circle, red circle",), ("red circle", "dog")),
    Case("ordering", "cat , dog , cow", ("cat -> dog -> cow", "cat; dog; cow."), ("dog, cat, cow", "cat, dog", "")),
    Case("anls", "Main Street 12", ("main street 12",), ("Main Street 13", "", "elsewhere")),
    Case("edits", "Main Street 12", ("main street 12",), ("Main Street 13", "", "elsewhere")),
    Case("iou", "[10, 10, 50, 50]", ("[10, 10, 50, 50]", "(12, 10, 50, 50)"), ("[60, 60, 90, 90]", "[50, 50, 10, 10]", "10")),
    Case(
        "detection",
        "cat [10, 10, 50, 50], dog [60, 60, 90, 90]",
        ("dog [60,60,90,90] and cat: [10,10,50,50]",),
        ("cat [10, 10, 50, 50]", "cat [60, 60, 90, 90], dog [10, 10, 50, 50]", "none"),
    ),
    Case("point", "[10, 10, 50, 50]", ("(30, 30)", "[10, 50]"), ("(60, 60)", "[10, 10, 50, 50]", "there")),
    Case(
        "caption",
        "dog, person",
        ("A man with his puppy.", "dogs and people"),
        ("A dog and a cat", "a dog", "nothing at all", "a person without a dog"),
    ),
    Case(
        "json_schema",
        '{"count": 3}',
        ('{"count": 4, "name": "aa"}', '```json\n{"count": 1}\n```'),
        ('{"count": "3"}', "{", "", '{"count": NaN}', '{"count": 3, "name": "b"}'),
        {"fits": SCHEMA},
    ),
    Case("python", "draw(1)", ("x = 1\nprint(x)", "```python\nx = 1\n```"), ("x = ", "", "# nothing", "def f(:")),
    Case("svg", DRAWING, (DRAWING, f"```svg\n{DRAWING}\n```", "<svg/>"), ("<svg>", "<html/>", "a drawing", DRAWING * 2)),
    Case(
        "format",
        "3",
        ("<think>so</think><answer>3</answer>", "<think>\nso\n</think>\n<answer>any</answer>"),
        ("3", "<answer>3</answer>", "<think>so</think>3", "<think></think><answer>3</answer>",
         "<think>a</think><think>b</think><answer>3</answer>", "<answer>3</answer><think>so</think>",
         "<think>so</think><answer>3</answer> or 4", "<think>so</think><answer> </answer>"),
    ),
    Case("length", "3", ("a b c", "a"), ("a b c d", ""), {"most": 3, "least": 1}),
    Case("repetition", "3", ("a b c d e f g h", "3", ""), ("so it is " * 20, "a" * 400)),
)  # fmt: skip


def built(name: str, **options: Any) -> Any:
    """The verifier of a recipe that names this one alone."""
    (config,) = VerifyConfig.model_validate({"verifiers": [{"name": name, **options}]}).chosen
    return RULE_BUILDERS[name](config, None)  # type: ignore[arg-type]


def asked(question: str, reference: str | None, *verifiers: str, size: tuple[int, int] = (100, 100)) -> Prompt:
    picture = ImageRef(sha256="5" * 64, media_type="image/png", width=size[0], height=size[1])
    return Prompt.make(
        messages=[Message(role="user", content=question)],
        images=[picture],
        skill="s",
        source="test",
        reference=reference,
        verifiers=verifiers,
    )


def found(name: str, reference: str, text: str, question: str = "what ?", **options: Any) -> Finding:
    checked: Finding = built(name, **options).check(asked(question, reference), text)
    return checked
