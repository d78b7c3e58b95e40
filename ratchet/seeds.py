"""What a seed may lack when it is brought into a loop: the base of an adapter, a chat template."""

from __future__ import annotations

import atexit
import json
import shutil
import tempfile
from pathlib import Path

from ratchet import adapters, models
from ratchet.errors import ModelError
from ratchet.model_files import ADAPTER_CONFIG, ADAPTER_WEIGHTS
from ratchet.store import Store

TEMPLATE = "chat_template.jinja"
_OLD_TEMPLATES = ("chat_template.json",)


def ready(folder: Path, store: Store, loop: str, *, base: Path | None = None, template: Path | None = None) -> Path:
    """The folder to register for the seed in `folder`: itself, or a copy with what was given.

    `base` is uploaded, and the adapter says so. Raises ModelError for what does not go together, for a template that does
    not write one placeholder a picture, and for a model without any template.
    """
    if adapters.is_adapter(folder):
        if template is not None:
            raise ModelError(
                "an adapter has no chat template of its own; give --chat-template when its base is brought in."
            )
        return _on(folder, store, loop, base)
    if base is not None:
        raise ModelError(
            f"{folder} is a whole model ({ADAPTER_CONFIG} is missing), so it has no base; leave --base out."
        )
    if template is not None:
        return _with_template(folder, template)
    if _tokenizes(folder) and not _has_template(folder):
        raise ModelError(
            f"{folder} has no chat template, so nothing can be asked of it; give one, such as its instruction-tuned sibling's: "
            "--chat-template FILE. It is stored with the model."
        )
    return folder


def _on(folder: Path, store: Store, loop: str, base: Path | None) -> Path:
    """The adapter alone, with its base recorded by content."""
    if base is None:
        adapters.read_base(folder)
        return folder
    ref = models.upload(store, base, loop)
    target = _scratch()
    for name in (ADAPTER_CONFIG, ADAPTER_WEIGHTS):
        shutil.copyfile(folder / name, target / name)
    adapters.write_base(target, adapters.Base(name=ref.name, digest=ref.digest))
    # It may be another model's adapter: better now than in a round.
    adapters.merged(target, base)
    return target


def _with_template(folder: Path, template: Path) -> Path:
    """A copy of the model whose chat template is that of the file, tried on one picture."""
    from jinja2 import TemplateError
    from transformers import AutoProcessor

    from ratchet.generate.chat import chat_parts
    from ratchet.records import Message

    if not template.is_file():
        raise ModelError(f"no file at {template}; --chat-template takes a file with a Jinja template.")
    target = _scratch()
    shutil.copytree(folder, target, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".*", *_OLD_TEMPLATES))
    shutil.copyfile(template, target / TEMPLATE)
    try:
        with models.quietly():
            processor = AutoProcessor.from_pretrained(target, trust_remote_code=False, local_files_only=True)
        models.check_processor(target, processor)
        turns = chat_parts([Message(role="user", content="What is there?")], 1)
        text = processor.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    except (TemplateError, OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise ModelError(
            f"the chat template {template} does not work with {folder} ({type(error).__name__}: {error}); mend it, or give the one that belongs to the model."
        ) from error
    mark = models.placeholder(processor)
    if mark and text.count(mark) != 1:
        raise ModelError(
            f"the chat template {template} writes {text.count(mark)} image placeholders ({mark}) for one picture: {text[:200]!r}. "
            "It must write one for each part of type image."
        )
    return target


def _tokenizes(folder: Path) -> bool:
    return (folder / "tokenizer_config.json").is_file()


def _has_template(folder: Path) -> bool:
    if any((folder / name).is_file() for name in (TEMPLATE, *_OLD_TEMPLATES)):
        return True
    written = (folder / name for name in ("tokenizer_config.json", "processor_config.json"))
    return any(path.is_file() and json.loads(path.read_bytes()).get("chat_template") for path in written)


def _scratch() -> Path:
    """A folder that goes when the process ends."""
    folder = tempfile.mkdtemp(prefix="ratchet-seed-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)
