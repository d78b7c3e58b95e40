"""Artifacts: Parquet shards, image packs and the manifest that is written last."""

from ratchet.artifacts.columns import GROUPS, PROMPTS, RowSchema
from ratchet.artifacts.images import ImageBank, decode, ref_of, write_pack
from ratchet.artifacts.manifest import MANIFEST, Manifest, ModelRef, Pack, Parent, Shard, read_manifest
from ratchet.artifacts.shards import Artifact, ArtifactWriter, Header, read_shard

__all__ = [
    "GROUPS",
    "MANIFEST",
    "PROMPTS",
    "Artifact",
    "ArtifactWriter",
    "Header",
    "ImageBank",
    "Manifest",
    "ModelRef",
    "Pack",
    "Parent",
    "RowSchema",
    "Shard",
    "decode",
    "read_manifest",
    "read_shard",
    "ref_of",
    "write_pack",
]
