"""KFP face of the exit task finish; the work is in ratchet.finish."""

from kfp import dsl


@dsl.component(base_image="python:ratchet-core", install_kfp_package=False)
def finish(job: str, loop: str, round_report: dsl.Output[dsl.HTML], loop_report: dsl.Output[dsl.HTML]) -> str:
    """Say how the round ended: PROMOTED, REFUSED, PENDING, STALE, STOPPED or FAILED, and why."""
    from ratchet.kfp_io import end_round

    return end_round(job, loop, round_report, loop_report)
