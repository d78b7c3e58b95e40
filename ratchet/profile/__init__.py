"""The profile: where a round runs. Images, resources, secrets' names; fixed when the pipeline is compiled."""

from ratchet.profile.fitting import filter_runs, verify_runs
from ratchet.profile.machine import threads
from ratchet.profile.profile import Profile
from ratchet.profile.quantities import bytes_of, seconds_of
from ratchet.profile.resources import QUEUE_LABEL, Prices, Resources, Security
from ratchet.profile.tasks import HERE, IMAGE_OF_TASK, RESOURCES_OF_TASK, place_of

__all__ = [
    "HERE",
    "IMAGE_OF_TASK",
    "QUEUE_LABEL",
    "RESOURCES_OF_TASK",
    "Prices",
    "Profile",
    "Resources",
    "Security",
    "bytes_of",
    "filter_runs",
    "place_of",
    "seconds_of",
    "threads",
    "verify_runs",
]
