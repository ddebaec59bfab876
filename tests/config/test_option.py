"""Fields that are options: their checks, their names, and what a configuration refuses."""

import math
from dataclasses import dataclass
from typing import Literal

import pytest
import torch

from rnnlm_cli.config.option import (
    Config,
    command_line_fields,
    command_line_type,
    find_problems,
    flag_of,
    number,
    option,
    select_fields,
    whole_number,
)
from rnnlm_cli.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Example(Config):
    size: int = option(3, "Size.", whole_number(1, 9))
    share: float | None = option(None, "Share.", number(above=0, maximum=1), flags=("-s", "--part"))
    kind: Literal["plain", "fancy"] = option("plain", "Kind.")
    internal: int = option(0, None, whole_number(0, 1))

    @classmethod
    def find_conflicts(cls, known):
        if known.get("size", 3) > 5 and "share" in known:
            yield "--part: too much"


@pytest.mark.parametrize("size", [1, 9])
@pytest.mark.parametrize("share", [None, 1, 1e-9])
def test_values_within_the_bounds_are_accepted(size, share):
    if size <= 5 or share is None:
        assert Example(size=size, share=share).size == size


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"size": 0}, "--size: '0' given; a whole number from 1 to 9 is needed"),
        ({"size": 10}, "--size: '10' given; a whole number from 1 to 9 is needed"),
        ({"size": 2.5}, "--size: '2.5' given; a whole number from 1 to 9 is needed"),
        ({"share": 0.0}, "--part: '0' given; a number above 0 and at most 1 is needed"),
        ({"share": math.nan}, "--part: 'nan' given; a number above 0 and at most 1 is needed"),
        ({"share": 1.5}, "--part: '1.5' given; a number above 0 and at most 1 is needed"),
        ({"kind": "odd"}, "--kind: 'odd' given; one of plain, fancy is needed"),
        ({"size": 6, "share": 0.5}, "--part: too much"),
    ],
)
def test_a_value_out_of_bounds_is_refused_with_what_is_needed(values, message):
    with pytest.raises(ConfigError) as caught:
        Example(**values)
    assert str(caught.value) == message


@pytest.fixture(params=[False, True])
def flushing(request):
    """Whether the processor turns subnormal numbers into 0, as it does during a command."""
    torch.set_flush_denormal(request.param)
    yield request.param
    torch.set_flush_denormal(False)


def test_a_subnormal_number_counts_as_zero_whether_or_not_the_processor_flushes(flushing):
    (problem,) = find_problems(Example, {"share": 1e-310})
    needed = "a number above 0 and at most 1"
    if not flushing:
        assert problem.startswith("--part: '1e-310' given; ")
        needed += " (below 2.23e-308 counts as 0)"
    assert problem.endswith(f"{needed} is needed")
    assert number(minimum=0)(1e-310) is None


def test_all_problems_are_named_and_conflicts_only_between_valid_values():
    problems = find_problems(Example, {"size": 70, "share": 7, "kind": None, "other": 1})
    assert [each.split(":")[0] for each in problems] == ["--size", "--part"]


def test_fields_without_help_are_no_options():
    assert command_line_fields(Example) == ["size", "share", "kind"]
    assert select_fields(Example, {"internal": 1, "size": 2, "other": 3}) == {"size": 2}


def test_the_type_on_the_command_line_leaves_none_out():
    assert command_line_type(Example, "share") is float
    assert flag_of(Example, "share") == "--part" and flag_of(Example, "size") == "--size"
