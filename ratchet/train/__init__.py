"""Training: groups become rows, and one module per method turns rows and a seed into a model.

Importing this package loads no torch: a method's module is imported when it is called.
"""

from ratchet.train.job import Job, Trainer
from ratchet.train.methods import METHODS, check
from ratchet.train.report import TRAIN_LOG, LogRow, TrainReport

__all__ = ["METHODS", "TRAIN_LOG", "Job", "LogRow", "TrainReport", "Trainer", "check"]
