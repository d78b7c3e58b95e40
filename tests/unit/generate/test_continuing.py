"""Answers that go on from a beginning: what the model is shown, and that the joined text is what its tokens decode to."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from ratchet.artifacts import ImageBank
from ratchet.generate import SamplingParams
from ratchet.generate.chat import chat_parts, chat_text
from ratchet.generate.engine import Answer, Request, completion, joined
from ratchet.generate.engines.continuing import decoded
from ratchet.generate.engines.endpoint import EndpointEngine
from ratchet.generate.engines.local import TransformersEngine
from ratchet.recipe import EndpointConfig
from ratchet.records import Message, Prompt
from ratchet.store import FolderStore
from ratchet.tinyworld import seed_model
from ratchet.tinyworld import teacher as teaching
from ratchet.tinyworld.seed import SEED_DIR
from tests import tiny

GREEDY = SamplingParams(strategy="greedy", temperature=0.0, max_new_tokens=24)
# As SmolVLM's and Idefics3's: a blank between role and text, but none where an answer is to come.
SMOL = (
    "<|im_start|>{% for message in messages %}{{message['role'] | capitalize}}"
    "{% if message['content'][0]['type'] == 'image' %}{{':'}}{% else %}{{': '}}{% endif %}"
    "{% for line in message['content'] %}{% if line['type'] == 'text' %}{{line['text']}}"
    "{% elif line['type'] == 'image' %}{{ '<image>' }}{% endif %}{% endfor %}<end_of_utterance>\n{% endfor %}"
    "{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}"
)
# As Llama's: what is around a turn's text is taken away.
TRIMMING = (
    "{% for message in messages %}<|{{message['role']}}|>\n{% for part in message['content'] %}"
    "{% if part['type'] == 'text' %}{{part['text'] | trim}}{% endif %}{% endfor %}<end_of_utterance>\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)
TEMPLATES = {"seed": seed_model.CHAT_TEMPLATE, "smol": SMOL, "trimming": TRIMMING}
ASKED = (Message(role="user", content="how many ?"),)
SENTENCES = [
    "A man , who smiles, isn't alone: the colour is red.",
    "First the sky.\nThen the sea, blue.\n\n2. A café of the naïve colourist.",
    "there are two red circles , and a green square .",
]
KNOWN = ["how many red circle , blue square ?", "there is a red circle , and a blue square ."]


def _trained(kind: str) -> Tokenizer:
    """A BPE tokenizer as GPT-2's (bytes; blanks begin tokens) or as Llama's (SentencePiece's way with blanks)."""
    tokenizer = Tokenizer(models.BPE())
    alphabet: list[str] = []
    if kind == "bytes":
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = decoders.ByteLevel()
        alphabet = pre_tokenizers.ByteLevel.alphabet()
    else:
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
        tokenizer.decoder = decoders.Metaspace(prepend_scheme="always")
    special = ["<pad>", "<bos>", "<end_of_utterance>", "<image>", "<fake_token_around_image>", "<global-img>"]
    trainer = trainers.BpeTrainer(vocab_size=420, special_tokens=special, initial_alphabet=alphabet)
    tokenizer.train_from_iterator(SENTENCES * 4, trainer)
    return tokenizer


def _processor(kind: str, template: str = "seed") -> Any:
    from transformers import Idefics3Processor, PreTrainedTokenizerFast

    processor = seed_model.build_processor()
    if kind != "words":
        tokenizer = PreTrainedTokenizerFast(
            tokenizer_object=_trained(kind),
            pad_token="<pad>",
            bos_token="<bos>",
            eos_token="<end_of_utterance>",
            extra_special_tokens=["<image>", "<fake_token_around_image>", "<end_of_utterance>"],
        )
        processor = Idefics3Processor(processor.image_processor, tokenizer, image_seq_len=4)
    processor.chat_template = TEMPLATES[template]
    return processor


@pytest.fixture(scope="module")
def processors() -> dict[tuple[str, str], Any]:
    return {
        (kind, template): _processor(kind, template) for kind in ("bytes", "pieces", "words") for template in TEMPLATES
    }


def _ids(processor: Any, text: str) -> list[int]:
    found: list[int] = processor.tokenizer(text, add_special_tokens=False)["input_ids"]
    return found


def _word_ends(text: str) -> list[int]:
    return [i for i in range(1, len(text)) if text[i] == " " and text[i - 1] != " "]


def _added(processor: Any, begun: str, row: list[int]) -> str:
    end = processor.tokenizer.convert_tokens_to_ids("<end_of_utterance>")
    return decoded(processor, [[*row, end]], [Request("x", ASKED, (), begun)])[0]


@pytest.mark.parametrize("template", ["seed", "smol"])
def test_bytes_that_go_on_anywhere_give_the_text_of_the_whole_tokens(processors, template):
    processor = processors["bytes", template]
    cuts = 0
    for text in SENTENCES:
        for cut in range(1, len(text)):
            shown, row = _ids(processor, text[:cut]), _ids(processor, text[cut:])
            assert processor.tokenizer.decode(shown + row) == text
            assert joined(text[:cut], _added(processor, text[:cut], row)) == text
            cuts += 1
    assert cuts > 130, "between words, inside of them, and on both sides of line ends"


def test_bytes_that_do_not_put_a_blank_get_none_and_those_that_put_two_keep_them(processors):
    processor = processors["bytes", "seed"]
    for begun, added in [("the colou", "r is red"), ("A man", ", who"), ("A man", "  who"), ("The sky.", "\nThe sea")]:
        assert _added(processor, begun, _ids(processor, added)) == added


@pytest.mark.parametrize(("kind", "texts"), [("pieces", SENTENCES), ("words", KNOWN)])
@pytest.mark.parametrize("template", ["seed", "smol"])
def test_tokens_that_lose_the_blank_at_a_texts_start_have_it_where_they_go_on(processors, kind, texts, template):
    processor = processors[kind, template]
    for text in texts:
        whole = _ids(processor, text)
        assert processor.tokenizer.decode(whole) == text
        for cut in _word_ends(text):
            shown = _ids(processor, text[:cut])
            assert whole[: len(shown)] == shown
            assert joined(text[:cut], _added(processor, text[:cut], whole[len(shown) :])) == text


@pytest.mark.parametrize(("kind", "texts"), [("pieces", SENTENCES[2:]), ("words", KNOWN), ("bytes", SENTENCES)])
def test_a_blank_that_the_model_did_not_see_is_not_there_twice(processors, kind, texts):
    """Word level drops a beginning's last blank, and a trimming template does."""
    processor = processors[kind, "trimming"]
    for text in texts:
        for cut in _word_ends(text):
            row = _ids(processor, text)[len(_ids(processor, text[:cut])) :]
            if kind == "bytes":
                row = _ids(processor, text[cut:])
            begun = text[: cut + 1]
            assert joined(begun, _added(processor, begun, row)) == text


def test_words_that_the_tokenizer_does_not_know_have_a_blank_behind_them(processors):
    processor = processors["words", "seed"]
    assert _added(processor, "zyxwv", _ids(processor, "red circle")) == " red circle"
    assert _added(processor, "a zyxwv", _ids(processor, "red")) == " red"


@pytest.mark.parametrize(("kind", "texts"), [("bytes", SENTENCES), ("words", KNOWN)])
def test_the_text_is_what_vllms_server_says(processors, kind, texts):
    """Its detokenizer is this stream, begun with the prompt's tokens."""
    processor = processors[kind, "seed"]
    for text in texts:
        for cut in _word_ends(text):
            begun = text[:cut]
            prompt = _ids(processor, chat_text(processor, ASKED, 0, begun))
            row = _ids(processor, text[cut:])
            stream = decoders.DecodeStream(ids=prompt, skip_special_tokens=True)
            backend = processor.tokenizer.backend_tokenizer
            said = "".join(stream.step(backend, token) or "" for token in row)
            assert said == _added(processor, begun, row) == text[cut:]


def test_a_batch_has_rows_with_and_without_a_beginning(processors):
    processor = processors["bytes", "seed"]
    row = _ids(processor, " red")
    asked = [Request("a", ASKED, ()), Request("b", ASKED, (), "the"), Request("c", ASKED, ())]
    assert decoded(processor, [row] * 3, asked) == [" red"] * 3
    assert decoded(processor, [row] * 3) == [" red"] * 3


@pytest.mark.parametrize("template", ["seed", "smol"])
@pytest.mark.parametrize("pictures", [0, 2])
def test_a_beginning_is_shown_as_the_beginning_of_the_assistants_turn(processors, template, pictures):
    processor = processors["bytes", template]
    for text in SENTENCES:
        turns = chat_parts([*ASKED, Message(role="assistant", content=text)], pictures)
        whole = processor.apply_chat_template(turns, tokenize=False)
        for cut in range(1, len(text) + 1):
            shown = chat_text(processor, ASKED, pictures, text[:cut])
            assert whole.startswith(shown)
            assert shown.endswith(text[:cut])
    assert chat_text(processors["bytes", "smol"], ASKED, 0, "The cat").endswith("Assistant: The cat")
    assert chat_text(processors["bytes", "smol"], ASKED, 0).endswith("Assistant:")


def test_a_template_that_trims_shows_a_beginning_without_its_last_blanks(processors):
    processor = processors["bytes", "trimming"]
    for begun in ("The cat", "The cat ", "The cat.\n"):
        assert chat_text(processor, ASKED, 0, begun).endswith(f"<|assistant|>\n{begun.rstrip()}")


def test_an_answer_keeps_blanks_at_its_start_only_where_it_goes_on():
    assert Answer.said("  red \n", "", 2, "stop", None) == Answer("red", 2, "stop")
    assert Answer.said(" red \n", "a", 2, "stop", None).text == " red"
    assert Answer.said(" red \n", "a", 2, "stop", None).trail == " \n"
    assert Answer.said("\n", "a", 1, "stop", None).text == ""


def test_a_failed_answer_has_no_text_whatever_it_was_to_go_on_from():
    failed = completion(0, Answer.failed("server", "500"), GREEDY, "m", Request("x", ASKED, (), "there is"))
    assert (failed.text, failed.error, failed.input.begun) == ("", "server: 500", "there is")


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Prompt], ImageBank]:
    prompts, pictures = tiny.world("pool", 18, skills=("caption", "relation"))
    return prompts, tiny.bank(FolderStore(str(tmp_path_factory.mktemp("store"))), pictures)


@pytest.fixture(scope="module")
def local(asked: tuple[list[Prompt], ImageBank]) -> TransformersEngine:
    return TransformersEngine(SEED_DIR, asked[1], "seed", batch_size=128)


@pytest.fixture(scope="module")
def remote(asked: tuple[list[Prompt], ImageBank]) -> Iterator[EndpointEngine]:
    with teaching.serving(teaching.Teacher()) as url:
        yield EndpointEngine(EndpointConfig(url=url, serves="seed"), asked[1], "seed")


@pytest.mark.parametrize("behind", [0, 1], ids=["before the blank", "behind the blank"])
def test_a_greedy_answer_that_is_cut_anywhere_is_gone_on_to_the_same_answer(local, remote, asked, behind):
    whole = [answer for (answer,) in local.answer([Request.of(prompt) for prompt in asked[0]], GREEDY)]
    cut = [
        (replace(Request.of(prompt), id=f"{prompt.id}/{end}", begun=one.text[: end + behind]), one, end)
        for prompt, one in zip(asked[0], whole, strict=True)
        for end in _word_ends(one.text)
    ]
    assert len(cut) > 40
    requests = [request for request, _, _ in cut]
    for engine in (local, remote):
        for (request, one, end), (answer,) in zip(cut, engine.answer(requests, GREEDY), strict=True):
            assert joined(request.begun, answer.text) == one.text
            assert answer.n_tokens == one.n_tokens - len(one.text[:end].split())


def test_a_template_that_refuses_a_role_fails_those_requests_in_its_words(asked, tmp_path):
    refusing = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
    engine = _with_template(asked[1], tmp_path, refusing + seed_model.CHAT_TEMPLATE)
    plain = [Request.of(prompt) for prompt in asked[0][:3]]
    system = replace(plain[0], id="s", messages=(Message(role="system", content="answer"), *plain[0].messages))
    params = SamplingParams(k=2, max_new_tokens=4)
    failed = Answer.failed("refused", "the chat template refuses these messages: System role not supported")
    made: list[int] = []
    engine.on_batch = made.append
    rows = engine.answer([plain[0], system, *plain[1:], replace(system, id="b", begun="there")], params)
    assert rows[1] == rows[4] == (failed, failed)
    assert all(answer.error is None for row in (rows[0], rows[2], rows[3]) for answer in row)
    assert sum(made) == 10
    assert engine.answer([system], params) == [(failed, failed)]


def test_a_template_that_refuses_what_is_mixed_in_fails_the_mixed_requests_alone(asked, tmp_path):
    refusing = (
        "{% if messages[0]['content'][0]['type'] == 'text' %}{{ raise_exception('a picture is needed') }}{% endif %}"
    )
    engine = _with_template(asked[1], tmp_path, refusing + seed_model.CHAT_TEMPLATE)
    plain = Request.of(asked[0][0])
    (one,), (mixed,) = engine.answer([plain, replace(plain, id="m", mix=0.5)], GREEDY)
    assert one.error is None
    assert mixed.error == "refused: the chat template refuses these messages: a picture is needed"


def test_a_template_that_does_not_show_a_beginning_fails_the_request(asked, tmp_path):
    hiding = seed_model.CHAT_TEMPLATE.replace("messages -%}", "messages if message['role'] != 'assistant' -%}", 1)
    assert hiding != seed_model.CHAT_TEMPLATE
    engine = _with_template(asked[1], tmp_path, hiding)
    ((answer,),) = engine.answer([replace(Request.of(asked[0][0]), begun="there is")], GREEDY)
    assert answer.error.startswith("refused: the chat template refuses these messages: continue_final_message is set")


def _with_template(bank: ImageBank, folder: Any, template: str) -> TransformersEngine:
    copy = shutil.copytree(SEED_DIR, folder / "model")
    (copy / "chat_template.jinja").write_text(template)
    assert "chat_template" not in json.loads((copy / "tokenizer_config.json").read_text())
    return TransformersEngine(copy, bank, "seed", batch_size=8)
