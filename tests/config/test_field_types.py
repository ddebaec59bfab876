"""Types of plain data: which values fit which declarations."""

import math
from typing import Literal

import pytest

from rnnlm_cli.config import ModelConfig
from rnnlm_cli.config.field_types import has_type


@pytest.mark.parametrize(("value", "annotation", "fits"), [
    (3, int, True), (True, int, False), (3.0, int, False), (-1, int, False), (1 << 63, int, False),
    (3, float, True), (0.5, float, True), (math.nan, float, False), ("x", float, False),
    (None, float | None, True), ("x", float | None, False), ("a", Literal["a", "b"], True),
    (["a"], Literal["a"], False), ((1, 2), tuple[int, int], True), ((1,), tuple[int, int], False),
    ((), tuple[str, ...], True), ((1,), tuple[str, ...], False), ([(1, 2)], list[tuple[int, int]],
    True), (["ab"], list[tuple[int, int]], False), ({}, dict, True), (5, dict, False),
    (ModelConfig(vocab_size=7), ModelConfig, True), ({}, ModelConfig, False),
    (ModelConfig(vocab_size=7, unknown_trained="no"), ModelConfig, False),
])
def test_a_value_has_a_type_in_all_its_parts(value, annotation, fits):
    assert has_type(value, annotation) is fits
