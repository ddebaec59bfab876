"""Every option of the commands once: field, default, check, flag, help and panel. No torch."""

from rnnlm_cli.config.adapt import AdaptConfig
from rnnlm_cli.config.inspect import ContextConfig, GradientConfig, UnitsConfig
from rnnlm_cli.config.machine import MachineConfig, Precision
from rnnlm_cli.config.mixture import DEFAULT_NGRAM_WEIGHT, MixtureConfig
from rnnlm_cli.config.model import CellKind, CellName, ModelConfig, Nonlinearity
from rnnlm_cli.config.option import MAX_SEED, MAX_SIZE
from rnnlm_cli.config.page import PageConfig, WeightType
from rnnlm_cli.config.pairs import PairsConfig
from rnnlm_cli.config.rescore import RescoreConfig
from rnnlm_cli.config.sample import SampleConfig, StepPrecision
from rnnlm_cli.config.score import FormatName, Normalization, ScoreConfig
from rnnlm_cli.config.text import BOUNDARY_ID, UNKNOWN_ID, Level, TextConfig, TextMode
from rnnlm_cli.config.train import OptimizerName, SoftmaxName, TrainConfig

__all__ = [
    "BOUNDARY_ID", "DEFAULT_NGRAM_WEIGHT", "MAX_SEED", "MAX_SIZE", "UNKNOWN_ID", "AdaptConfig",
    "CellKind", "CellName", "ContextConfig", "FormatName", "GradientConfig", "Level",
    "MachineConfig", "MixtureConfig", "ModelConfig", "Nonlinearity", "Normalization",
    "OptimizerName", "PageConfig", "PairsConfig", "Precision", "RescoreConfig", "SampleConfig",
    "ScoreConfig", "SoftmaxName", "StepPrecision", "TextConfig", "TextMode", "TrainConfig",
    "UnitsConfig", "WeightType",
]
