"""The parts of an image-text model: vision tower, projector, text model. Found by structure, in any architecture."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ratchet.errors import TrainError
from ratchet.recipe.training.parameters import Tower


@dataclass(frozen=True)
class Towers:
    """Names of the modules that make up each tower; a tower that was not found has none. `seen` is for messages."""

    modules: Mapping[Tower, tuple[str, ...]]
    seen: tuple[str, ...]

    def of(self, tower: Tower) -> tuple[str, ...]:
        """The tower's modules. Raises TrainError where the model has no such tower."""
        found = self.modules[tower]
        if not found:
            raise TrainError(
                f"no {tower} tower was found in the model; its modules are {', '.join(self.seen)}. "
                f"Take {tower} out of train.parameters.frozen (or set train.lora.vision: true), or use another seed."
            )
        return found

    def pattern(self, towers: Iterable[Tower]) -> str | None:
        """A regular expression for the full names of all that lies in `towers`; None for none."""
        names = [re.escape(name) for tower in towers for name in self.of(tower)]
        return rf"(.*\.)?({'|'.join(names)})(\..*)?" if names else None


def find(model: Any) -> Towers:
    """The towers of a model that transformers has.

    Vision: what it encodes pictures with (`get_encoder`). Text: its decoder and output layer. Projector: every other module
    that has weights, or, where there is none, the last part of the vision tower if it gives vectors of the text's width
    (Qwen2-VL's merger).
    """
    names = {id(module): name for name, module in model.named_modules()}
    vision = _named(names, model, model.get_encoder(modality="image"))
    text = _named(names, model, model.get_decoder())
    head = _named(names, model, model.get_output_embeddings())
    if vision and text and (vision[0].startswith(f"{text[0]}.") or text[0].startswith(f"{vision[0]}.")):
        vision = text = ()  # one inside of the other: no towers that can be told apart
    rest = _outside(model, (*vision, *text, *head)) if vision and text else ()
    if not rest and vision and text:
        rest = _merger(model, vision[0])
    modules: dict[Tower, tuple[str, ...]] = {
        "vision": vision,
        "projector": rest,
        "text": (*text, *head) if text else (),
    }
    return Towers(modules, tuple(name for name, _ in _shallow(model)))


def freeze(model: Any, frozen: Sequence[Tower]) -> None:
    """Let the weights of these towers not learn. Raises TrainError for a tower that the model does not have."""
    if not frozen:
        return
    pattern = find(model).pattern(frozen)
    assert pattern is not None, "there are towers to freeze"
    tied = _tied_elsewhere(model, pattern)
    for name, parameter in model.named_parameters():
        if re.fullmatch(pattern, name) and id(parameter) not in tied:
            parameter.requires_grad_(False)
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise TrainError(
            f"with {', '.join(frozen)} frozen no weight of the model learns; take one out of train.parameters.frozen."
        )


def _tied_elsewhere(model: Any, pattern: str) -> set[int]:
    """Weights that a learning tower shares with a frozen one learn."""
    owners: dict[int, list[str]] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        owners.setdefault(id(parameter), []).append(name)
    return {key for key, names in owners.items() if not all(re.fullmatch(pattern, name) for name in names)}


def _named(names: Mapping[int, str], model: Any, module: Any) -> tuple[str, ...]:
    """The module's name, () for none, for the whole model and for its whole body."""
    if module is None or module is model or module is model.base_model:
        return ()
    found = names.get(id(module))
    return (found,) if found else ()


def _outside(model: Any, towers: Sequence[str]) -> tuple[str, ...]:
    """The highest modules with weights that neither are, hold nor lie in one of `towers`."""
    found: list[str] = []
    for name, module in model.named_modules():
        inside = any(name == tower or name.startswith(f"{tower}.") for tower in (*towers, *found))
        holds = not name or any(tower.startswith(f"{name}.") for tower in towers)
        if not inside and not holds and any(True for _ in module.parameters()):
            found.append(name)
    return tuple(found)


def _merger(model: Any, vision: str) -> tuple[str, ...]:
    """The vision tower's last part with weights, if it ends in a layer as wide as the text model."""
    width = model.config.get_text_config().hidden_size
    parts = [(n, m) for n, m in model.get_submodule(vision).named_children() if any(True for _ in m.parameters())]
    if not parts:
        return ()
    name, last = parts[-1]
    widths = [module.out_features for module in last.modules() if hasattr(module, "out_features")]
    return (f"{vision}.{name}",) if widths and widths[-1] == width else ()


def _shallow(model: Any) -> Iterable[tuple[str, Any]]:
    return ((name, module) for name, module in model.named_modules() if name and name.count(".") <= 1)
