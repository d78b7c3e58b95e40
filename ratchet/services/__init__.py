"""The servers that the embedded default needs on this machine: SeaweedFS (S3) and MLflow.

    with start("demo/services") as services:
        os.environ.update(services.environment())

Everything they keep lies in that folder; starting there again brings it back. `ratchet.services.vllm_server` serves a model.
"""

from ratchet.services.local import Services, attach, start

__all__ = ["Services", "attach", "start"]
