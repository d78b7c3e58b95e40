"""From our few options to TRL's configuration, which is constructed, and so checked, before any model is loaded."""

from __future__ import annotations

import dataclasses
import difflib
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ratchet.errors import RecipeError, TrainError
from ratchet.recipe import ParametersConfig, TrainConfig
from ratchet.train.together import world

OURS: Mapping[str, str] = {
    "num_train_epochs": "train.epochs",
    "max_steps": "train.max_steps",
    "per_device_train_batch_size": "train.batch_size",
    "learning_rate": "train.learning_rate",
    "lr_scheduler_type": "train.schedule",
    "warmup_steps": "train.warmup_ratio",
    "bf16": "train.parameters.precision",
    "fp16": "train.parameters.precision",
    "gradient_checkpointing": "train.parameters.gradient_checkpointing",
    "seed": "the round's salt",
    "data_seed": "the round's salt",
}
"""TRL's options that have a name of their own in the recipe."""

_FIXED = {
    *("output_dir", "report_to", "project", "disable_tqdm", "push_to_hub", "resume_from_checkpoint"),
    *("restore_callback_states_from_checkpoint", "load_best_model_at_end", "ignore_data_skip", "auto_find_batch_size"),
    *("max_length", "remove_unused_columns", "dataset_kwargs", "dataset_text_field", "shuffle_dataset"),
    *(
        "eos_token",
        "pad_token",
        "model_init_kwargs",
        "trust_remote_code",
        "chat_template_path",
        "precompute_ref_log_probs",
        "fsdp",
        "fsdp_config",
        "deepspeed",
        "parallelism_config",
    ),
}
_FIXED_STARTS = ("save_", "logging_", "log_", "eval_", "hub_", "push_to_hub_", "do_", "per_device_eval_", "trackio_")


def build(
    kind: type, config: TrainConfig, folder: Path, seed: int, extra: Mapping[str, tuple[str, Any]] | None = None
) -> Any:
    """Construct TRL's configuration class `kind`.

    `extra` maps TRL's name of a method's own option to (our name, value). Raises RecipeError for a key of `train.trl`
    that TRL does not know, that one of our options sets already or that the stage decides, and for values that TRL
    refuses.
    """
    known = {field.name: field for field in dataclasses.fields(kind) if field.init}
    ours = {**OURS, **{name: where for name, (where, _) in (extra or {}).items()}}
    for key, value in config.trl.items():
        _check_key(kind, key, known, ours)
        _check_number(key, value, known[key])
    given = {
        **machine(config.parameters),
        # RL has no max_length: it truncates nothing.
        **{name: value for name, value in _always(config, folder, seed).items() if name in known},
        **world().settings(),
        **{name: value for name, (_, value) in (extra or {}).items()},
        **config.trl,
    }
    try:
        return kind(**given)
    except (ValueError, TypeError, NotImplementedError, ImportError, KeyError) as error:
        raise RecipeError(
            f"{kind.__name__} refuses the options of train: {error}. Change train.trl ({_shown(config.trl)}) or the option that it names."
        ) from error


def machine(parameters: ParametersConfig) -> dict[str, Any]:
    """Device and precision: on a CPU, TRL's own defaults (bfloat16, checkpointing) cost a third of the speed.

    float16 where there is no GPU is refused when training begins (`check_device`), not here: a recipe is also read where it
    does not run.
    """
    import torch

    gpu = torch.accelerator.is_available()
    able = torch.cuda.is_available() and torch.cuda.is_bf16_supported()
    checkpointing = parameters.gradient_checkpointing
    found = {
        "bf16": parameters.precision == "bfloat16" or (parameters.precision == "auto" and able),
        "fp16": parameters.precision == "float16" and gpu,
        "gradient_checkpointing": gpu if checkpointing is None else checkpointing,
    }
    return found if gpu else {**found, "use_cpu": True, "dataloader_pin_memory": False}


def check_device(config: TrainConfig) -> None:
    """Raise TrainError for a precision that this machine's device cannot train in."""
    import torch

    precision = config.parameters.precision
    if precision == "float16" and not torch.accelerator.is_available():
        raise TrainError(
            "train.parameters.precision is float16, but there is no GPU here: float16 needs a loss scaler, which CPUs do not "
            "have, and its gradients underflow without one. Use float32 (or bfloat16), or train on a GPU."
        )
    if precision == "bfloat16" and torch.cuda.is_available() and not torch.cuda.is_bf16_supported():
        raise TrainError(
            f"train.parameters.precision is bfloat16, which {torch.cuda.get_device_name()} does not compute in; "
            "use float16 or float32."
        )


def _always(config: TrainConfig, folder: Path, seed: int) -> dict[str, Any]:
    return {
        "output_dir": str(folder),
        "num_train_epochs": config.epochs,
        "max_steps": config.max_steps or -1,
        "per_device_train_batch_size": world().share(config.batch_size),
        "learning_rate": config.learning_rate,
        "lr_scheduler_type": config.schedule,
        # Below 1 it is a share of the steps.
        "warmup_steps": config.warmup_ratio,
        "seed": seed,
        "data_seed": seed,
        # Truncation would cut image tokens.
        "max_length": None,
        "dataloader_num_workers": 0,
        "save_strategy": "no",
        "report_to": [],
        "disable_tqdm": True,
        # Each step's own loss, and the truth about it: by default NaN is logged as the mean so far.
        "logging_strategy": "steps",
        "logging_steps": 1,
        "logging_nan_inf_filter": False,
    }


def _check_key(kind: type, key: str, known: Mapping[str, Any], ours: Mapping[str, str]) -> None:
    if key in ours:
        raise RecipeError(f"train.trl.{key} would override {ours[key]}; set {ours[key]} and remove it from train.trl.")
    if key in ("packing", "padding_free"):
        raise RecipeError(
            f"train.trl.{key} puts several rows into one sequence, which TRL refuses for rows with pictures, and all rows have "
            "them; remove it."
        )
    if key in _FIXED or key.startswith(_FIXED_STARTS):
        raise RecipeError(
            f"train.trl.{key} is decided by the train stage (what is read, saved and reported); remove it."
        )
    if key not in known:
        near = difflib.get_close_matches(key, [k for k in known if k not in _FIXED], n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise RecipeError(f"train.trl.{key} is no option of {kind.__name__}{hint}. Mend its spelling or remove it.")


def _check_number(key: str, value: Any, field: Any) -> None:
    default = field.default
    if isinstance(value, str) and isinstance(default, (int, float)) and not isinstance(default, bool):
        raise RecipeError(
            f"train.trl.{key} is the text {value!r}, but a number is needed (TRL's default: {default}). "
            "In YAML, write 1.0e-4 rather than 1e-4, and no quotes."
        )
    if isinstance(value, float) and not math.isfinite(value):
        raise RecipeError(f"train.trl.{key} is {value}, but TRL's numbers are finite; give one, or remove it.")
    # TRL divides by it, and takes 0 and less.
    if key == "gradient_accumulation_steps" and (not isinstance(value, int) or value < 1):
        raise RecipeError(
            f"train.trl.{key} is {value!r}, but a step gathers the gradients of a whole number of batches; give 1 or more."
        )


def _shown(given: Mapping[str, Any]) -> str:
    return ", ".join(f"{key}: {value!r}" for key, value in given.items()) or "empty"
