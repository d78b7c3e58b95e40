"""The exceptions of ratchet, drawn as a tree.

RatchetError                    every error that ratchet raises on purpose; its text names the value, the rule and the next step
├── RecipeError                 a recipe or profile is not valid, or asks for more than the profile has
├── PromptSetError              prompts or pictures that cannot be used
│   └── ImportRefused           an import that the rules or --strict refuse as a whole
├── ArtifactError               an artifact cannot be opened or written
│   ├── ManifestMissing         the parent never finished: no manifest at its place
│   ├── SchemaMismatch          the artifact's schema (name or version) is not the one this code reads
│   ├── DigestMismatch          bytes or rows differ from what the manifest says
│   └── ShardUnreadable         a shard or an image pack is missing, truncated or not what its name says
├── StoreError                  the object store said no, or did not answer
│   ├── NotFound                no object at that address
│   ├── Conflict                a conditional put lost: somebody else was first
│   └── StoreUnavailable        retried, and given up
├── LeaseError                  the loop belongs to another run
│   ├── LeaseHeld               another run holds it now
│   └── LeaseLost               this run held it once; its epoch is stale
├── ModelError                  a seed model cannot be loaded, or is refused (pickle, remote code)
├── SamplingError               the engine could not sample
├── VerifierError               a verifier is unknown, or does not fit its prompts
│   ├── VerifierUnavailable     what a verifier works with (a judge, a sandbox) is not there; run the stage again when it is
│   └── AuditFailed             a verifier was measured and is not good enough for what the recipe asks
├── RoundStopped                an alarm of the recipe stopped the round on purpose, or the loop starts no round
│   └── BudgetSpent             the round has used the hours of a device that it was given
├── TrainError                  training cannot start, or failed
├── RegistryError               the registry said no, or did not answer
│   └── RegistryUnavailable     retried, and given up; `ratchet promote` completes the round later
├── RoundError                  a round cannot open, go on or end
├── PlatformError               Kubeflow Pipelines or the cluster said no
│   ├── PlatformUnavailable     retried, and given up
│   └── StillRolling            no failure: what serves is being rolled out; ask again later
├── PreflightFailed             something that a round needs is missing, told before it costs anything
└── ServiceError                a server that ratchet starts on this machine did not come up
"""

from __future__ import annotations


class RatchetError(Exception):
    """Base of the tree. `exit_code` is what the command line ends with."""

    exit_code = 1


class RecipeError(RatchetError):
    exit_code = 2


class PromptSetError(RatchetError):
    exit_code = 3


class ImportRefused(PromptSetError):
    pass


class ArtifactError(RatchetError):
    exit_code = 4


class ManifestMissing(ArtifactError):
    pass


class SchemaMismatch(ArtifactError):
    pass


class DigestMismatch(ArtifactError):
    pass


class ShardUnreadable(ArtifactError):
    pass


class StoreError(RatchetError):
    exit_code = 5


class NotFound(StoreError):
    pass


class Conflict(StoreError):
    pass


class StoreUnavailable(StoreError):
    pass


class LeaseError(RatchetError):
    exit_code = 6


class LeaseHeld(LeaseError):
    pass


class LeaseLost(LeaseError):
    pass


class ModelError(RatchetError):
    exit_code = 7


class SamplingError(RatchetError):
    exit_code = 7


class VerifierError(RatchetError):
    exit_code = 7


class VerifierUnavailable(VerifierError):
    pass


class AuditFailed(VerifierError):
    pass


class RoundStopped(RatchetError):
    exit_code = 9


class BudgetSpent(RoundStopped):
    pass


class TrainError(RatchetError):
    exit_code = 7


class RegistryError(RatchetError):
    exit_code = 8


class RegistryUnavailable(RegistryError):
    pass


class RoundError(RatchetError):
    exit_code = 9


class ServiceError(RatchetError):
    exit_code = 10


class PlatformError(RatchetError):
    exit_code = 11


class PlatformUnavailable(PlatformError):
    pass


class StillRolling(PlatformError):
    pass


class PreflightFailed(RatchetError):
    exit_code = 12
