"""The judge: a model that verifiers ask. One client, with a cache by content, a count of what it cost, and its prompts."""

from ratchet.verify.judge.asking import Judge, Question
from ratchet.verify.judge.cache import Judgements
from ratchet.verify.judge.identity import identity
from ratchet.verify.judge.spending import Spending, spent_in_words

__all__ = ["Judge", "Judgements", "Question", "Spending", "identity", "spent_in_words"]
