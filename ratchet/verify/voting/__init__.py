"""Verifiers that let answers vote. They need no reference, and amplify errors where most answers are wrong."""
