"""What reinforcement learning optimises must fit the verifiers that there are."""

from __future__ import annotations

from pydantic import ValidationError

from ratchet.recipe.organise import VerifyConfig
from ratchet.recipe.train import RL, TrainConfig


def reward_policy(verify: VerifyConfig, train: TrainConfig) -> VerifyConfig:
    """How verdicts become a reward: as verify decides, or their mean weighted by `train.rl.rewards`.

    Raises ValueError for weights that name no verifier; what prompts name is only known when they are read.
    """
    weights = train.reinforcement.rewards
    if train.method not in RL or weights is None:
        return verify
    changed = {**verify.model_dump(), "policy": "weighted", "weights": weights}
    try:
        return VerifyConfig.model_validate(changed)
    except ValidationError as error:
        why = "; ".join(str(one["msg"]).removeprefix("Value error, ") for one in error.errors())
        raise ValueError(
            f"train.rl.rewards {weights} do not fit verify: {why}; name verifiers as verdicts call them, or add them to verify.verifiers"
        ) from None
