"""Deliberately bad samples as pure functions: corrupted pictures, wrong facts in right answers, cut answers, bad questions.

Everything depends on its arguments alone, the seed among them; nothing here runs a model or reads a clock.
"""
