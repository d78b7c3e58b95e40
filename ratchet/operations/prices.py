"""What an hour of a stage costs, by the prices of its profile."""

from __future__ import annotations

from ratchet.profile import Profile
from ratchet.usage import devices_of


def price_of_hour(profile: Profile, stage: str) -> float | None:
    """Of one task of the stage with all that it has; None where a price that it needs is not known."""
    resources = profile.resources_of(stage)
    prices = resources.prices
    if prices is None:
        return None
    devices = devices_of(profile)
    gpus = devices.by_stage.get(stage, 0) if devices.kind != "machine" else 0
    if gpus and prices.gpu_hour is None:
        return None
    if prices.cpu_hour is None:
        return gpus * prices.gpu_hour if gpus and prices.gpu_hour is not None else None
    return gpus * (prices.gpu_hour or 0.0) + cpus_of(resources.cpu) * prices.cpu_hour


def cpus_of(quantity: str) -> float:
    """Kubernetes' way to write CPUs: 4, 0.5, 500m."""
    return float(quantity[:-1]) / 1000 if quantity.endswith("m") else float(quantity)
