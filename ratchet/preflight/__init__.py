"""What a round needs, looked at before it costs anything: each check says what it saw and how to mend it.

checking   what a check is        running     side by side, each with a time limit     catalogue   all of them
context    what they look at      beginning   the part that begin's pod asks
"""

from ratchet.preflight.context import Asked, Context, Machine
from ratchet.preflight.finding import Answer, Finding
from ratchet.preflight.running import run_checks

__all__ = ["Answer", "Asked", "Context", "Finding", "Machine", "run_checks"]
