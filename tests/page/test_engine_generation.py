"""The network that runs in the page writes texts as the one in Python does."""

import math
from itertools import islice

import numpy as np
import pytest

from rnnlm_cli.config import SampleConfig
from rnnlm_cli.generate.row import iter_uniforms
from rnnlm_cli.generate.stopping import StopStrings
from rnnlm_cli.language_model import LanguageModel
from tests.page.engine_page import CELLS, LEVELS, make_model, round_model


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("num_layers", (1, 2))
@pytest.mark.parametrize("cell", CELLS)
def test_generated_tokens_equal_those_of_python(engine, cell, num_layers, level):
    """Greedy, the first 100 tokens; and with a seed, a temperature and top-p."""
    model = make_model(level, cell=cell, num_layers=num_layers)
    engine.load(model)
    rounded = LanguageModel(round_model(model))
    for temperature, top_p, seed, count in (
        (0, 1, 1, 100), (0.9, 1, 7, 50), (1.3, 0.8, 123456789, 50),
    ):
        config = SampleConfig(
            num_tokens=count, temperature=temperature, top_p=top_p, seed=seed
        )
        expected = rounded.generate(config, prompt="the", with_log_p=True)
        text = "".join(expected)
        found = engine.ask("generate", prompt="the", temperature=temperature, topP=top_p,
                           seed=seed, maxTokens=count, stop="")
        assert [each["id"] for each in found["messages"]] == expected.sample.token_ids
        assert found["text"] == text
        assert found["reason"] == "length"
        log_p = sum(math.log(each["p"]) for each in found["messages"])
        assert log_p == pytest.approx(expected.sample.log_p, abs=1e-3)


def test_uniform_numbers_are_those_of_numpy(engine):
    for seed in (0, 1, 2**31 - 1, 2**53 - 1):
        answer = engine.browser.run(
            "const draw = makeUniforms(given[0]); return Array.from({length: 11}, draw);", seed
        )
        assert answer["value"] == list(islice(iter_uniforms(seed, 0), 11))


@pytest.mark.parametrize("stop", ("t", "ing", "e ", "\nz", "\u00e9", "never"))
def test_a_text_ends_before_the_stop_string_as_in_python(engine, stop):
    model = make_model("bpe")
    engine.load(model)
    config = SampleConfig(num_tokens=60, temperature=1.2, seed=5, stop=(stop,))
    expected = LanguageModel(round_model(model)).generate(config)
    text = "".join(expected)
    found = engine.ask("generate", prompt="", temperature=1.2, topP=1, seed=5, maxTokens=60,
                       stop=stop)
    assert found["text"] == text
    assert found["reason"] == expected.sample.stop_reason
    assert len(found["messages"]) == len(expected.sample.token_ids)
    assert text.startswith("".join(each["piece"] for each in found["messages"]))


def test_text_is_held_back_while_it_can_begin_a_stop_string(engine):
    draw = np.random.default_rng(4)
    for _ in range(60):
        stop = "".join(draw.choice(list("ab"), draw.integers(1, 5)))
        pieces = ["".join(draw.choice(list("abc"), draw.integers(0, 3))) for _ in range(12)]
        python = StopStrings([stop])
        expected = []
        for piece in pieces:
            expected.append(python.feed(piece))
            if expected[-1][1]:
                break
        found = engine.call(
            "((stop, pieces) => pieces.map(makeStop(stop)))", stop, pieces[: len(expected)]
        )
        assert [(each["shown"], each["isFound"]) for each in found] == expected


@pytest.mark.parametrize("level", LEVELS)
def test_candidates_follow_a_text_that_grows_by_hand(engine, level):
    model = make_model(level, sentences=True)
    engine.load(model)
    rounded = LanguageModel(round_model(model))
    ids = model.vocabulary.encode("king \ncaf\u00e9 is").tolist()
    text = ""
    found = engine.ask("candidates", text=text)
    for count, id_ in enumerate(ids):
        if model.vocabulary.encode(text).tolist() == ids[:count]:  # no part of a character
            check_candidates(found["candidates"], rounded, text)
        found = engine.ask("candidates", text=text, append=id_)
        text += found["piece"]
    assert text.split() == ["king", "caf\u00e9", "is"]
    other = engine.ask("candidates", text="the")["candidates"]
    check_candidates(other, rounded, "the")
    again = engine.ask("candidates", text=text)
    assert again["piece"] == ""
    check_candidates(again["candidates"], rounded, text)


def check_candidates(candidates, model, text):
    """Compare candidates with the distribution of the next token in Python."""
    p_V = model.next_token_distribution(text)
    best = p_V.topk(min(20, len(p_V) - 1))  # <unk> has no probability
    assert [each["id"] for each in candidates] == best.indices.tolist()
    np.testing.assert_allclose([each["p"] for each in candidates], best.values, atol=1e-6)
    assert candidates[0]["token"] == spell(model.vocabulary.tokens[best.indices[0]])


def spell(token):
    return "".join(f"\\x{ord(c) - 0xDC00:02x}" if "\udc80" <= c <= "\udcff" else c for c in token)


def test_bytes_that_are_no_text_are_spelled(engine):
    model = make_model("byte")
    engine.load(model)
    ids = [model.vocabulary.tokens.index(token) for token in ("\n", "a", "\udcc3", "\udcff")]
    assert engine.ask("spell", ids=ids)["tokens"] == ["\n", "a", "\\xc3", "\\xff"]
