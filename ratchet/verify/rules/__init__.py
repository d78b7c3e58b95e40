r"""The rule verifiers. Each reads the reference as it reads an answer, so that both follow the same conventions.

| name        | reads                                             | passes                            | score                      |
|-------------|---------------------------------------------------|-----------------------------------|----------------------------|
| exact       | the normalised answer                             | equal                             | 0 or 1                     |
| text        | its words: no punctuation, no articles            | equal                             | 0 or 1                     |
| holds       | the same                                          | the reference stands in it        | 0 or 1                     |
| numeric     | the one number, with a unit if the reference has  | equal within `tolerance`          | 0 or 1                     |
| maths       | a formula, by math-verify                         | equal as mathematics              | 0 or 1                     |
| choice      | an option's letter, or its text                   | the same option                   | 0 or 1                     |
| yes_no      | yes or no                                         | the same                          | 0 or 1                     |
| count       | the one whole number                              | equal                             | 1 - difference / larger    |
| chart       | a number, or text                                 | within 5 %, or equal              | 0 or 1                     |
| set_f1      | a set of items separated by commas                | the same set                      | F1                         |
| objects     | a multiset of objects separated by commas         | the same multiset                 | F1, and by object          |
| ordering    | items in order: commas, semicolons, arrows, lines | the same order                    | share of pairs in order    |
| anls        | the normalised answer                             | equal (`passes`)                  | similarity, 0 under a half |
| edits       | the normalised answer                             | equal (`passes`)                  | similarity by edits        |
| iou         | one box                                           | overlap of a half (`passes`)      | intersection over union    |
| detection   | boxes with labels                                 | all of them (`passes`)            | F1, or mean AP             |
| point       | one point                                         | in a box of the reference         | 0 or 1                     |
| caption     | objects that free text names, by a table          | all of them alone (`passes`)      | F1, precision, or recall   |
| json_schema | JSON                                              | fits the schema                   | 0 or 1                     |
| python      | a program                                         | parses                            | 0 or 1                     |
| svg         | a drawing                                         | parses                            | 0 or 1                     |
| format      | the marks `<think>`, `<answer>`, `\boxed{}`       | each once, in its place           | 0 or 1                     |
| length      | words or characters                               | within bounds                     | 1, falling beyond `most`   |
| repetition  | n-grams of words                                  | few repeated                      | share that is not repeated |

The last six say nothing of what is right (evidence "form"). maths, json_schema and python work in processes of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, get_args

from pydantic import ValidationError

from ratchet.recipe.verifiers.rules import RuleFamily
from ratchet.verify.protocol import Verifier
from ratchet.verify.rules import captions, choices, documents, forms, lists, maths, numbers, ocr, places, words
from ratchet.verify.rules.captions import caption_objects
from ratchet.verify.rules.choices import chosen, options
from ratchet.verify.rules.lists import parse_objects
from ratchet.verify.rules.words import yes_no_answer

__all__ = ["RULE_BUILDERS", "VERIFIERS", "caption_objects", "chosen", "options", "parse_objects", "yes_no_answer"]

RULES: Mapping[str, Callable[[Any], Verifier]] = {
    "exact": words.exact,
    "text": words.text,
    "holds": words.holds,
    "numeric": numbers.numeric,
    "maths": maths.maths,
    "choice": choices.choice,
    "yes_no": words.yes_no,
    "count": numbers.count,
    "chart": numbers.chart,
    "set_f1": lists.set_f1,
    "objects": lists.objects,
    "ordering": lists.ordering,
    "anls": ocr.anls,
    "edits": ocr.edits,
    "iou": places.overlap,
    "detection": places.detection,
    "point": places.point,
    "caption": captions.caption,
    "json_schema": documents.json_schema,
    "python": documents.python,
    "svg": documents.svg,
    "format": forms.layout,
    "length": forms.length,
    "repetition": forms.repetition,
}
"""What makes a rule of its configuration."""


def _builder(make: Callable[[Any], Verifier]) -> Callable[[Any, Any], Verifier]:
    return lambda config, _tools: make(config)


RULE_BUILDERS: dict[str, Callable[[Any, Any], Verifier]] = {name: _builder(make) for name, make in RULES.items()}


def _defaults() -> dict[str, Verifier]:
    """Rules that need no options."""
    found = {}
    for config in get_args(RuleFamily):
        for name in get_args(config.model_fields["name"].annotation):
            try:
                found[name] = RULES[name](config(name=name))
            except ValidationError:
                continue  # it has options that have no default
    return found


VERIFIERS: dict[str, Verifier] = _defaults()
"""What prompts may name: each with its defaults."""
