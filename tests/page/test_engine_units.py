"""Units and features in the page are those of `rnnlm inspect units`."""

import numpy as np
import pytest

from rnnlm_cli.inspect.activations import compute_activations
from rnnlm_cli.inspect.features import compute_features
from rnnlm_cli.inspect.units import rank_units
from tests.page.engine_page import make_model, round_model

FEATURE_TEXT = (
    'def f(x, "two (2) words"):\n\t  return [x{1}]  # \u201cA \u00ab\u00bb B\u201d \u201e)\n\n'
    '    \u00c9t\u00e9 ("open\n\n   \t\u01c5 \u0416z\r\n "((\n \n\n\U0001d400"\n'
)


def test_features_are_those_of_python(engine):
    for pieces in (list(FEATURE_TEXT), [*FEATURE_TEXT.split("("), ""], [], ["", "A", ""]):
        found = engine.call("listFeatures", pieces)
        expected = compute_features(pieces)
        assert [each["title"] for each in found] == list(expected)
        for each, values in zip(found, expected.values(), strict=True):
            assert each["values"] == values.tolist(), each["name"]


@pytest.mark.parametrize(("cell", "level"), [("lstm", "char"), ("elman_relu", "word"),
                                             ("gru", "bpe")])
def test_units_are_those_of_python(engine, cell, level):
    model = make_model(level, cell=cell, unknown_trained=True)
    engine.load(model)
    text = FEATURE_TEXT * 20
    pieces = engine.ask("analyse", text=text)["pieces"]
    rounded = round_model(model)
    units_NU, _ = compute_activations(
        rounded.network, model.vocabulary.encode(text), sentences=False
    )
    if cell == "elman_relu":
        units_NU = units_NU / np.where(units_NU.max(axis=0) > 0, units_NU.max(axis=0), 1)
    values_NU = np.array([
        engine.ask("unit", layer=index // 5, unit=index % 5)["values"] for index in range(10)
    ]).T
    np.testing.assert_allclose(values_NU, units_NU, atol=0.5 / 127 + 1e-4)
    check_unit_search(engine, values_NU, position=60)
    check_ranking(engine, units_NU, values_NU, pieces)


def check_unit_search(engine, values_NU, position):
    """Compare the units that are on at a place, and the places of a unit, with all values."""
    deviations = (values_NU[position] - values_NU.mean(axis=0)) / values_NU.std(axis=0).clip(1e-9)
    found = engine.ask("unitsAt", position=position)["units"]
    assert len(found) == 10
    for each in found:
        index = 5 * each["layer"] + each["unit"]
        assert each["deviation"] == pytest.approx(deviations[index], abs=1e-4)
        assert each["value"] == pytest.approx(values_NU[position, index], abs=1e-6)
    sizes = [abs(each["deviation"]) for each in found]
    assert sizes == sorted(sizes, reverse=True)
    found = engine.ask("places", layer=1, unit=2)["places"]
    positions = [each["position"] for each in found]
    sizes = [abs(each["value"]) for each in found]
    assert sizes[0] == np.abs(values_NU[:, 7]).max()
    assert sizes == sorted(sizes, reverse=True)
    assert min(np.diff(sorted(positions))) > 1
    assert [each["value"] for each in found] == values_NU[positions, 7].tolist()


def check_ranking(engine, units_NU, values_NU, pieces):
    """Compare the ranking with rank_units, and its chance level with shifts by numpy.

    Units are stored as int8, in steps of 0.008, so the two agree where a unit varies by more.
    """
    ranking, num_tokens = engine.ask("rank")["features"], len(pieces)
    features = compute_features(pieces)
    shifts = engine.call("drawShifts", num_tokens)
    is_varied_U = units_NU.std(axis=0) > 0.05
    assert is_varied_U.sum() > 4
    assert len(set(shifts)) > 50
    assert min(shifts) >= num_tokens // 10 and max(shifts) <= num_tokens - num_tokens // 10
    for found, other in zip(ranking, rank_units(units_NU, features, num_shuffles=10), strict=True):
        assert found["title"] == other.feature
        r_of = {5 * each["layer"] + each["unit"]: each["r"] for each in found["units"]}
        r_U = np.array([r_of[index] for index in range(10)])
        np.testing.assert_allclose(r_U[is_varied_U], other.r_U[is_varied_U], atol=1e-2)
        sizes = [abs(each["r"]) for each in found["units"]]
        assert sizes == sorted(sizes, reverse=True)
        assert [each["above"] for each in found["units"]] == [
            size > found["chance"] for size in sizes
        ]
        largest_S = [
            np.abs(correlate(values_NU, np.roll(features[other.feature], shift))).max()
            for shift in shifts
        ]
        assert found["chance"] == pytest.approx(np.quantile(largest_S, 0.95), abs=1e-6)


def correlate(units_NU, feature_N):
    """Pearson's r of each unit with a feature."""
    units_NU, feature_N = units_NU - units_NU.mean(axis=0), feature_N - feature_N.mean()
    sizes = np.linalg.norm(units_NU, axis=0) * np.linalg.norm(feature_N)
    return feature_N @ units_NU / np.where(sizes > 0, sizes, 1)


def test_a_feature_that_is_the_same_everywhere_has_no_ranking(engine):
    engine.load(make_model())
    engine.ask("analyse", text="the king")
    found = {each["name"]: each for each in engine.ask("rank")["features"]}
    assert found["quotes"] == {
        "name": "quotes", "title": "inside quotes", "chance": None, "units": []
    }
    assert found["line_position"]["chance"] > 0
