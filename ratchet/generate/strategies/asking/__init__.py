"""Question generation: the model asks about unlabelled pictures, and answers.

All go the same way: ask, read the question, refuse what is not new, have it answered, check. A question that is given up is
a row with a reason: unreadable_question, known_question, duplicate_question, near_duplicate_question, common_opening,
unanswerable, no_answer_given, inconsistent, answerable_blind, no_majority, too_easy, too_hard, not_harder, hard_already,
no_reference, no_verifier, unscored, not_checked. A request that fails makes its row an error.
"""

from collections.abc import Mapping

from ratchet.generate.strategies.asking.direct import ask, ask_check_rewrite
from ratchet.generate.strategies.asking.harder import harder
from ratchet.generate.strategies.asking.visplay import visplay
from ratchet.generate.strategies.tools import Strategy

__all__ = ["ASKING", "ask", "ask_check_rewrite", "harder", "visplay"]

ASKING: Mapping[str, Strategy] = {
    "ask": ask,
    "ask_check_rewrite": ask_check_rewrite,
    "harder": harder,
    "visplay": visplay,
}
