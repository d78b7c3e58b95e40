"""What a recipe's training asks of the processes that the launcher starts: told before a round begins, not after its filter."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ratchet.launching import LauncherConfig

if TYPE_CHECKING:
    from ratchet.recipe import TrainConfig


def check_training(launcher: LauncherConfig, train: TrainConfig, gpus: int) -> None:
    """Raise ValueError for a training that the launcher's processes cannot share. `gpus` of them all, as the profile has them."""
    _check_batch(launcher, train)
    _check_sharded(launcher, train)
    served = train.method in ("grpo", "rloo") and train.reinforcement.rollouts in ("colocate", "server")
    if served and not gpus:
        raise ValueError(
            f"train.rl.rollouts {train.reinforcement.rollouts} makes completions with vLLM, which takes the learner's weights on a "
            "GPU, and training has none; set it to model or auto, or give training GPUs (resources.train.gpus, "
            "launcher.trainjob.gpus)"
        )


def _check_batch(launcher: LauncherConfig, train: TrainConfig) -> None:
    launcher.check_batch(train.method, train.batch_size)
    world = launcher.world
    if train.method == "kto" and "kto" in train.losses and train.batch_size // world < 2:
        raise ValueError(
            f"train.batch_size {train.batch_size} leaves each of the {world} processes of launcher {launcher.kind} one row, and KTO "
            f"estimates its divergence from answers beside another row's prompt in a process's own batch; set {2 * world} or more, or "
            "use fewer processes"
        )
    if train.method not in ("grpo", "rloo"):
        return
    k = train.reinforcement.k
    if train.batch_size % (world * k):
        raise ValueError(
            f"train.batch_size {train.batch_size} gives each of the {world} processes of launcher {launcher.kind} "
            f"{train.batch_size // world} completions, no multiple of train.rl.k {k}, and groups are not split; make it a multiple "
            f"of {world * k}, or lower k or the processes"
        )


def _check_sharded(launcher: LauncherConfig, train: TrainConfig) -> None:
    """Under FSDP all processes must go forward alike, and none has the whole model."""
    if launcher.strategy != "fsdp":
        return
    if train.pictures is not None and train.pictures.reads_more:
        raise ValueError(
            "train.pictures asks the model again for rows that have another picture or a caption, and under launcher.strategy fsdp "
            "a process without such rows would leave the others waiting; set launcher.strategy to ddp, or remove train.pictures"
        )
    if train.checkpoints.best == "validation":
        raise ValueError(
            "train.checkpoints.best is validation, but no process has the whole model under launcher.strategy fsdp and can ask it; "
            "set best to last, or launcher.strategy to ddp"
        )
