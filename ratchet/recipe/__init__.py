"""The recipe: what is learned in a round, one model per stage. Unknown keys are errors; optional means null.

Load one by name (shipped in pipelines/recipes), by file, or from YAML text; the resolved one is stored with the round.
"""

from ratchet.recipe.alarms import AlarmsConfig
from ratchet.recipe.audit import AuditConfig
from ratchet.recipe.curation import DiversityConfig, EmbeddingDedupConfig, ReplayConfig, TextDedupConfig
from ratchet.recipe.engines import EndpointConfig, EngineConfig, TransformersConfig, VllmConfig
from ratchet.recipe.evaluating import ContaminationConfig, EvaluateConfig, PassAtKConfig, SuiteConfig
from ratchet.recipe.filtering import FilterConfig
from ratchet.recipe.generate import GenerateConfig
from ratchet.recipe.guide import TuneConfig, WeaknessConfig
from ratchet.recipe.judges import JudgeConfig
from ratchet.recipe.loading import dump, load, names, parse
from ratchet.recipe.organise import VerifyConfig
from ratchet.recipe.pairing import PairsConfig, RepairConfig
from ratchet.recipe.promoting import GuardsConfig, HoldoutConfig, PrimaryConfig, PromoteConfig, SpendingConfig
from ratchet.recipe.prompts import PromptsConfig
from ratchet.recipe.recipe import Recipe
from ratchet.recipe.train import TrainConfig
from ratchet.recipe.training.checkpoints import CheckpointsConfig
from ratchet.recipe.training.curriculum import CurriculumConfig
from ratchet.recipe.training.parameters import LoraConfig, ParametersConfig
from ratchet.recipe.training.preference import PictureTermsConfig
from ratchet.recipe.training.reinforcement import ReinforcementConfig

__all__ = [
    "AlarmsConfig",
    "AuditConfig",
    "CheckpointsConfig",
    "ContaminationConfig",
    "CurriculumConfig",
    "DiversityConfig",
    "EmbeddingDedupConfig",
    "EndpointConfig",
    "EngineConfig",
    "EvaluateConfig",
    "FilterConfig",
    "GenerateConfig",
    "GuardsConfig",
    "HoldoutConfig",
    "JudgeConfig",
    "LoraConfig",
    "PairsConfig",
    "ParametersConfig",
    "PassAtKConfig",
    "PictureTermsConfig",
    "PrimaryConfig",
    "PromoteConfig",
    "PromptsConfig",
    "Recipe",
    "ReinforcementConfig",
    "RepairConfig",
    "ReplayConfig",
    "SpendingConfig",
    "SuiteConfig",
    "TextDedupConfig",
    "TrainConfig",
    "TransformersConfig",
    "TuneConfig",
    "VerifyConfig",
    "VllmConfig",
    "WeaknessConfig",
    "dump",
    "load",
    "names",
    "parse",
]
