"""People in the loop: a queue of doubtful answers, a small local page to label them, and where the labels are kept.

No stage imports this package: a label lies beside a verdict and never changes one.
"""

from ratchet.review.labels import Choice, Label, Labels, Place

__all__ = ["Choice", "Label", "Labels", "Place"]
