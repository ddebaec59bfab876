"""The worker of the page: weights, long texts, cancelled work and errors."""

import math

import numpy as np
import pytest

from rnnlm_cli.page.contents import describe_model
from tests.page.engine_page import make_model, round_model, score_tokens


def test_float16_numbers_are_those_of_numpy(engine):
    bits = [*range(0, 1 << 16, 37), 0, 1, 0x3FF, 0x400, 0x7BFF, 0x8000, 0x8001, 0xFBFF]
    numbers = np.array(bits, np.uint16).view(np.float16).astype(np.float64)
    finite = np.isfinite(numbers)
    found = engine.browser.run("return given[0].map(float16ToNumber);", bits)["value"]
    assert np.array(found)[finite].astype(float).tolist() == numbers[finite].tolist()


@pytest.mark.parametrize("settings", [{}, {"sentences": True}])
def test_a_long_text_in_rows_is_almost_exact(engine, settings):
    """Lines of sentence models are exact; the others are cut, and warmed up on 256 tokens."""
    model = make_model(cell="gru", num_layers=1, **settings)
    engine.load(model)
    draw = np.random.default_rng(3)
    text = "".join(draw.choice(list("the king's crown\n"), 20_500))
    found = engine.ask("analyse", text=text)
    expected = score_tokens(round_model(model), text)
    assert found["numRows"] == (1 if settings else 8)
    assert "".join(found["pieces"]) == text
    assert found["ids"] == [token.id for token in expected]
    bits = np.array([np.nan if each is None else each for each in found["bits"]])
    nats = np.array([np.nan if each.nats is None else each.nats for each in expected])
    differences = np.abs(bits - nats / math.log(2))
    np.testing.assert_array_equal(np.isnan(bits), np.isnan(nats))
    assert np.nanmax(differences[:1000]) < 1e-4
    assert np.nanmax(differences) < (1e-4 if settings else 1e-2)


@pytest.mark.parametrize("num_lines", [2000, 20_000])  # read in one row, and in several
def test_long_work_can_be_cancelled(engine, num_lines):
    engine.load(make_model(hidden_size=128, num_layers=2))
    answer = engine.browser.run("""
        const analysis = await ask("analyse", {text: "the king\\n".repeat(given[0])}, cancel);
        const text = await ask("generate", {prompt: "", temperature: 1, topP: 1, seed: 1,
                                            maxTokens: 1e9, stop: ""}, cancel);
        return [analysis, {...text, messages: text.messages.length}];
    """, num_lines)
    analysis, text = answer["value"]
    assert analysis["cancelled"] is True and "bits" not in analysis
    assert all(0 <= each["done"] < each["total"] for each in analysis["messages"])
    assert text["cancelled"] is True and text["reason"] == "interrupted"
    assert 0 < len(text["text"]) <= text["messages"] < 1e6
    found = engine.ask("analyse", text="the king\n" * 100)  # the next one is not cancelled
    assert len(found["bits"]) == 900


@pytest.mark.parametrize(("type_", "fields", "message"), [
    ("unit", {"layer": 0, "unit": 0}, "No text has been analysed yet."),
    ("rank", {}, "No text has been analysed yet."),
    ("sing", {}, 'There is no request "sing".'),
])
def test_what_cannot_be_answered_is_an_error(engine, type_, fields, message):
    engine.load(make_model())
    answer = engine.browser.run("return await ask(...given);", type_, fields)
    assert message in answer["error"]


def test_damaged_weights_are_an_error(engine):
    contents = describe_model(make_model(), name="m", text="", weight_type="float16")
    contents["weights"]["arrays"]["output_bias"]["shape"] = [3]
    answer = engine.browser.run("return await ask('load', {contents: given[0]});", contents)
    assert 'The weights "output_bias" of this page are damaged.' in answer["error"]
