"""How likely given texts are, with transformers: teacher forcing in batches, each prompt read once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from inspect import signature
from typing import TYPE_CHECKING, Any

from ratchet.errors import SamplingError
from ratchet.generate.engine import Answer, Given, Request, TextLikelihood
from ratchet.generate.engines import prefill
from ratchet.generate.engines.given import Read, check, read
from ratchet.generate.engines.likelihood import log_probability

if TYPE_CHECKING:
    import torch

    from ratchet.generate.engines.local import TransformersEngine

LOGITS = 1 << 27
"""Most logits at once: rows x tokens x vocabulary, half a gibibyte of floats."""
Row = tuple[int, Read]
"""The number of a given text, and its tokens."""


def likelihoods(engine: TransformersEngine, given: Sequence[Given]) -> list[TextLikelihood]:
    """log p(text | request) of each, in their order."""
    check(given)
    found: dict[int, TextLikelihood] = {}
    rows: list[Row] = []
    for number, one in enumerate(given):
        tokens = read(engine.processor, one, engine.ends)
        if isinstance(tokens, Read):
            rows.append((number, tokens))
        else:
            found[number] = tokens
    vocabulary = engine.model.config.get_text_config().vocab_size
    for batch in _batches(given, rows, engine.batch_size, vocabulary):
        found |= _scored(engine, given, batch)
    return [found[number] for number in range(len(given))]


def _batches(given: Sequence[Given], rows: Sequence[Row], most: int, vocabulary: int) -> Iterator[list[Row]]:
    """Rows alike together: by pictures, length and request. At most `most` of them, and LOGITS in all."""

    def alike(row: Row) -> tuple[Any, ...]:
        number, one = row
        return len(given[number].request.images), len(one.prompt), _key(given[number].request), len(one.tokens), number

    batch: list[Row] = []
    longest = 0
    for row in sorted(rows, key=alike):
        longest = max(longest, len(row[1].tokens))
        if batch and (len(batch) == most or (len(batch) + 1) * longest * vocabulary > LOGITS):
            yield batch
            batch, longest = [], len(row[1].tokens)
        batch.append(row)
    if batch:
        yield batch


def _key(request: Request) -> tuple[Any, ...]:
    turns = tuple((message.role, message.content) for message in request.messages)
    return request.id, tuple(image.sha256 for image in request.images), request.begun, turns


def _scored(engine: TransformersEngine, given: Sequence[Given], batch: Sequence[Row]) -> dict[int, TextLikelihood]:
    """One batch. Requests that cannot be read fail, and so do texts that are too long; the others go on without them."""
    # A prompt that cannot be shared is there once for each of its texts.
    names = {number: _key(given[number].request) if _shares(engine) else (number,) for number, _ in batch}
    requests = {names[number]: (given[number].request, one.prompt) for number, one in batch}
    pictures, failed = engine._pictures([request for request, _ in requests.values()])
    inputs, refused = engine._encoded([text for _, text in requests.values()], pictures, failed, 0)
    failed |= refused
    why = {name: failed[place].error for place, name in enumerate(requests) if place in failed}
    able = [name for name in requests if name not in why]
    lengths = dict(zip(able, inputs["attention_mask"].sum(dim=1).tolist(), strict=True)) if able else {}
    found: dict[int, TextLikelihood] = {}
    rows: list[Row] = []
    for number, one in batch:
        name, n = names[number], len(one.tokens)
        if name not in why and lengths[name] + n <= engine.positions:
            rows.append((number, one))
        else:
            long = name not in why
            error = Answer.too_long(lengths[name], n, engine.positions).error if long else why[name]
            found[number] = TextLikelihood(None, 0, error)
    if rows:
        places = [able.index(names[number]) for number, _ in rows]
        sums = _sums(engine, inputs.to(engine.device), places, [one.tokens for _, one in rows])
        found |= {number: TextLikelihood(s, len(one.tokens)) for (number, one), s in zip(rows, sums, strict=True)}
    return found


def _shares(engine: TransformersEngine) -> bool:
    return engine.model.config.model_type in prefill.SHARING


def _sums(engine: TransformersEngine, inputs: Any, places: Sequence[int], rows: Sequence[Sequence[int]]) -> list[float]:
    """Sums of the log-probabilities of each row's tokens after the prompt at its place."""
    import torch

    width = max(map(len, rows))
    ids = torch.tensor([[*row, *[row[-1]] * (width - len(row))] for row in rows], device=engine.device)
    inside = torch.arange(width)[None, :] < torch.tensor([len(row) for row in rows])[:, None]
    inside = inside.to(engine.device)
    with torch.inference_mode():
        try:
            work = _after_cache if _shares(engine) else _whole
            logits = work(engine.model, inputs, places, ids, inside)
            steps = [log_probability(logits[:, step].float(), ids[:, step]) for step in range(width)]
        except torch.OutOfMemoryError as error:
            raise SamplingError(
                f"out of memory with {len(rows)} texts of up to {width} tokens at once; "
                f"lower batch_size (it is {engine.batch_size})."
            ) from error
    sums: list[float] = (torch.stack(steps, dim=1) * inside).sum(dim=1).tolist()
    return sums


def _after_cache(
    model: Any, inputs: Mapping[str, torch.Tensor], places: Sequence[int], ids: torch.Tensor, inside: torch.Tensor
) -> torch.Tensor:
    """Logits before each answer token (rows x tokens x vocabulary), each prompt read once and its cache repeated."""
    import torch

    mask = inputs["attention_mask"]
    pictures = {name: value for name, value in inputs.items() if name not in ("input_ids", "attention_mask")}
    prompt = model(
        input_ids=inputs["input_ids"],
        attention_mask=mask,
        position_ids=_positions(mask),
        use_cache=True,
        logits_to_keep=1,
        **pictures,
    )
    index = torch.tensor(places, device=ids.device)
    first = prompt.logits[index]
    if ids.shape[1] == 1:
        return first
    cache = prompt.past_key_values
    cache.batch_select_indices(index)
    whole = torch.cat([mask[index], inside[:, :-1].to(mask.dtype)], dim=1)
    rest = model(
        input_ids=ids[:, :-1],
        attention_mask=whole,
        position_ids=_positions(whole)[:, mask.shape[1] :],
        past_key_values=cache,
        use_cache=True,
    )
    return torch.cat([first, rest.logits], dim=1)


def _whole(
    model: Any, inputs: Mapping[str, torch.Tensor], places: Sequence[int], ids: torch.Tensor, inside: torch.Tensor
) -> torch.Tensor:
    """The same for an architecture whose cache is not known to be shareable: prompt and answer in one."""
    import torch

    index, rows, width = torch.tensor(places, device=ids.device), len(inputs["input_ids"]), ids.shape[1]
    # A prompt whose answer is too long is among the inputs still: it goes along without one.
    answers = ids.new_zeros((rows, width)).index_copy(0, index, ids)
    shown = inside.new_zeros((rows, width)).index_copy(0, index, inside)
    more = {"input_ids": answers, "attention_mask": shown.to(inputs["attention_mask"].dtype)}
    shape = inputs["input_ids"].shape
    longer = {
        name: torch.cat([value, more.get(name, torch.zeros_like(answers, dtype=value.dtype))], dim=1)
        for name, value in inputs.items()
        if value.shape == shape
    }
    few = {"logits_to_keep": width + 1} if "logits_to_keep" in signature(model.forward).parameters else {}
    logits: torch.Tensor = model(**{**inputs, **longer}, **few).logits
    return logits[:, -width - 1 : -1][index]


def _positions(mask: torch.Tensor) -> torch.Tensor:
    return (mask.cumsum(-1) - 1).clamp(min=0)
