"""Python runs this at start when its folder is on PYTHONPATH: at its end the process writes which modules it had loaded.

bench.overhead uses it to learn what each process of a round imports. Stages of KFP are told by their command line.
"""

import atexit
import json
import os
import sys


def _write() -> None:
    words = sys.orig_argv
    named = words[words.index("--function_to_execute") + 1] if "--function_to_execute" in words else None
    if named is None and "ratchet.pipelines.local" in words:
        named = "pipeline"
    if named is not None:
        with open(os.path.join(os.environ["BENCH_IMPORTS"], f"{named}.json"), "w", encoding="utf-8") as out:
            json.dump([name for name, module in sys.modules.items() if getattr(module, "__spec__", None)], out)


atexit.register(_write)
