"""N-best lists of translation and speech recognition, in the formats of several tools."""

from rnnlm_cli.config import RescoreConfig
from rnnlm_cli.config.rescore import NbestName
from rnnlm_cli.score.nbest.hypothesis import Hypothesis, LineError, NbestFormat
from rnnlm_cli.score.nbest.kaldi import KaldiFormat
from rnnlm_cli.score.nbest.mikolov import MikolovFormat
from rnnlm_cli.score.nbest.moses import MosesFormat
from rnnlm_cli.score.nbest.srilm import SrilmFormat
from rnnlm_cli.score.nbest.tsv import TsvFormat

__all__ = ["Hypothesis", "LineError", "NbestFormat", "make_nbest_format"]


def make_nbest_format(name: NbestName, config: RescoreConfig) -> NbestFormat:
    """Return the format with a name."""
    match name:
        case "moses":
            return MosesFormat(config.feature_name)
        case "kaldi" | "kaldi-words":
            return KaldiFormat(words=name == "kaldi-words")
        case "mikolov":
            return MikolovFormat()
        case "srilm":
            return SrilmFormat()
        case "tsv":
            return TsvFormat(needs_scores=config.is_combined)
