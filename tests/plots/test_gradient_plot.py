"""The contents of the plot of gradients: lines, axes, legends. Its look is for the eye."""

import math
import sys

import numpy as np
import pytest

from rnnlm_cli.errors import RnnlmError
from rnnlm_cli.plots.gradient import GradientLine, draw_gradients, make_figure

FALLING = 0.9 ** np.arange(21)


def make_line(name="gru", *, is_trained=True, layer=1, part="h", norm_K=FALLING, half_life=6.6):
    return GradientLine(name, is_trained, layer, part, norm_K, half_life)


def axes_of(*lines):
    return make_figure(lines).axes


def labels_of(axes):
    legends = [axes.get_legend(), *(each for each in axes.artists)]
    return [[text.get_text() for text in each.get_texts()] for each in legends]


def test_a_model_has_one_colour_bold_after_training_and_thin_and_dashed_before():
    (axes,) = axes_of(
        make_line(), make_line(is_trained=False, norm_K=FALLING**2),
        make_line("lstm"), make_line("lstm", part="c", norm_K=FALLING * 0.5),
    )
    thin, *bold = axes.lines  # the thin line lies under the others
    assert thin.get_ydata().tolist() == (FALLING**2).tolist()
    assert {line.get_linewidth() for line in bold} == {2} and thin.get_linewidth() == 1
    assert thin.get_color() == bold[0].get_color() != bold[1].get_color() == bold[2].get_color()
    styles = [str(line._dash_pattern) for line in (thin, *bold)]
    assert styles[1] == styles[2] and len({*styles}) == 3
    assert (axes.get_yscale(), axes.get_xlim()) == ("log", (0, 20))


def test_the_legends_name_the_half_lives_of_trained_models_and_the_styles_of_the_others():
    (axes,) = axes_of(
        make_line(half_life=None), make_line(is_trained=False),
        make_line("lstm", half_life=19.66), make_line("lstm", part="c", half_life=1234.5),
        make_line("lstm", part="c", is_trained=False),
    )
    styles, models = labels_of(axes)
    assert models == [
        "gru: does not shrink", "lstm, h: half-life 19.7 tokens", "lstm, c: half-life 1,234 tokens"
    ]
    assert styles == ["before training: h", "before training: c"]


def test_every_layer_has_a_panel():
    panels = axes_of(make_line(), make_line(layer=2, norm_K=FALLING**3), make_line("b", layer=2))
    assert [len(axes.lines) for axes in panels] == [1, 2]
    assert [axes.get_ylabel()[:8] for axes in panels] == ["layer 1:", "layer 2:"]
    colours = [line.get_color() for axes in panels for line in axes.lines]
    assert colours[0] == colours[1] != colours[2]


@pytest.mark.parametrize(
    ("norm_K", "bottom", "top"),
    [
        ([2.0, 1.0, 0.5], 0.25, 4.0),
        ([2.0, 1e-3, 1e-80], 1e-12, 4.0),
        ([2.0, 1e80, 1.0], 0.5, 4e6),
        ([2.0, 0.0, math.nan], 1.0, 4.0),
        ([2.0, math.inf, 1.0], 0.5, 4.0),
        ([0.0, 0.0], 0.1, 1.0),
        ([0.0, 3.0], 1.5, 6.0),
    ],
)
def test_the_vertical_axis_shows_12_decades_at_most_below_lag_0(norm_K, bottom, top):
    (axes,) = axes_of(make_line(norm_K=np.array(norm_K)))
    assert axes.get_ylim() == pytest.approx((bottom, top), abs=0)


@pytest.mark.parametrize(
    ("name", "shown"), [("$\\x$", "$\\x$"), ("_x", "_x"), ("a\nb", "a\\nb"), ("b" * 40, None)]
)
def test_a_name_is_shown_literally(tmp_path, name, shown):
    draw_gradients([make_line(name)], tmp_path / "plot.png")
    (axes,) = axes_of(make_line(name))
    ((label,),) = labels_of(axes)
    shown = shown or f"{'b' * 11}...{'b' * 14}"
    assert label == f"{shown}: half-life 6.6 tokens"


def test_the_legends_lie_inside_the_picture():
    figure = make_figure([
        make_line(f"a model with the number {number}", is_trained=is_trained, part=part)
        for number in range(7) for is_trained in (True, False) for part in "hc"
    ])
    figure.draw_without_rendering()
    (axes,) = figure.axes
    for legend in (axes.get_legend(), *axes.artists):
        box = legend.get_window_extent()
        assert 0 <= box.x0 < box.x1 <= figure.bbox.x1 and box.y1 <= figure.bbox.y1
    assert axes.get_legend().get_window_extent().x0 > axes.artists[0].get_window_extent().x1


def test_a_missing_matplotlib_is_one_line(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(RnnlmError, match=r"^matplotlib: "):
        draw_gradients([make_line()], tmp_path / "plot.png")
    assert not (tmp_path / "plot.png").exists()
