"""Guided generation: what the model is shown differs from the prompt that is stored, and every completion records it.

A completion's `input` holds the messages, pictures and begun answer that made it, so that it can be made again; it is
None only where the prompt was shown as it is. A step that fails, or says nothing, fails what would have followed from it.
"""

from __future__ import annotations

from collections.abc import Mapping

from ratchet.generate.strategies.guided.described import described
from ratchet.generate.strategies.guided.hinted import hinted
from ratchet.generate.strategies.guided.prompted import captioned, chain, prompted
from ratchet.generate.strategies.guided.recaptioned import recaptioned
from ratchet.generate.strategies.guided.revised import revised
from ratchet.generate.strategies.tools import Strategy

GUIDED: Mapping[str, Strategy] = {
    "prompted": prompted,
    "captioned": captioned,
    "chain": chain,
    "described": described,
    "hinted": hinted,
    "revised": revised,
    "recaptioned": recaptioned,
}
