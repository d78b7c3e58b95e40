"""What a look may err with: its stake out of the loop's error, and the p-value that follows from it.

The ledger's looks are one gambler who begins with wealth 1 and bets against "this candidate is no better". Look t stakes
s_t, which is fixed before its items are seen, and promotes when its e-value E_t (mean at most 1 under the null) is so large
that s_t E_t >= 1 / alpha. A p-value bets all or nothing: E = 1 / (alpha s_t) when p <= alpha s_t, else 0. Refused, the stake
is lost; promoted, it comes back.

Proof, for items that are fresh at each look. Let M multiply the account's factors of all looks, but with the true E_t where
the candidate is no better. Where it is better, the factor is at most 1; where not, its mean is at most 1, given all that was
before, whatever earlier decisions led to. So M is a supermartingale that begins at 1, and lies above the account as long as
nothing was promoted wrongly. The first wrong promotion lifts it to 1 / alpha; that it EVER does has a chance of at most
alpha (Ville 1939). Promotions of models that ARE better cost nothing, which is the online fallback of Tian and Ramdas 2021.

Items that are looked at again are another matter. Candidates depend on earlier decisions, those on these very items, so a p
is not uniform given the past. But if nothing beside the decisions has leaked, there are only as many candidates as
histories: of m earlier looks at these items with j promotions there are C(m, j). A look at such a place may spend its share
divided by C(m, j) (j + 1) (j + 2); over all j these add up to its share at most, and the union bound over ALL places holds, for
any way to choose candidates (the counting of Blum and Hardt 2015 for the Ladder, here for one bit a look). Such a stake is
lost whatever comes of it. Before the first promotion there is one history only: a loop in which nothing is ever better
pays a factor of two for using one set for ever.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from ratchet.recipe import PromoteConfig, SpendingConfig

GEOMETRIC_RATIO = 0.8
# More histories than a double can hold: nothing can be proved by these items any more.
MOST = 10**300


@dataclass(frozen=True, slots=True)
class Standing:
    """What the ledger says before a look.

    `look` is its number on the account, `promoted` counts earlier looks at which the gate said promote. `seen` counts the
    earlier looks at these very items, `seen_promoted` those of them that promoted. `wealth` is what is left of the error.
    """

    look: int = 1
    promoted: int = 0
    seen: int = 0
    seen_promoted: int = 0
    wealth: float = 1.0

    def __post_init__(self) -> None:
        if self.look < 1:
            raise ValueError(f"look {self.look}: looks are numbered from 1")
        if not 0 <= self.promoted < self.look or not 0 <= self.seen_promoted <= self.seen < self.look:
            raise ValueError(f"{self}: no more looks can have promoted, or seen these items, than there were")

    @property
    def turn(self) -> int:
        """r: which turn of the spending this look takes. On fresh items a promotion has cost nothing."""
        return self.look if self.seen else self.look - self.promoted

    @property
    def histories(self) -> float:
        """What a share is divided by, because candidates may know earlier decisions on these items."""
        if not self.seen:
            return 1.0
        j = self.seen_promoted
        count = math.comb(self.seen, j) * (j + 1) * (j + 2)
        return float(count) if count < MOST else math.inf


def share(spending: SpendingConfig, turn: int, wealth: float = 1.0) -> float:
    """The part of the loop's error that turn `turn`, from 1, stakes. Over all turns these sum to 1 at most."""
    if turn < 1:
        raise ValueError(f"turn {turn}: looks are numbered from 1")
    if spending.kind == "wealth":
        return wealth / (turn + 1)
    if spending.kind == "geometric":
        ratio = spending.ratio or GEOMETRIC_RATIO
        planned = (1 - ratio) * ratio ** (turn - 1)
    elif spending.kind == "equal":
        rounds = spending.rounds or 1
        planned = 1 / rounds if turn <= rounds else 0.0
    else:
        planned = 6.0 / (math.pi**2 * turn**2)
    # Spent otherwise before, by another policy: what is gone is gone.
    return min(planned, max(wealth, 0.0))


def stake(policy: PromoteConfig, standing: Standing) -> float:
    """What this look puts at risk of the loop's error, as a share of alpha."""
    return share(policy.spending, standing.turn, standing.wealth)


def level(policy: PromoteConfig, standing: Standing) -> float:
    """What p may be at most."""
    return policy.alpha * stake(policy, standing) / standing.histories


def lost(policy: PromoteConfig, standing: Standing, promoted: bool, e_value: float | None = None) -> float:
    """The part of the loop's error that is gone after the look. `e_value` is None for a test that bets all or nothing."""
    staked = stake(policy, standing)
    if standing.seen:
        return staked
    if promoted:
        return 0.0
    back = min(e_value, 1.0) if policy.spending.kind == "wealth" and e_value is not None else 0.0
    return staked * (1 - back)
