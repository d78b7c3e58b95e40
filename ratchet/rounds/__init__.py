"""The round as it is stored: what opened it, what it reads, how it ended; and where everything of a loop lies.

<root>/loops/<loop>/lease.json
<root>/loops/<loop>/runs/<job>.json          which round a run works on
<root>/loops/<loop>/refusals/<job>.json      why a begin failed that opened no round
<root>/loops/<loop>/rounds/0007/round.json   written by begin, never changed
<root>/loops/<loop>/rounds/0007/<stage>-<key>/manifest.json
<root>/loops/<loop>/rounds/0007/failures/    what tasks said that failed: <stage>-<job>.json, <stage>/<part>-<job>.json
<root>/loops/<loop>/rounds/0007/alarms/      what the round watched in itself: <stage>.json
<root>/loops/<loop>/rounds/0007/used/        what its tasks have taken of what costs
<root>/loops/<loop>/rounds/0007/end.json     written by finish, or by the begin that closed the round
<root>/loops/<loop>/rounds/0007/tracking.json  the registry's run of the round
<root>/loops/<loop>/rounds/0007/approval.json  what a person answered where the recipe leaves the last word to one
<root>/loops/<loop>/promotions/  <root>/looks/{<family>,items}/
"""

from ratchet.rounds.failures import (
    MOST_TOLD,
    STOPS,
    forget_failure,
    keeping_failure,
    only_budget_spent,
    read_failures,
    read_stops,
    write_failure,
)
from ratchet.rounds.keeping import (
    loops,
    manifests,
    numbers,
    read_end,
    read_round,
    read_run,
    reopen,
    write_end,
    write_round,
    write_run,
)
from ratchet.rounds.records import (
    Devices,
    Round,
    RoundEnd,
    State,
    Ticket,
    check_loop_name,
    loop_prefix,
    round_prefix,
    run_key,
)

__all__ = [
    "MOST_TOLD",
    "STOPS",
    "Devices",
    "Round",
    "RoundEnd",
    "State",
    "Ticket",
    "check_loop_name",
    "forget_failure",
    "keeping_failure",
    "loop_prefix",
    "loops",
    "manifests",
    "numbers",
    "only_budget_spent",
    "read_end",
    "read_failures",
    "read_round",
    "read_run",
    "read_stops",
    "reopen",
    "round_prefix",
    "run_key",
    "write_end",
    "write_failure",
    "write_round",
    "write_run",
]
