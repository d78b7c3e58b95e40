"""ratchet against bare scripts, side by side: `python -m bench`. See bench/README.md."""
