"""The judge: a model that verifiers ask. One client, with a cache by content, a count of what it cost, and its prompts."""

from ratchet.verify.judges.asking import Judge, Question
from ratchet.verify.judges.cache import Judgements
from ratchet.verify.judges.identity import identity
from ratchet.verify.judges.spending import Spending, spent_in_words

__all__ = ["Judge", "Judgements", "Question", "Spending", "identity", "spent_in_words"]
