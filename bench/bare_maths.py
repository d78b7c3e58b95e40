"""math-verify in a loop, as its README has it: no process of its own, its own time limits by alarm.

python -m bench.bare_maths FOLDER_OF_ITS_SOURCES
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

from math_verify import ExprExtractionConfig, LatexExtractionConfig, parse, verify

EXTRACT = (LatexExtractionConfig(boxed_match_priority=0), ExprExtractionConfig())


def verdicts(pairs: Sequence[tuple[str, str]]) -> tuple[list[bool], float]:
    """Whether each answer is equal to its reference, and the CPU seconds that it took. `pairs`: reference, answer."""
    start = time.process_time()
    found = [bool(verify(parse(gold, EXTRACT), parse(given, EXTRACT))) for gold, given in pairs]
    return found, time.process_time() - start


if __name__ == "__main__":
    from bench.maths import cases

    known = cases(sys.argv[1])
    said, seconds = verdicts([(case.gold, case.given) for case in known])
    right = sum(one == case.right for one, case in zip(said, known, strict=True))
    print(f"{right} of {len(known)} as expected, {len(known) / seconds:.1f} a CPU-second")
