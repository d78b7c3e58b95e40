"""Model versions, the alias champion, and the gate that moves it."""

from ratchet.registry.base import CHAMPION, ModelVersion, Registry, open_registry

__all__ = ["CHAMPION", "ModelVersion", "Registry", "open_registry"]
