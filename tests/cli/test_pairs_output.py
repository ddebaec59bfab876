"""rnnlm pairs: the table of accuracies, JSON, single pairs, groups."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from rnnlm_cli.model_file import Model, save_model
from rnnlm_cli.text.vocabulary import Vocabulary
from tests.builders import save_tiny

LETTERS = Vocabulary("char", ("<unk>", "\n", *"abcde"))
GROUPED = """\
{"sentence_good": "aa", "sentence_bad": "ab", "UID": "letters"}
{"sentence_good": "abc", "sentence_bad": "cba", "UID": "order"}
{"sentence_good": "b", "sentence_bad": "a", "UID": "letters"}
{"sentence_good": "a", "sentence_bad": "e", "UID": "letters"}
"""


@pytest.fixture(autouse=True)
def model(make_network, tmp_path, monkeypatch):
    """A model of independent letters, in which "a" is the likeliest and "e" the rarest."""
    monkeypatch.chdir(tmp_path)
    network = make_network(unknown_trained=False)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
        network.output_bias.copy_(torch.arange(7, 0, -1))
    counts_V = np.array([0, 9, 9, 9, 9, 9, 9])
    save_model("model.rnnlm", Model(network, LETTERS, False, "utf-8", {}, counts_V))


@pytest.fixture
def judge(run):
    """Writes files, runs rnnlm pairs on them, and returns stdout and stderr."""

    def call(files, *options):
        for name, text in files.items():
            Path(name).write_text(text)
        code, out, err = run("pairs", *files, *options)
        assert code == 0, err
        return out, err

    return call


def rows_of(out):
    return [json.loads(line) for line in out.splitlines()]


def test_a_row_for_each_group_and_one_for_all(judge):
    out, err = judge({"pairs": GROUPED})
    assert err == "group      pairs    right    ties  accuracy     low    high\n"
    assert out == (
        "letters        3        2       0     66.67   20.77   93.85\n"
        "order          1        0       1      0.00    0.00   79.35\n"
        "all            4        2       1     50.00   15.00   85.00\n"
    )


def test_json_has_fractions_and_no_heading(judge):
    out, err = judge({"pairs": GROUPED}, "--json")
    rows = rows_of(out)
    assert err == "" and [row["group"] for row in rows] == ["letters", "order", None]
    assert rows[0] == {
        "group": "letters", "pairs": 3, "right": 2, "ties": 0, "accuracy": pytest.approx(2 / 3),
        "low": pytest.approx(0.2077, abs=1e-4), "high": pytest.approx(0.9385, abs=1e-4),
        "unscored": 0,
    }


def test_without_groups_there_is_only_the_total(judge):
    out, _ = judge({"pairs": "aa\tab\nb\ta\n"})
    assert out.split() == ["all", "2", "1", "0", "50.00", "9.45", "90.55"]


def test_pairs_without_a_group_beside_others_have_a_dash(judge):
    out, _ = judge({"pairs": "a\tb\tone\nb\ta\n"}, "--json")
    assert [(row["group"], row["right"]) for row in rows_of(out)] == [
        ("one", 1), ("-", 0), (None, 1)
    ]


def test_without_groups_in_several_files_each_file_is_a_group(judge):
    files = {"x.tsv": "a\tb\n", "y.tsv": "b\ta\nc\td\n", "z.jsonl": GROUPED}
    out, _ = judge(files, "--json")
    assert [(row["group"], row["pairs"], row["right"]) for row in rows_of(out)] == [
        ("x.tsv", 1, 1), ("y.tsv", 2, 1), ("letters", 3, 2), ("order", 1, 0), (None, 7, 4)
    ]


def test_single_pairs_with_their_differences(judge):
    out, err = judge({"pairs": GROUPED.replace('"aa"', '"a\\ta"')}, "--each")
    heading, note = err.splitlines()
    assert heading == "difference\tresult\tgroup\tgood\tbad"
    assert note.startswith("rnnlm: note: 1 of 8 sentences have unknown tokens without probability")
    rows = [line.split("\t") for line in out.splitlines()]
    assert [row[1:] for row in rows] == [
        ["right", "letters", "a\\ta", "ab"], ["tie", "order", "abc", "cba"],
        ["wrong", "letters", "b", "a"], ["right", "letters", "a", "e"],
    ]
    assert [float(row[0]) for row in rows] == pytest.approx([1, 0, -1, 4], abs=1e-5)


def test_single_pairs_as_json(judge):
    out, err = judge({"pairs": "a\te\nx\ta\n"}, "--each", "--json")
    assert len(err.splitlines()) == 1 and "left out of their sums" in err
    assert rows_of(out) == [
        {"difference": pytest.approx(4), "result": "right", "group": "-", "good": "a", "bad": "e",
         "unscored": 0},
        {"difference": None, "result": "tie", "group": "-", "good": "x", "bad": "a",
         "unscored": 1},
    ]
    out, _ = judge({"pairs": "x\ta\n"}, "--each")
    assert out == "NA\ttie\t-\tx\ta\n"


def test_the_total_says_how_many_sentences_have_unscored_words(judge):
    out, err = judge({"pairs": "ax\tbx\na\te\n"}, "--json")
    assert rows_of(out) == [{
        "group": None, "pairs": 2, "right": 2, "ties": 0, "accuracy": 1.0,
        "low": pytest.approx(0.3424, abs=1e-4), "high": 1.0, "unscored": 2,
    }]
    assert err == (
        "rnnlm: note: 2 of 4 sentences have unknown tokens without probability, which are left out "
        "of their sums\n"
    )


def test_options_change_what_is_compared(judge):
    longer = {"pairs": "aab\tb\n"}
    difference = {
        options: rows_of(judge(longer, "--each", "--json", *options)[0])[0]["difference"]
        for options in ((), ("--normalize", "token"), ("--normalize", "slor"), ("--closing",),
                        ("--normalize", "token", "--closing"))
    }
    assert difference[()] < 0 < difference["--normalize", "token"]
    assert difference["--normalize", "slor"] == pytest.approx(difference["--normalize", "token"])
    assert difference["--closing",] == pytest.approx(difference[()])
    assert difference["--normalize", "token", "--closing"] != pytest.approx(
        difference["--normalize", "token"]
    )
    assert judge(longer, "--batch-tokens", "1")[0] == judge(longer)[0]


def test_pairs_come_from_stdin_too(run, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(GROUPED.encode())))
    code, out, _ = run("pairs", "-", "--json")
    assert code == 0 and [row["pairs"] for row in rows_of(out)] == [3, 1, 4]


def test_several_models_judge_together(judge, make_network, tmp_path):
    save_tiny(make_network, tmp_path / "other.rnnlm")
    models = ("-m", "model.rnnlm", "-m", "other.rnnlm")
    (alone, mixed) = (
        rows_of(judge({"pairs": "a\te\n"}, "--each", "--json", *options)[0])[0]["difference"]
        for options in ((), models)
    )
    assert 0 < mixed < alone


def test_the_text_is_decoded_as_the_option_says(judge):
    Path("latin").write_bytes(b"a\xe9\ta\n")
    out, _ = judge({}, "latin", "--each", "--json", "--encoding", "latin-1")
    assert rows_of(out)[0]["good"] == "a\u00e9"
