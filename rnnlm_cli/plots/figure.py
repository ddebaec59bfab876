"""The size, the colours and the writing of figures, for all plots."""

from __future__ import annotations

import io
import textwrap
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rnnlm_cli.errors import RnnlmError
from rnnlm_cli.files.atomic import replace_file
from rnnlm_cli.files.run_files import PLOT_SOFTWARE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INCHES, DOTS_PER_INCH = (8, 5), 150  # 1200 x 750 pixels
# The colours of Okabe and Ito, which colour-blind readers can tell apart, without their yellow,
# which is faint on white.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000", "#56B4E9", "#E69F00")
DASHES = ("-", "--", ":")  # of the first seven lines, the next seven, ...


def write_figure(make_figure: Callable[[], Figure], path: Path) -> None:
    """Write a figure as a PNG. Equal figures give equal bytes.

    Args:
        make_figure: draws the figure.
    Raises: RnnlmError if matplotlib is missing or fails; FileError if the file cannot be written.
    """
    png = io.BytesIO()
    with warnings.catch_warnings():
        # Letters that the font does not have become boxes.
        warnings.filterwarnings("ignore", "Glyph .* missing from")
        # numpy before 2.4 warns when training has set the processor to flush such numbers to zero.
        warnings.filterwarnings("ignore", "The value of the smallest subnormal")
        figure = make_figure()
        with translate_matplotlib_errors():
            figure.savefig(png, format="png", dpi="figure", metadata={"Software": PLOT_SOFTWARE})
    replace_file(path, png.getvalue())


@contextmanager
def translate_matplotlib_errors() -> Iterator[None]:
    """Turn what matplotlib raises for its installation, settings and fonts into RnnlmErrors."""
    try:
        yield
    except ModuleNotFoundError:
        raise RnnlmError(
            "matplotlib: is not installed; it draws the plots. "
            "Install it with pip install matplotlib"
        ) from None
    except (ImportError, OSError, RuntimeError, ValueError) as error:
        reason = textwrap.shorten(str(error) or type(error).__name__, 160, placeholder=" ...")
        raise RnnlmError(
            f"matplotlib: cannot draw the plot ({reason}); a working installation with valid "
            "settings is needed. Look at MPLBACKEND and at matplotlib's settings file"
        ) from None
