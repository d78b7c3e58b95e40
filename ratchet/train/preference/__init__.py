"""Preference learning: rows of pairs and verdicts, losses that TRL has not, and a trainer that looks at bad pictures."""
