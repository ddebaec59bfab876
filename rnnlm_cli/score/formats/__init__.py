"""Output formats of scores: columns for reading, JSON and TSV for programs, SRILM and KenLM."""

from rnnlm_cli.config import FormatName
from rnnlm_cli.score.formats.format import Format, FormatSettings, Output
from rnnlm_cli.score.formats.json import JsonFormat
from rnnlm_cli.score.formats.kenlm import KenlmFormat
from rnnlm_cli.score.formats.srilm import SrilmFormat
from rnnlm_cli.score.formats.text import TextFormat
from rnnlm_cli.score.formats.tsv import TsvFormat

__all__ = ["Format", "FormatSettings", "Output", "make_format"]


def make_format(name: FormatName, settings: FormatSettings) -> Format:
    """Return the output format with a name."""
    match name:
        case "text":
            return TextFormat(settings)
        case "json":
            return JsonFormat(settings)
        case "tsv":
            return TsvFormat(settings)
        case "srilm":
            return SrilmFormat(settings)
        case "kenlm":
            return KenlmFormat(settings)
