"""The champion, served: a Deployment of vLLM or a KServe InferenceService that follows the alias, a canary first.

config     what is served and how careful a step is       manifest   the objects, as plain mappings
cluster    the API server, asked patiently                checking   real requests to the canary
notes      what serves and what was aborted, kept in the cluster
deployment, kserve: how each of the two is rolled         following  follow, show, abort; what a trigger calls
"""

from ratchet.serving.config import ServingConfig
from ratchet.serving.following import Follower, abort, follow, show
from ratchet.serving.outcome import Followed

__all__ = ["Followed", "Follower", "ServingConfig", "abort", "follow", "show"]
