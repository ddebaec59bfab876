"""Generators: many samples of many prompts, one text as a stream, and interruptions."""

import pytest
import torch

from rnnlm_cli.config import SampleConfig, TextConfig
from rnnlm_cli.errors import ConfigError, TextError
from rnnlm_cli.generate import generator as generator_module
from rnnlm_cli.language_model import LanguageModel
from rnnlm_cli.model_file import Model
from rnnlm_cli.text.vocabulary import Vocabulary

CHARS = Vocabulary("char", ("<unk>", "\n", *"abcde"))
PROMPTS = ["ab", "", "c\nde"]


def config_of(**settings):
    return SampleConfig(**({"num_tokens": 9, "temperature": 1.0, "seed": 7} | settings))


@pytest.fixture
def make_model(make_network):
    def make(*, dtype=torch.float64, sentences=False, **settings):
        network = make_network(**settings).to(dtype)
        with torch.no_grad():
            network.output_weight.mul_(10)  # so that the hidden state decides the next token
        return LanguageModel(Model(network, CHARS, sentences, "utf-8", {}))

    return make


@pytest.fixture
def model(make_model):
    return make_model()


@pytest.mark.parametrize(("name", "limit"), [
    ("MAX_ROWS", 1), ("MAX_ROWS", 3), ("MAX_ROWS", 5), ("MAX_LOGITS", 1), ("MAX_LOGITS", 7 * 9),
])
@pytest.mark.parametrize("num_samples", [1, 4])
def test_the_size_of_a_batch_changes_no_sample(model, monkeypatch, num_samples, name, limit):
    config = config_of(num_samples=num_samples)
    together = list(model.generate_many(PROMPTS, config, with_log_p=True))
    monkeypatch.setattr(generator_module, name, limit)
    bounded = list(model.generate_many(PROMPTS, config, with_log_p=True))
    assert [len(samples) for samples in bounded] == [num_samples] * 3
    for samples, expected in zip(bounded, together, strict=True):
        assert [each.index for each in samples] == [*range(num_samples)]
        assert [each.token_ids for each in samples] == [each.token_ids for each in expected]
        assert [each.log_p for each in samples] == pytest.approx([each.log_p for each in expected])


@pytest.mark.parametrize("settings", [{"num_samples": 2}, {"num_beams": 3, "num_best": 2}])
def test_the_texts_of_a_prompt_do_not_depend_on_the_other_prompts(model, settings):
    if "num_beams" in settings:
        config = SampleConfig(num_tokens=9, **settings)
    else:
        config = config_of(**settings)
    together = list(model.generate_many(iter(PROMPTS), config))
    alone = [next(model.generate_many([prompt], config)) for prompt in PROMPTS]
    texts = [[(each.index, each.text) for each in samples] for samples in together]
    assert texts == [[(each.index, each.text) for each in samples] for samples in alone]
    assert len(set(map(tuple, texts))) == 3
    assert list(model.generate_many([], config)) == []


def test_a_stream_is_the_first_sample(model):
    for prompt in PROMPTS:
        ((sample, _),) = model.generate_many([prompt], config_of(num_samples=2), with_log_p=True)
        stream = model.generate(config_of(), prompt=prompt, with_log_p=True)
        assert "".join(stream) == stream.sample.text == sample.text
        assert stream.sample.token_ids == sample.token_ids
        assert stream.sample.log_p == pytest.approx(sample.log_p)


@pytest.mark.parametrize(
    ("settings", "text", "token_ids", "reason"),
    [
        ({"logit_bias": (("a", 1e4),)}, "aaaaaaaaa", [2] * 9, "length"),
        ({"logit_bias": (("a", 1e4),), "stop": ("x", "aaa")}, "", [2] * 3, "stop"),
        ({"logit_bias": (("\n", 1e4),), "lines": 2}, "\n\n", [1] * 2, "lines"),
        ({"logit_bias": (("\n", 1e4),), "until_end": True}, "", [1], "end"),
        # "a" and "b" together are preferred to the others, and "a" is forbidden.
        ({"logit_bias": (("a", 1e4), ("b", 1e4)), "forbid": ("a",)}, "b" * 9, [3] * 9, "length"),
    ],
)
@pytest.mark.parametrize("how", [{"temperature": 1.0}, {"temperature": 0.0}, {"num_beams": 1}])
def test_a_text_that_is_forced_ends_where_the_settings_say(
    model, settings, text, token_ids, reason, how
):
    config = SampleConfig(**({"num_tokens": 9} | how | settings))
    results = [*next(model.generate_many(["e"], config))]
    if "temperature" in how:
        stream = model.generate(config, prompt="e")
        assert "".join(stream) == text
        results.append(stream.sample)
    for each in results:
        assert (each.text, each.token_ids, each.stop_reason) == (text, token_ids, reason)
        if "temperature" in how:
            assert each.log_p is None and each.score is None
        else:  # ln p with the bias is 0, and without it below
            assert each.score == pytest.approx(0, abs=1e-9) and -99 < each.log_p < -1


def test_a_prompt_of_words_is_continued_after_a_space(make_network):
    words = Vocabulary("word", ("<unk>", "\n", "to", "be", "or", "not", "that"))
    model = LanguageModel(Model(make_network(), words, False, "utf-8", {}))
    config = config_of(num_tokens=2, logit_bias=(("be", 1e4),))
    assert "".join(model.generate(config, prompt="or to")) == " be be"
    assert [[each.text for each in samples] for samples in model.generate_many(
        ["or to", "or to ", ""], config
    )] == [[" be be"], ["be be"], ["be be"]]


@pytest.mark.parametrize("dtype, tolerance", [(torch.float64, 1e-9), (torch.float32, 1e-5)])
@pytest.mark.parametrize("unknown_trained", [False, True])
@pytest.mark.parametrize("alone", [False, True])
def test_log_p_is_the_score_of_the_text(make_model, dtype, tolerance, unknown_trained, alone):
    """Neither the temperature nor the filters change ln p."""
    model = make_model(dtype=dtype, unknown_trained=unknown_trained)
    config = config_of(num_tokens=30, temperature=1.7, top_k=4, repeat_penalty=1.3)
    if alone:
        stream = model.generate(config, with_log_p=True)
        assert len(list(stream)) == 30
        samples = [stream.sample]
    else:
        several = config_of(
            num_tokens=30, temperature=1.7, top_k=4, repeat_penalty=1.3, num_samples=3
        )
        (samples,) = model.generate_many([""], several, with_log_p=True)
    for sample in samples:
        nats = model.score_document(sample.text).nats
        assert sample.log_p == pytest.approx(-nats, rel=0, abs=30 * tolerance)
        assert nats > 10


@pytest.mark.parametrize("num_beams", [None, 2])
def test_log_p_leaves_the_prompt_out(model, num_beams):
    config = SampleConfig(num_tokens=9, num_beams=num_beams)
    ((sample,),) = model.generate_many(["c\nde"], config, with_log_p=True)
    whole, prompt = (model.score_document(text).nats for text in ("c\nde" + sample.text, "c\nde"))
    assert sample.log_p == pytest.approx(prompt - whole)


@pytest.mark.parametrize("num_samples", [1, 2])
def test_a_model_of_sentences_begins_each_line_from_the_zero_state(make_model, num_samples):
    model = make_model(sentences=True)
    config = config_of(num_tokens=40, num_samples=num_samples, temperature=2.0)
    for prompt in ("", "ab\n"):
        samples = next(model.generate_many([prompt], config, with_log_p=True))
        if num_samples == 1:
            stream = model.generate(config, prompt=prompt, with_log_p=True)
            assert len(list(stream)) == 40
            samples.append(stream.sample)
        for sample in samples:
            *lines, last = sample.text.split("\n")
            nats = sum(model.score(line, closing=True).nats for line in lines)
            nats += model.score(last, closing=False).nats if last else 0
            assert sample.log_p == pytest.approx(-nats) and len(lines) > 1


class Interruption:
    """Says that Ctrl-C has come from the n-th time on that it is asked."""

    def __init__(self, call):
        self.calls_left = call

    def __call__(self):
        self.calls_left -= 1
        return self.calls_left <= 0


def generate_until(interruption, model, prompts, config):
    generator = model.make_generator(config, with_log_p=True)
    answers = generator.generate([model.make_prompt(each) for each in prompts], interruption)
    return [sample for samples in answers for sample in samples]


@pytest.mark.parametrize(
    ("name", "limit", "batch_ends"),
    [("MAX_ROWS", 2, [2, 3, 5, 6]), ("MAX_LOGITS", 4 * len(CHARS), [3, 6]), ("MAX_ROWS", 6, [6])],
)
def test_an_interruption_leaves_the_samples_so_far_and_begins_no_others(
    model, monkeypatch, name, limit, batch_ends
):
    """With 2 rows, the 3 samples of a prompt take two batches; with 6, all go in one."""
    monkeypatch.setattr(generator_module, name, limit)
    config, prompts = config_of(num_samples=3, num_tokens=60, until_end=True), ["ab", "d"]
    never = Interruption(10**9)
    complete = generate_until(never, model, prompts, config)
    assert len(complete) == 6
    num_calls, num_interrupted = 10**9 - never.calls_left, 0
    for part in (0.05, 0.3, 0.5, 0.7, 0.95):
        samples = generate_until(Interruption(int(part * num_calls)), model, prompts, config)
        assert len(samples) in batch_ends
        num_interrupted += "interrupted" in [each.stop_reason for each in samples]
        for sample, expected in zip(samples, complete, strict=False):
            if sample.stop_reason == "interrupted":
                assert sample.text == expected.text[: len(sample.token_ids)]
                assert 0 < len(sample.token_ids) < len(expected.token_ids)
            else:
                assert sample == expected
    assert num_interrupted >= 3  # the others fall between two batches


def test_an_interrupted_search_gives_the_best_texts_so_far(model):
    config = SampleConfig(num_tokens=9, num_beams=3, num_best=3)
    for num_tokens in (1, 4):
        shorter = SampleConfig(num_tokens=num_tokens, num_beams=3, num_best=3)
        expected = generate_until(Interruption(99), model, ["ab"], shorter)
        samples = generate_until(Interruption(num_tokens), model, ["ab", "c"], config)
        assert {each.stop_reason for each in samples} == {"interrupted"}
        assert [each.token_ids for each in samples] == [each.token_ids for each in expected]


def test_an_interruption_counts_although_the_rest_of_a_text_completes_a_stop_string(make_network):
    """The first byte of a character, e2, is shown as U+FFFD when the text ends after it."""
    vocabulary = Vocabulary.build([], 0, TextConfig(level="byte"))
    network = make_network(vocab_size=len(vocabulary))
    model = LanguageModel(Model(network, vocabulary, False, None, {}))
    config = config_of(stop=("\ufffd",), logit_bias=(("\udce2", 1e4),), num_samples=2)
    first, second = generate_until(Interruption(1), model, ["a", "b"], config)[:2]
    assert [each.stop_reason for each in (first, second)] == ["stop", "stop"]
    assert [each.token_ids for each in (first, second)] == [[0xE2 + 1], [0xE2 + 1]]


def test_a_stream_that_is_not_read_to_its_end_is_interrupted(model):
    stream = model.generate(config_of())
    unread = stream.sample
    assert list(stream) == []
    assert (unread.text, unread.token_ids, unread.stop_reason) == ("", [], "interrupted")
    config = config_of(stop=("aaaa",), logit_bias=(("a", 1e4),))
    for is_asked in (False, True):
        stream = model.generate(config)
        assert [next(iter(stream)) for _ in range(2)] == ["", ""]
        if is_asked:
            assert [stream.interrupt() for _ in range(2)] == ["aa", ""]  # held back
        assert (stream.sample.text, stream.sample.token_ids) == ("aa", [2, 2])
        assert stream.sample.stop_reason == "interrupted"
        assert list(stream) == []
    ended = model.generate(config)
    assert "".join(ended) == ended.interrupt() == ""
    assert ended.sample.stop_reason == "stop"


def test_the_error_about_unknown_tokens_names_the_prompt(model):
    with pytest.raises(TextError, match=r"^prompt 2: .*'\?' 'x'"):
        model.generate_many(["ab", "a?x", "y"], config_of())  # at once, before any text
    with pytest.raises(TextError, match=r"^prompt: .*'x'"):
        model.generate(config_of(), prompt="ax")
    (skipped,), (expected,) = model.generate_many(["a?xb", "ab"], config_of(), skip_unknown=True)
    assert skipped.token_ids == expected.token_ids


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"forbid": ("a", "xy")}, "--forbid: 'xy' is not a token of the model (level char: "),
        ({"logit_bias": (("ab", 1.0),)}, "--logit-bias: 'ab' is not a token of the model"),
        ({"forbid": ("\n", *"abcde")}, "--forbid: every token is forbidden"),
    ],
)
def test_tokens_that_the_vocabulary_does_not_have_are_refused(model, settings, message):
    for generate in (model.generate, lambda config: model.generate_many([""], config)):
        with pytest.raises(ConfigError) as caught:
            generate(config_of(**settings))
        assert message in str(caught.value)
