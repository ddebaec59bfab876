"""The contents of the plot of contexts: lines, rings, axes, legends. Its look is for the eye."""

import sys

import pytest

from rnnlm_cli.errors import RnnlmError
from rnnlm_cli.plots.context import ContextLine, draw_contexts, make_figure

VISIBLE = [(1, 2.3), (2, 1.9), (5, 1.5)]
SHUFFLED = [(1, 2.1), (2, 1.8), (5, 1.45)]


def make_line(name="gru", *, whole_nats=1.4, visible=VISIBLE, shuffled=SHUFFLED,
              effective=(4, 1.41)):
    return ContextLine(name, whole_nats, visible, shuffled, effective)


def axes_of(*lines):
    (axes,) = make_figure(lines).axes
    return axes


def find_points(axes):
    """(dashes, x, y) of each line, in the order of drawing."""
    return [
        (line.get_linestyle(), *(list(each) for each in line.get_data())) for line in axes.lines
    ]


def find_labels(axes):
    legends = [axes.artists[0], axes.get_legend()]
    return [[text.get_text() for text in each.get_texts()] for each in legends]


def test_a_model_has_three_lines_of_one_colour_and_a_ring():
    axes = axes_of(make_line(), make_line("lstm", effective=None))
    points = find_points(axes)
    assert points[:4] == [
        (":", [0, 1], [1.4, 1.4]), ("--", [1, 2, 5], [2.1, 1.8, 1.45]),
        ("-", [1, 2, 5], [2.3, 1.9, 1.5]), ("None", [4], [1.41]),
    ]
    assert axes.lines[3].get_marker() == "o"
    assert points[4:] == points[:3]  # no ring
    colours = [line.get_color() for line in axes.lines]
    assert len({*colours[:4]}) == len({*colours[4:]}) == 1 and colours[0] != colours[4]


def test_the_legends_have_the_effective_contexts_and_the_styles():
    axes = axes_of(make_line(), make_line("lstm", effective=None), make_line("a", effective=(0, 2)))
    models, styles = find_labels(axes)
    assert models == [
        "gru: effective context 4", "lstm: effective context more than 5", "a: effective context 0"
    ]
    assert styles == [
        "only the last n visible", "farther context shuffled", "all of the context"
    ]
    assert len(axes.lines) == 4 + 3 + 3  # one of 0 tokens has no place on the axis


@pytest.mark.parametrize(
    ("visible", "whole_nats", "top"),
    [(VISIBLE, 1.4, None), ([(1, 4.9), (2, 1.9)], 1.4, 2.8), ([(1, 4.9), (2, 1.9)], 0.2, 1.2)],
)
def test_the_axis_ends_at_twice_the_loss_with_all_of_the_context(visible, whole_nats, top):
    axes = axes_of(make_line(whole_nats=whole_nats, visible=visible))
    if top is None:
        assert 2.3 < axes.get_ylim()[1] < 2.5
    else:
        assert axes.get_ylim()[1] == pytest.approx(top)
    assert axes.get_ylim()[0] < whole_nats


def test_every_n_has_a_tick_and_the_ring_has_room():
    axes = axes_of(make_line(), make_line(visible=[(1, 2.0), (1000, 1.5)], effective=(1800, 1.4)))
    labels = [label.get_text() for label in axes.get_xticklabels()]
    assert labels == ["1", "2", "5", "1,000"]
    assert axes.get_xscale() == "log" and axes.get_xlim()[1] > 1800


@pytest.mark.parametrize(
    ("name", "shown"),
    [(r"$\frac$", r"$\frac$"), ("_x", "_x"), ("a\nb", "a\\nb"), ("b" * 40, None)],
)
def test_a_name_is_shown_literally(tmp_path, name, shown):
    draw_contexts([make_line(name)], tmp_path / "plot.png")
    ((label,), _) = find_labels(axes_of(make_line(name)))
    assert label == f"{shown or 'b' * 11 + '...' + 'b' * 14}: effective context 4"


def test_the_legends_lie_inside_the_picture():
    figure = make_figure([
        make_line(f"a model with the number {number}", effective=None) for number in range(7)
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
        draw_contexts([make_line()], tmp_path / "plot.png")
    assert not (tmp_path / "plot.png").exists()
