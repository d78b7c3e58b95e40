"""The losses that TRL has not: one value a row, from log-likelihoods in nats. Pure functions on tensors.

Everywhere y_w is the chosen answer and y_l the rejected one, m the picture and m' a bad one, x the prompt; log pi(y | m, x) is
the sum over y's tokens, |y| their number. A reward is r(y, m) = log pi(y | m, x) - log pi_ref(y | m, x), without beta.
All tensors have the shape (rows,).
"""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import logsigmoid


def simpo(chosen: Tensor, rejected: Tensor, lengths: tuple[Tensor, Tensor], beta: float, gamma: float) -> Tensor:
    """-log sigma(beta / |y_w| log pi(y_w) - beta / |y_l| log pi(y_l) - gamma).

    SimPO (Meng et al. 2024, arXiv 2405.14734): normalised by length, no reference model. `lengths` are |y_w| and
    |y_l|. The paper takes beta from 2 to 10 and gamma / beta about .5.
    """
    return -logsigmoid(beta * (chosen / lengths[0] - rejected / lengths[1]) - gamma)


def stic(chosen: Tensor) -> Tensor:
    """-log pi(y_w), summed over tokens; its weight is alpha.

    STIC (Deng et al. 2024, arXiv 2405.19716) regularises its DPO loss so; its code (yihedeng9/STIC, stic/dpo_trainer.py)
    subtracts log pi(y_w) / 1024, so alpha = 1/1024. Unlike TRL's sft
    it is not a mean per token: long answers weigh more.
    """
    return -chosen


def conditional(good: Tensor, bad: Tensor, beta: float) -> Tensor:
    """-log sigma(beta (r(y_w, m) - r(y_w, m'))), from both rewards.

    mDPO's conditional preference (Wang et al. 2024, arXiv 2406.11839): the same answer, a good and a bad picture. The paper
    makes m' by a random crop that keeps up to 20% of m; its code masks visual tokens.
    """
    return -logsigmoid(beta * (good - bad))


def anchored(chosen: Tensor, beta: float, margin: float) -> Tensor:
    """-log sigma(beta r(y_w, m) - delta), from the chosen answer's reward and the margin delta.

    mDPO's anchored preference (arXiv 2406.11839), delta = 0 there: the chosen answer must not become less likely than it is
    for the reference, as DPO alone allows.
    """
    return -logsigmoid(beta * chosen - margin)


def noised(chosen: Tensor, picked: Tensor, beta: float) -> Tensor:
    """-log sigma(beta (r(y_w, m) - r(y', m))), from both rewards.

    POVID's second stage (Zhou et al. 2024, arXiv 2402.11411), as its code does it (YiyangZhou/POVID,
    tool/dpo_trainer_inherent.py: half of this, half of the DPO loss): y' is what the policy itself would say at each place of
    y_w with the noised picture in view, its likeliest token after y_w's own tokens, and it is read beside the true picture.
    Simplified: the reference scores the policy's y' (there its own), and a row's noise is the same in every epoch.
    """
    return -logsigmoid(beta * (chosen - picked))


def content(described: Tensor, lengths: Tensor) -> Tensor:
    """-log pi(d | m, x_d) / |d|: a caption d of the picture, after the prompt x_d that asks for one.

    SENA's image content alignment (Tan et al. 2024, arXiv 2412.15650), as its code does it (WentaoTan/SENA,
    seva/trainer/llava_dpo_trainer.py): the mean log-likelihood per token of descriptions is added to the DPO loss with weight
    1, and rows without one add 0. Simplified: d is the caption from which the chosen answer was made, so that it comes with
    that answer's row; there descriptions are rows of their own.
    """
    return -described / lengths
