"""Requests: checked before a text is read."""

from pathlib import Path

import pytest

import rnnlm_cli
from rnnlm_cli.errors import ConfigError
from tests.training import request


def test_all_problems_of_a_request_are_named_at_once():
    with pytest.raises(ConfigError) as caught:
        request("text", valid=["more"], level="byte", min_count=2, num_layers=0, minutes=1,
                steps=2, valid_fraction=0.2).check()
    flags = ("--min-count", "--layers", "--minutes and --steps", "--valid and --valid-fraction")
    assert all(each in str(caught.value) for each in flags)


def test_an_unknown_setting_is_refused():
    wrong = rnnlm_cli.TrainingRequest(
        sources=rnnlm_cli.Sources(("text",)), settings={"hiden_size": 3}
    )
    with pytest.raises(ConfigError, match="hiden_size: there is no such setting"):
        wrong.check()


def test_a_tied_embedding_size_is_compared_with_the_hidden_size_that_will_be_chosen():
    request("text", tied=True, embedding_size=256, steps=3).check()
    with pytest.raises(ConfigError, match="--tied: --embedding-size 3 and --hidden-size 256"):
        request("text", tied=True, embedding_size=3, steps=3).check()


def test_a_request_without_a_text_is_refused_before_anything_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match="TEXT: nothing given"):
        rnnlm_cli.start_run(request())
    assert not list(Path().iterdir())
