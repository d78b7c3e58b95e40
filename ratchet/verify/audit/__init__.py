"""The verifiers themselves, measured on a labelled slice: how often what they pass is right."""

from ratchet.verify.audit.result import Answers, Audited, AuditResult, Difference, Probed, Share

__all__ = ["Answers", "AuditResult", "Audited", "Difference", "Probed", "Share"]
