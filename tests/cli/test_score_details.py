"""Words, regions, prefixes, mixtures and adaptation on the command line."""

import json
import math
from pathlib import Path

import pytest

from rnnlm_cli.config import SampleConfig
from rnnlm_cli.language_model import LanguageModel
from rnnlm_cli.model_file import Model, save_model
from rnnlm_cli.text.vocabulary import Vocabulary
from tests.builders import save_tiny

LETTERS = Vocabulary("char", ("<unk>", "\n", " ", *"abcde"))


@pytest.fixture
def letters(make_network, tmp_path, monkeypatch):
    """A char model with a space, and one with other weights and the same vocabulary."""
    monkeypatch.chdir(tmp_path)
    for name, cell in (("model.rnnlm", "lstm"), ("other.rnnlm", "gru")):
        network = make_network(vocab_size=8, cell=cell, unknown_trained=False)
        save_model(name, Model(network, LETTERS, False, "utf-8", {}))
    return LanguageModel.load("model.rnnlm")


def rows_of(out):
    return [dict(zip(out.splitlines()[0].split("\t"), line.split("\t"), strict=True))
            for line in out.splitlines()[1:]]


def test_words_as_tidy_rows(letters, run):
    code, out, _ = run("score", "ab cd", "e", "--words", "--format", "tsv")
    assert code == 0
    rows = rows_of(out)
    assert [(row["sentence"], row["word_number"], row["word"], row["length"]) for row in rows] == [
        ("1", "1", "ab", "2"), ("1", "2", "cd", "2"), ("2", "1", "e", "1"),
    ]
    word = letters.words("ab cd")[1]
    assert float(rows[1]["surprisal_bits"]) == pytest.approx(word.nats / math.log(2))
    assert float(rows[1]["entropy_bits"]) == pytest.approx(word.entropy / math.log(2))
    assert int(rows[1]["rank"]) == word.rank


def test_regions_of_sentences_in_the_order_of_the_file(letters, run):
    Path("regions").write_text("2\t0\t1\n1\t3\t5\n1\t0\t5\n")
    _, out, _ = run("score", "ab cd", "e", "--regions", "regions", "--json")
    first, second = (json.loads(line) for line in out.splitlines())
    assert [region["word"] for region in first["words"]] == ["cd", "ab cd"]
    assert [region["word"] for region in second["words"]] == ["e"]
    whole = letters.score("ab cd", with_tokens=True)
    assert first["words"][0]["nats"] == pytest.approx(
        sum(token.nats for token in whole.tokens[3:]), rel=1e-5
    )
    assert first["words"][1]["nats"] == pytest.approx(whole.nats, rel=1e-5)


def test_regions_keep_their_sentences_when_lines_come_in_pieces(letters, run, monkeypatch):
    monkeypatch.setattr("rnnlm_cli.text.raw_bytes.CHUNK_BYTES", 4)
    Path("lines").write_text("ab\ncd\ne\nba\n")
    Path("regions").write_text("4\t1\t2\n2\t0\t1\n")
    _, out, _ = run("score", "-f", "lines", "--regions", "regions", "--json")
    found = [[region["word"] for region in json.loads(line)["words"]] for line in out.splitlines()]
    assert found == [[], ["c"], [], ["a"]]


def test_a_continuation_of_a_prefix(letters, run):
    _, out, _ = run("score", "cd", "--given", "ab ", "--json")
    rest = json.loads(out)
    whole, start = letters.score("ab cd"), letters.score("ab ")
    assert rest["nats"] == pytest.approx(whole.nats - start.nats, rel=1e-5)
    assert (rest["text"], rest["given"], rest["predicted_tokens"]) == ("cd", "ab ", 2)


def test_normalised_scores(letters, run):
    for how, length in (("token", 5), ("char", 5)):
        _, out, _ = run("score", "ab cd", "--normalize", how, "--json")
        line = json.loads(out)
        assert line["score"] == pytest.approx(-line["nats"] / length)


def test_slor_takes_the_frequencies_from_the_training_text(tmp_path, monkeypatch, run):
    monkeypatch.chdir(tmp_path)
    Path("text").write_text("aab " * 500)
    small = ("--hidden-size", 4, "--embedding-size", 4, "--batch-size", 2, "--bptt", 8)
    run("train", "text", "--valid", "text", *small, "--steps", 2)
    _, out, _ = run("score", "aab", "--normalize", "slor", "--json")
    line = json.loads(out)
    counts, total = {"a": 1001, "b": 501}, 2000 + 5
    unigram = 2 * math.log(counts["a"] / total) + math.log(counts["b"] / total)
    assert line["score"] == pytest.approx((-line["nats"] - unigram) / 3)


def test_an_ensemble_averages_probabilities(letters, run):
    scores = [
        json.loads(run("score", "a", "--json", *options)[1])["nats"]
        for options in (["-m", "model.rnnlm"], ["-m", "other.rnnlm"],
                        ["-m", "model.rnnlm", "-m", "other.rnnlm"])
    ]
    mean = (math.exp(-scores[0]) + math.exp(-scores[1])) / 2
    assert math.exp(-scores[2]) == pytest.approx(mean)


def test_tuned_weights_are_said_and_used(letters, run):
    text = "".join(letters.generate(SampleConfig(num_tokens=600, seed=1)))
    Path("held-out").write_text(text)
    models = ["-m", "model.rnnlm", "-m", "other.rnnlm"]
    code, out, err = run("score", "--document", "held-out", "--json", *models, "--tune", "held-out")
    assert code == 0
    first, second = map(float, err.split("held-out: ")[1].split(","))
    assert first > 0.5 and first + second == pytest.approx(1, abs=1e-3)
    untuned = json.loads(run("score", "--document", "held-out", "--json", *models)[1])
    assert json.loads(out)["nats"] < untuned["nats"]


def test_adapted_scores_stand_beside_the_plain_ones(letters, run):
    Path("text").write_text("ab cde\n" * 40)
    plain = json.loads(run("score", "--document", "text", "--json")[1])
    adapted = []
    for options in (["--cache", 20], ["--dynamic"], ["--cache", 20, "--dynamic"]):
        line = json.loads(run("score", "--document", "text", "--json", *options)[1])
        assert {key: line[key] for key in plain} == plain
        adapted.append(line["adapted"]["nats"])
    assert len({plain["nats"], *adapted}) == 4
    code, out, err = run("score", "--document", "text", "text", "--dynamic")
    assert code == 0 and [line.split()[-1] for line in out.splitlines()] == ["text", "adapted"] * 2
    assert "adapted perplexity" in err


def test_formats_of_words_always_count_the_closing_boundary(make_network, tmp_path, monkeypatch,
                                                            run):
    monkeypatch.chdir(tmp_path)
    save_tiny(make_network, tmp_path / "model.rnnlm", level="word")
    for name in ("srilm", "kenlm"):
        code, out, _ = run("score", "a b", "--format", name)
        assert code == 0 and "</s>" in out
