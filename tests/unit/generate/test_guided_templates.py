from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratchet.errors import RecipeError
from ratchet.generate.strategies import STRATEGIES
from ratchet.generate.strategies.guided.steps import asked, told
from ratchet.recipe import parse
from ratchet.recipe.strategies.templates import fields, filled
from ratchet.records import Message

NAMES = ["prompted", "captioned", "chain", "described", "hinted", "revised", "recaptioned"]


def _strategy(**given):
    return parse({"name": "x", "generate": {"strategy": given}}).generate.strategy[0]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_alone_is_a_strategy_with_defaults_for_real_models(name):
    assert _strategy(name=name).name == name
    assert name in STRATEGIES


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"name": "prompted", "instruction": "Look."}, "must have {question}"),
        (
            {"name": "prompted", "instruction": "{question} {answer}"},
            "{answer} that is not known here; fields: {question}",
        ),
        ({"name": "prompted", "instruction": " "}, "is empty"),
        ({"name": "captioned", "instruction": "{question}"}, "must have {caption}"),
        ({"name": "captioned", "captions": 2}, "'k'"),
        ({"name": "chain", "instruction": "Think."}, "must have {question}"),
        ({"name": "chain", "place": "system", "instruction": "{question}"}, "fields: none"),
        ({"name": "described", "begun": None}, "description would not be used"),
        ({"name": "described", "alone": "{caption}"}, "must have {question}"),
        ({"name": "hinted", "hint": "{question}"}, "must have {hint}"),
        ({"name": "revised", "critique": "{question}"}, "must have {answer}"),
        ({"name": "revised", "revise": "{question} {answer}"}, "must have {critique}"),
        ({"name": "revised", "rounds": 4}, "less than or equal to 3"),
        ({"name": "recaptioned", "instruction": "Better."}, "must have {caption}"),
        ({"name": "recaptioned", "specialists": ["{hint}"]}, "{hint} that is not known here"),
        ({"name": "recaptioned", "rounds": 1, "specialists": ["Count."]}, "set rounds to 2 or more"),
    ],
)
def test_a_template_with_a_wrong_or_missing_field_is_refused_with_the_recipe(given, said):
    with pytest.raises(RecipeError) as error:
        _strategy(**given)
    assert said in str(error.value)


def test_other_braces_than_a_fields_are_text():
    strategy = _strategy(name="chain", form="boxed", instruction=r"{question} Answer in \boxed{}. {A} {1}")
    assert filled(strategy.instruction, {"question": "why {x}?"}) == r"why {x}? Answer in \boxed{}. {A} {1}"


@given(st.dictionaries(st.sampled_from(["question", "caption", "answer"]), st.text(max_size=20), min_size=3))
def test_values_are_put_in_as_they_are(values):
    assert (
        filled("{question}|{caption}|{answer}", values)
        == f"{values['question']}|{values['caption']}|{values['answer']}"
    )
    assert fields("{question}|{caption}|{answer}") == set(values)


def _turns(*turns: tuple[str, str]) -> tuple[Message, ...]:
    return tuple(Message(role=role, content=content) for role, content in turns)  # type: ignore[arg-type]


def test_a_template_takes_the_place_of_the_last_user_turn_only():
    chat = _turns(("system", "s"), ("user", "first"), ("assistant", "a"), ("user", "second"))
    assert asked(chat, "new") == (*chat[:3], Message(role="user", content="new"))
    assert asked(chat[:1], "new") == (chat[0], Message(role="user", content="new"))


def test_a_system_instruction_joins_the_one_that_is_there():
    assert told(_turns(("user", "q")), "think") == _turns(("system", "think"), ("user", "q"))
    assert told(_turns(("system", "s"), ("user", "q")), "think") == _turns(("system", "s\n\nthink"), ("user", "q"))
