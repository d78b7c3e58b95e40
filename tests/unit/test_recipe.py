"""Recipes: what is wrong is named with its value, its rule and the next step."""

from __future__ import annotations

from pathlib import Path

import pytest

from ratchet import recipe
from ratchet.errors import RecipeError
from ratchet.recipe import Recipe


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{name: a, generate: {k: 0}}", ["generate.k", "greater than or equal to 1", "given: 0"]),
        ("{name: a, genrate: {k: 2}}", ["genrate", "unknown key (value {'k': 2})", "mend its spelling"]),
        ("{name: a, train: {method: ppo}}", ["train.method", "'grpo' or 'rloo'", "given: 'ppo'"]),
        ("{name: a, train: {method: dpo}}", ["filter.pairs is null", "set filter.pairs"]),
        (
            "{name: a, prompts: {holdout: 120}}",
            ["prompts.holdout 120", "promote.min_items 200", "larger holdout"],
        ),
        ("{name: a, filter: {min_pass_rate: 0.9, max_pass_rate: 0.1}}", ["0.9 is above", "0.1", "swap them"]),
        ("{name: a, train: {method: dpo}, filter: {pairs: {}}, generate: {k: 1}}", ["set generate.k to 2 or more"]),
        ("{name: a, filter: {uses: [rl]}}", ["learns from groups for sft", "keeps rl", "add sft"]),
        (
            "{name: a, filter: {decontaminate_near_scope: any}}",
            ["decontaminate_near_scope any does nothing without filter.decontaminate_near_bits", "leave the scope out"],
        ),
        (
            "{name: a, filter: {decontaminate: false, decontaminate_ngram: 13}}",
            ["decontaminate is false, so decontaminate_ngram would do nothing", "or leave them out"],
        ),
        (
            "{name: a, filter: {diversity: {keep: 5, model: hf://clip}}}",
            ["diversity.model 'hf://clip' is not used by: text", "set by to embedding"],
        ),
        ("{name: a, filter: {uses: [preference]}}", ["pairs is null", "set filter.pairs"]),
        (
            "{name: a, verify: {verifiers: exact}, filter: {pairs: {repair: {by: conditioning}}}}",
            ["'conditioning' is none of verify.verifiers (exact)", "add it there"],
        ),
        ("{name: a, filter: {pairs: {repair: {by: prompt}}}}", ["stands for several verifiers", "name one of them"]),
        ("{name: a, train: {method: dpo, loss_weights: [1, 2, 3]}}", ["3 values for 2 losses", "one weight a loss"]),
        (
            "{name: a, train: {schedule: lineer}}",
            ["train.schedule: there is no schedule 'lineer'; did you mean linear?"],
        ),
        (
            "{name: a, train: {schedule: reduce_lr_on_plateau}}",
            ["follows an evaluation within training", "use one of: linear"],
        ),
        (
            "{name: a, train: {method: dpo, loss: sigmiod}}",
            ["train.loss sigmiod is no loss of dpo; did you mean sigmoid?", "simpo, stic"],
        ),
        ("{name: a, train: {method: dpo, loss: []}}", ["names nothing, but dpo takes one or more of: sigmoid"]),
        ("{name: a, train: {method: kto, loss: sigmoid}}", ["sigmoid is no loss of kto", "kto, apo_zero_unpaired"]),
        (
            "{name: a, train: {method: kto, loss: [kto, apo_zero_unpaired]}}",
            ["names kto, apo_zero_unpaired, but kto takes one of"],
        ),
        (
            "{name: a, train: {method: grpo, loss: ppo}}",
            ["train.loss ppo is no loss of grpo. There are: grpo, bnpo, dr_grpo"],
        ),
        ("{name: a, train: {beta: 0.1}}", ["train.beta 0.1", "train.method is sft", "does not read it; remove it"]),
        ("{name: a, train: {method: grpo, beta: 0.04}}", ["train.beta 0.04", "is grpo", "set train.rl.kl.coefficient"]),
        ("{name: a, train: {method: rloo, beta: 0.04}}", ["is rloo", "set train.rl.kl.coefficient, and remove beta"]),
        (
            "{name: a, train: {method: dpo, loss: [sft, stic], beta: 1.0}}",
            ["train.beta 1 is not read by train.method dpo with the losses sft, stic", "such as sigmoid"],
        ),
        ("{name: a, train: {loss: sigmoid}}", ["train.loss sigmoid", "train.method is sft", "remove it"]),
        ("{name: a, train: {method: rloo, loss: dapo}}", ["train.loss dapo", "is rloo, which has one loss only"]),
        ("{name: a, train: {method: kto, loss_weights: [0.5]}}", ["train.loss_weights", "is kto", "remove them"]),
        ("{name: a, train: {method: grpo, loss_weights: [2]}}", ["train.loss_weights", "is grpo", "remove them"]),
        (
            "{name: a, train: {method: dpo, pictures: {anchor: 1, bad: crop}}}",
            ["train.pictures.bad does nothing without conditional or noised", "or remove it"],
        ),
        (
            "{name: a, train: {method: grpo, loss: cispo, rl: {clip_low: 0.2, clip_high: 5}}}",
            ["train.rl.clip_low 0.2 is not read by the loss cispo of grpo", "by clip_high; remove clip_low"],
        ),
        ("{name: a, train: {method: grpo, loss: sapo, rl: {clip_low: 0.2}}}", ["loss sapo", "clips nothing; remove"]),
        ("{name: a, train: {method: grpo, loss: vespo, rl: {clip_low: 0.2}}}", ["loss vespo", "clips nothing; remove"]),
        (
            "{name: a, verify: {verifiers: [exact]}, train: {method: grpo, rl: {rewards: {nosuch: 1}}}}",
            ["train.rl.rewards {'nosuch': 1.0} do not fit verify", "no verifier", "add them to verify.verifiers"],
        ),
        ("{name: 'No Good'}", ["name", "given: 'No Good'"]),
        ("{generate: {k: 2}}", ["name", "Field required"]),
        ("{name: a, generate: {temperature: warm}}", ["generate.temperature", "given: 'warm'"]),
    ],
)
def test_an_invalid_recipe_names_value_rule_and_next_step(text: str, said: list[str]) -> None:
    with pytest.raises(RecipeError) as caught:
        recipe.load(text)
    message = str(caught.value)
    assert message.startswith("the inline recipe is not a valid recipe:")
    assert message.endswith("See `ratchet recipe show rft`.")
    for words in said:
        assert words in message


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(RecipeError) as caught:
        recipe.load("{name: a, generate: {k: 0, top_p: 2}, train: {epochs: 0}}")
    assert {"generate.k", "generate.top_p", "train.epochs"} <= {w.strip(" :") for w in str(caught.value).split()}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            "rtf",
            r"no recipe 'rtf'; did you mean rft\? Shipped: [a-z0-9, -]*\bdpo, [a-z0-9, -]*\brft\b.*; or give a path",
        ),
        ("mdppo", r"no recipe 'mdppo'; did you mean mdpo\? Shipped: "),
        ("zzz", r"no recipe 'zzz'\. Shipped: "),
        ("gone.yaml", r"no recipe file gone\.yaml\. Shipped recipes: [a-z0-9, -]*\bdpo, [a-z0-9, -]*\brft\b"),
        ("{name: [", "is not YAML"),
        ("- a\n- b\n", r"holds list, not a mapping\. Shipped recipes"),
    ],
)
def test_what_is_no_recipe_is_refused_with_what_there_is(given: str, said: str) -> None:
    with pytest.raises(RecipeError, match=said):
        recipe.load(given)


@pytest.mark.parametrize(
    "train",
    [
        "{method: dpo, beta: 0.1}",
        "{method: kto, beta: 0.1}",
        "{method: dpo, loss: simpo, beta: 2.0}",
        "{method: dpo, loss: sft, beta: 0.1, pictures: {anchor: 1}}",
        "{method: dpo, pictures: {conditional: 1, bad: crop}}",
        "{method: grpo, loss: dapo, rl: {clip_low: 0.2}}",
        "{method: rloo, rl: {clip_low: 0.2}}",
        "{method: grpo, rl: {rewards: {nosuch: 1}}}",
    ],
)
def test_a_key_that_is_read_may_be_given_with_its_default(train: str) -> None:
    given = recipe.load(f"{{name: a, filter: {{pairs: {{}}}}, train: {train}}}\n")
    assert recipe.load(recipe.dump(given)) == given


@pytest.mark.parametrize("name", recipe.names())
def test_a_resolved_recipe_is_the_same_recipe(name: str, tmp_path: Path) -> None:
    first = recipe.load(name)
    file = tmp_path / "mine.yaml"
    file.write_text(recipe.dump(first))
    assert recipe.load(file) == first
    assert recipe.load(recipe.dump(first)).digest == first.digest


def test_the_digest_is_of_what_is_learned_only() -> None:
    first = Recipe(name="a")
    assert Recipe(name="b", description="other", source="paper", step="a", simplified="b").digest == first.digest
    assert Recipe(name="a", seed=1).digest != first.digest
    assert recipe.load("{name: a, generate: {k: 3}}").digest != first.digest


def test_a_recipe_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Recipe(name="a").seed = 3  # type: ignore[misc]


@pytest.mark.parametrize("engine", ["api_key: sk-secret", "url: 'http://me:sk-secret@host/v1'", "apiToken: sk-secret"])
def test_a_secret_in_a_recipe_is_refused_and_not_repeated(engine: str) -> None:
    with pytest.raises(RecipeError) as caught:
        recipe.load(f"{{name: a, generate: {{engine: {{kind: endpoint, {engine}}}}}}}\n")
    assert "sk-secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("generate", "said"),
    [
        ("negatives: [injct]", "there is no kind of negative 'injct'; did you mean inject? There are: blur, "),
        ("strategy: randm", "there is no strategy 'randm'; did you mean random? There are: ask, "),
        ("strategy: [{weight: 2}]", "a mapping of weight has no 'name', which names the strategy. There are"),
        ("engine: vlm", "there is no engine 'vlm'; did you mean vllm? There are: endpoint, transformers, vllm"),
        ("engine: {name: vllm}", "a mapping of name has no 'kind', which names the engine. There are"),
    ],
)
def test_a_misspelt_name_is_answered_with_what_was_meant_and_all_there_are(generate: str, said: str) -> None:
    with pytest.raises(RecipeError) as caught:
        recipe.load(f"{{name: a, generate: {{{generate}}}}}\n")
    assert said in str(caught.value)


def test_models_whose_vectors_the_filter_compares_are_pinned_with_the_round() -> None:
    given = "{name: a, filter: {dedup_embedding: {model: hf://clip}, diversity: {keep: 9, by: embedding, model: s3://siglip}}}"
    assert recipe.load(given).sources() == ("hf://clip", "s3://siglip")
    assert recipe.load("{name: a, filter: {dedup_embedding: {}, diversity: {keep: 9}}}").sources() == ()


def test_a_resolved_recipe_with_every_filter_is_the_same_recipe_again() -> None:
    given = """
name: a
verify: {verifiers: [prompt, conditioning]}
filter:
  min_score_std: 0.1
  uses: [sft, rl]
  dedup_text: {of: both, scope: any, shingle: 4}
  dedup_embedding: {cosine: 0.9, scope: any}
  diversity: {keep: 9, by: embedding, method: k_center}
  decontaminate_against: all
  decontaminate_ngram: 13
  per_difficulty: 5
  per_pass_rate: 5
  pairs: {choose: alike, max_per_prompt: null, mean_length_ratio: 1.2, repair: {by: conditioning, do: swap}}
  replay: {share: 0.3, rounds: 2, only: any}
"""
    loaded = recipe.load(given)
    assert recipe.load(recipe.dump(loaded)) == loaded
