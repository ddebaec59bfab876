"""The network that runs in the page reads texts as the one in Python does."""

import math

import numpy as np
import pytest

from rnnlm_cli.config import TextConfig
from rnnlm_cli.inspect.unrolled import unroll
from rnnlm_cli.text.pieces import split_pieces
from rnnlm_cli.text.vocabulary import Vocabulary
from tests.page.engine_page import CELLS, LEVELS, TEXT, make_model, round_model, score_tokens

NASTY_TEXTS = (
    "", " ", "\n", "\n\n", "  two  spaces  ", " lead", "trail ", "tab\tand\x0bmore\x0c",
    "a\r\nb\rc\n", "nbsp\u00a0here", "next\u0085line", "\u2028line\u2029", "\x1cfs\x1d\x1e\x1fus",
    "\ufeffbom", "zero\u200bwidth", "\u3000wide\u3000", "\u180e", "caf\u00e9", "cafe\u0301",
    "\U0001f600\U0001f468\u200d\U0001f469", "\u65e5\u672c\u8a9e text \u043c\u0438\u0440",
    "don't we'll I'd they're 've 'M", "'s's 's", "x'sx", "1234 5,678.90", "\u0663\u0664 \u00bd",
    "a1b2", "!?...!! --", " !", "  !", "a  b", "a \n b", "\n \n", "<unk>", "<unk> the <unk>",
    "the\u00a0king", "</script><!--", "\\n", "\0nul", "kingkingking", "ththththe",
    "\udcffraw\udc80\udce9 \udcc3\udca9",
)

# White space to Python, to Unicode or to JavaScript, and their neighbours.
SPACES = (
    "\t\x0b\x0c\r\x1b\x1c\x1d\x1e\x1f \x85\xa0\u1680\u180e\u1fff\u2000\u200a\u200b\u2028\u2029"
    "\u202f\u205f\u2060\u3000\ufeff"
)


def assert_bits_equal(bits, tokens, tolerance):
    assert len(bits) == len(tokens)
    assert [each is None for each in bits] == [token.nats is None for token in tokens]
    pairs = [(each, token.nats / math.log(2)) for each, token in zip(bits, tokens, strict=True)
             if each is not None]
    np.testing.assert_allclose(*np.array(pairs).T, rtol=0, atol=tolerance)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("num_layers", (1, 2))
@pytest.mark.parametrize("cell", CELLS)
def test_surprisals_and_ranks_equal_those_of_python(engine, cell, num_layers, level):
    model = make_model(level, cell=cell, num_layers=num_layers)
    engine.load(model)
    found = engine.ask("analyse", text=TEXT)
    assert found["pieces"] == split_pieces(model.vocabulary, TEXT)
    assert "".join(found["pieces"]) == TEXT
    assert found["numRows"] == 1
    expected = score_tokens(round_model(model), TEXT)
    assert_bits_equal(found["bits"], expected, 1e-4)
    assert_bits_equal(found["bits"], score_tokens(model, TEXT), 1e-2)
    assert found["ids"] == [token.id for token in expected]
    assert found["ranks"] == [token.rank or 0 for token in expected]
    scored = [token.nats for token in expected if token.nats is not None]
    assert found["numPredicted"] == len(scored)
    assert found["totalBits"] == pytest.approx(sum(scored) / math.log(2), abs=1e-3)


@pytest.mark.parametrize("settings", [
    {"sentences": True}, {"sentences": True, "level": "word", "unknown_trained": True},
    {"unknown_trained": True, "cell": "elman_tanh"},
    {"tied": True, "embedding_size": 5, "level": "word"}, {"num_layers": 3, "hidden_size": 6},
])
def test_other_models_are_read_as_python_reads_them(engine, settings):
    model = make_model(**settings)
    for weight_type in ("float16", "int8"):
        engine.load(model, weight_type)
        expected = score_tokens(round_model(model, weight_type), TEXT)
        assert_bits_equal(engine.ask("analyse", text=TEXT)["bits"], expected, 1e-4)


@pytest.mark.parametrize("level", LEVELS)
def test_tokenizers_equal_those_of_python(engine, level):
    model = make_model(level, hidden_size=1, num_layers=1)
    engine.load(model)
    for text in (*NASTY_TEXTS, "".join(NASTY_TEXTS), "a".join(SPACES), TEXT):
        found = engine.ask("analyse", text=text)
        assert found["ids"] == model.vocabulary.encode(text).tolist(), ascii(text)
        joined = "".join(found["pieces"])
        assert joined == text or (level == "word" and not found["ids"]), ascii(text)


def test_pairs_are_merged_in_the_order_of_python(engine):
    """Also where a token can be merged in several ways, and where a merge makes an earlier pair."""
    draw = np.random.default_rng(5)
    single = Vocabulary.build([], 0, TextConfig(level="byte")).tokens
    for _ in range(6):
        tokens, merges = list(single), []
        letters = [tokens.index(letter) for letter in "abc"]
        for _ in range(25):
            left, right = draw.choice([*letters, *range(257, len(tokens))], 2).tolist()
            if (left, right) not in merges and len(tokens[left] + tokens[right]) < 6:
                merges.append((left, right))
                tokens += {tokens[left] + tokens[right]} - set(tokens)
        draw.shuffle(merges)
        vocabulary = Vocabulary("bpe", tuple(tokens), tuple(map(tuple, merges)))
        texts = ["".join(draw.choice(list("abc"), 30)) for _ in range(40)]
        check_encoding(engine, vocabulary, texts)


def test_bpe_splits_a_text_into_the_same_pieces_as_python(engine):
    """With merges inside all pieces of the texts, so that another split gives other tokens."""
    text = "\n".join(NASTY_TEXTS[:-1]) + "\n" + " ".join(NASTY_TEXTS[:-1])
    marked = "".join(f"!{space}!? a{space}b {space}{space}c" for space in SPACES)
    vocabulary = Vocabulary.build(
        [3 * (text + marked)], 3 * len(text + marked), TextConfig(level="bpe", vocab_size=900)
    )
    assert len(vocabulary) > 450
    check_encoding(engine, vocabulary, [text, marked, *NASTY_TEXTS])


def check_encoding(engine, vocabulary, texts):
    found = engine.call(
        "((vocabulary, texts) => { const {encode} = makeTokenizer(vocabulary);"
        " return texts.map(text => Array.from(encode(text).ids)); })", vocabulary.to_dict(), texts,
    )
    for ids, text in zip(found, texts, strict=True):
        assert ids == vocabulary.encode(text).tolist(), ascii(text)


def test_a_character_belongs_to_the_token_of_its_first_byte(engine):
    engine.load(make_model("byte"))
    assert engine.ask("analyse", text="a\u00e9\U0001f600b")["pieces"] == [
        "a", "\u00e9", "", "\U0001f600", "", "", "", "b"
    ]


def test_white_space_belongs_to_the_word_after_it(engine):
    engine.load(make_model("word"))
    assert engine.ask("analyse", text=" the\t king \n\n x ")["pieces"] == [
        " the", "\t king", " \n", "\n", " x "
    ]


@pytest.mark.parametrize("level", ("char", "word", "bpe"))
def test_the_likeliest_tokens_equal_those_of_python(engine, level):
    model = make_model(level)
    engine.load(model)
    found = engine.ask("analyse", text=TEXT)
    rounded = round_model(model)
    steps = list(unroll(rounded.network, model.vocabulary, TEXT, sentences=False))[:-1]
    for index, step in enumerate(steps):
        ids = found["bestIds"][5 * index : 5 * index + 5]
        guesses = [model.vocabulary.tokens[id_] for id_ in ids if id_ >= 0]
        assert guesses == [guess.token for guess in step.guesses]
        np.testing.assert_allclose(
            found["bestP"][5 * index : 5 * index + len(guesses)],
            [guess.probability for guess in step.guesses], atol=1e-6,
        )


@pytest.mark.parametrize("level", ("char", "word"))
@pytest.mark.parametrize("sentences", (False, True))
def test_the_unrolled_network_is_that_of_python(engine, level, sentences):
    model = make_model(level, sentences=sentences)
    engine.load(model)
    text = "the king\nis\x1czebra\u3000!"
    steps = engine.ask("trace", text=text)["steps"]
    rounded = round_model(model)
    expected = list(unroll(rounded.network, model.vocabulary, text, sentences=sentences))
    assert len(steps) == len(model.vocabulary.encode(text)) + 1
    for step, other in zip(steps, expected, strict=True):
        assert (step["input"], step["target"]) == (other.token, other.target)
        np.testing.assert_allclose(step["norms"], other.norms, atol=1e-6)
        assert [each["token"] for each in step["best"]] == [each.token for each in other.guesses]
        assert (step["bits"] is None) == (other.nats is None)
        if step["bits"] is not None:
            assert step["bits"] == pytest.approx(other.nats / math.log(2), abs=1e-4)


def test_only_the_first_40_tokens_are_unrolled(engine):
    engine.load(make_model())
    steps = engine.ask("trace", text="king" * 20)["steps"]
    assert len(steps) == 41
    assert steps[-1]["target"] is None
