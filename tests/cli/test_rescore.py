"""rnnlm rescore: lines as a person gets them, the best hypotheses, the tuned weight."""

import gzip
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from threading import Timer

import pytest

from rnnlm_cli.config import TextConfig
from rnnlm_cli.model_file import Model, save_model
from rnnlm_cli.text.vocabulary import Vocabulary
from tests.builders import save_tiny

MOSES = (
    "0 ||| a b  ||| F= -1 -2 ||| -4.42\n"
    "0 ||| c ||| F= -1 -2 ||| -4.42 ||| 0-0\n"
    "1 |||  |||  ||| -1\n"
    "1 ||| x \u0436 ||| F= 1 ||| -3\n"
)
KALDI = "u-1-1 a b\nu-1-2\nu-2-1 c x\n"
SRILM = "-1.5 -2 2 a b\n-1 -3 1 c\n"
TSV = "a b\t-1\n\t-2\nc\t-0.5\n"


@pytest.fixture(autouse=True)
def model(make_network, tmp_path, monkeypatch):
    """A model of the words a, b, c, d and e, each line a sentence."""
    monkeypatch.chdir(tmp_path)
    save_tiny(make_network, tmp_path / "model.rnnlm", level="word", sentences=True)


@pytest.fixture
def rescore(run):
    """Writes files, runs rnnlm rescore on the lists, and returns stdout and stderr."""

    def call(files, *options, extra=()):
        for name, data in files.items():
            Path(name).write_bytes(data if isinstance(data, bytes) else data.encode())
        code, out, err = run("rescore", *(name for name in files if name not in extra), *options)
        assert code == 0, err
        return out, err

    return call


@pytest.fixture
def score(run):
    """Returns -ln p and log10 p of sentences as `rnnlm score` gives them."""

    def call(*texts, options=()):
        Path("sentences").write_text("".join(f"{text}\n" for text in texts))
        _, out, _ = run("score", "-f", "sentences", "--json", *options)
        rows = [json.loads(line) for line in out.splitlines()]
        return [row["nats"] for row in rows], [row["log10_prob"] for row in rows]

    return call


def test_every_format_gets_the_scores_of_rnnlm_score_and_a_line_for_every_line(rescore, score):
    nats, _ = score("a b", "c", "", "x \u0436")
    out, err = rescore({"list": MOSES})
    features = [f"RNNLM0= {0.0 - each:.9g}" for each in nats]
    assert out == (
        f"0 ||| a b  ||| F= -1 -2 {features[0]} ||| -4.42\n"
        f"0 ||| c ||| F= -1 -2 {features[1]} ||| -4.42 ||| 0-0\n"
        f"1 |||  ||| {features[2]}  ||| -1\n"
        f"1 ||| x \u0436 ||| F= 1 {features[3]} ||| -3\n"
    )
    assert err.splitlines() == [
        "rnnlm: note: the lists look like the format moses, and are read as such",
        "rnnlm: note: left out 2 unknown tokens without probability from the sums; this favours "
        "the hypotheses that have them",
    ]
    nats, _ = score("a b", "", "c x")
    out, _ = rescore({"list": KALDI})
    assert out == "".join(
        f"{id_} {each:.4f}\n" for id_, each in zip(("u-1-1", "u-1-2", "u-2-1"), nats, strict=True)
    )
    _, log10_probs = score("a b", "", "c")
    out, _ = rescore({"list": "a b\n\nc"})
    assert out == "".join(f"{each:.6f}\n" for each in log10_probs)
    _, log10_probs = score("a b", "c")
    out, _ = rescore({"list": SRILM})
    assert out == f"-1.5 {log10_probs[0]:.7g} 2 a b\n-1 {log10_probs[1]:.7g} 1 c\n"
    nats, _ = score("a b", "", "c")
    out, err = rescore({"list": TSV}, "--format", "tsv")
    assert out == "".join(
        f"{text}\t{0.0 - each:.9g}\n" for text, each in zip(("a b", "", "c"), nats, strict=True)
    )
    assert err == ""


def test_options_of_scoring_hold_for_hypotheses_too(rescore, score):
    nats, _ = score("a b", "c", options=["--no-closing"])
    out, _ = rescore({"list": "a b\nc\t0\n"}, "--no-closing", "--batch-tokens", "1")
    assert [float(line.split("\t")[1]) for line in out.splitlines()] == pytest.approx(
        [0.0 - each for each in nats], rel=1e-5
    )


def test_costs_of_words_sum_to_the_cost_of_the_hypothesis(rescore):
    totals, _ = rescore({"list": KALDI})
    words, _ = rescore({"list": KALDI}, "--format", "kaldi-words")
    for total, line, num_costs in zip(
        totals.splitlines(), words.splitlines(), (3, 1, 3), strict=True
    ):
        id_, *costs = line.split(" ")
        assert id_ == total.split(" ")[0] and len(costs) == num_costs
        assert sum(map(float, costs)) == pytest.approx(float(total.split(" ")[1]), abs=2e-4)


def test_a_weight_combines_both_scores(rescore):
    plain, _ = rescore({"list": MOSES})
    out, _ = rescore({"list": MOSES}, "--weight", "0.5")
    for before, after in zip(plain.splitlines(), out.splitlines(), strict=True):
        fields, new = before.split("|||"), after.split("|||")
        ln_p = float(fields[2].split()[-1])
        assert float(new[3]) == pytest.approx(float(fields[3]) + 0.5 * ln_p, rel=1e-7)
        assert new[:3] == fields[:3] and new[4:] == fields[4:]
    out, _ = rescore({"list": SRILM}, "--weight", "0")
    assert out == SRILM
    out, _ = rescore({"list": TSV}, "--weight", "0")
    assert out == TSV


@pytest.mark.parametrize(("text", "options", "best"), [
    (MOSES.replace("x \u0436", "d e"), ["--weight", "0"], "a b\n\n"),
    (MOSES.replace("x \u0436", "d e"), [], "c\n\n"),
    (KALDI, [], "u-1\nu-2 c x\n"),
    (KALDI, ["--format", "kaldi-words"], "u-1\nu-2 c x\n"),
    (SRILM, [], "c\n"),
    (SRILM, ["--weight", "0"], "a b\n"),
    (TSV, ["--weight", "0"], "c\n"),
    (TSV, [], "\n"),
    ("a b\nc\n", [], "c\n"),
])
def test_the_best_hypothesis_of_each_list_has_a_line(rescore, text, options, best):
    assert rescore({"list": text}, "--best", *options)[0] == best


def test_several_files_follow_each_other_and_are_lists_of_their_own(rescore):
    files = {"one": SRILM, "empty": "", "two": SRILM}
    assert rescore(files, "--best")[0] == "c\nc\n"
    out, err = rescore(files)
    assert out == rescore({"one": SRILM})[0] * 2
    assert err == "rnnlm: note: the lists look like the format srilm, and are read as such\n"


def test_the_tuned_weight_is_said_and_used_and_can_be_given(rescore):
    files = {"one": "a b c\t-1\nd\t-2\n", "two": "e\t-1\na a\t-2\n", "refs": "d\n e \n"}
    out, err = rescore(files, "--tune", "refs", extra=["refs"])
    note = err.splitlines()[-1]
    assert note.startswith("rnnlm: note: --weight ")
    assert note.endswith(
        "the best hypothesis differs from the reference in 0 of 2 lists; without the model, "
        "with weight 0, in 1"
    )
    weight = note.split()[3].rstrip(":")
    assert out == rescore(files, "--weight", weight, extra=["refs"])[0]
    best, _ = rescore(files, "--tune", "refs", "--best", extra=["refs"])
    assert best == "d\ne\n"
    assert rescore(files, "--weight", "0", "--best", extra=["refs"])[0] == "a b c\ne\n"


def test_references_of_moses_are_found_by_number(rescore):
    files = {"list": MOSES[MOSES.index("1 |||") :], "refs": "?\n\u0436\n"}
    _, err = rescore(files, "--tune", "refs", extra=["refs"])
    assert "in 1 of 1 lists; without the model, with weight 0, in 1" in err


def test_stdin_compressed_files_and_line_ends_make_no_difference(rescore, run, monkeypatch):
    out, _ = rescore({"list": SRILM})
    assert rescore({"list.gz": gzip.compress(SRILM.encode())})[0] == out
    assert rescore({"list": SRILM.replace("\n", "\r\n")})[0] == out
    assert rescore({"list": SRILM.removesuffix("\n")})[0] == out
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(SRILM.encode())))
    assert run("rescore", "-")[1] == out


def test_a_model_of_bytes_takes_any_bytes(make_network):
    vocabulary = Vocabulary.build([], 0, TextConfig(level="byte"))
    network = make_network(vocab_size=len(vocabulary))
    save_model("byte.rnnlm", Model(network, vocabulary, False, None, {}))
    Path("list").write_bytes(b"caf\xe9\t-1\r\n\xff\t-2\r\n")
    result = subprocess.run(
        [sys.executable, "-m", "rnnlm_cli", "rescore", "list", "-m", "byte.rnnlm", "--weight", "0"],
        capture_output=True, env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert result.stdout == b"caf\xe9\t-1\n\xff\t-2\n"


@pytest.mark.parametrize("options", [[], ["--best"], ["--tune", "empty"], ["--format", "moses"]])
def test_empty_lists_have_no_output(rescore, options):
    assert rescore({"empty": "", "also": ""}, *options) == ("", "")


@pytest.mark.parametrize("text", [MOSES, KALDI, SRILM, TSV])
def test_a_list_of_thousands_has_the_scores_of_its_lines(rescore, text):
    lines = text.splitlines(keepends=True)
    some, _ = rescore({"list": text})
    out, _ = rescore({"list": "".join(lines * 2000)})
    assert len(out.splitlines()) == 2000 * len(lines)
    for first, each in zip(some.splitlines() * 2000, out.splitlines(), strict=True):
        for one, other in zip(first.split(), each.split(), strict=True):
            assert one == other or float(one) == pytest.approx(float(other), rel=1e-4)


def test_a_program_can_write_a_line_and_wait_for_its_score():
    with subprocess.Popen(
        [sys.executable, "-m", "rnnlm_cli", "rescore", "-", "--format", "kaldi"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "PYTHONUNBUFFERED": ""},
    ) as process:
        alarm = Timer(60, process.kill)  # instead of waiting for ever
        alarm.start()
        for number in range(3):
            process.stdin.write(f"u-{number} a b\n")
            process.stdin.flush()
            assert process.stdout.readline().startswith(f"u-{number} ")
        process.stdin.close()
        assert process.wait(timeout=60) == 0
    alarm.cancel()


def test_several_models_are_averaged(rescore, make_network):
    save_tiny(make_network, Path("other.rnnlm"), level="word", sentences=True, hidden_size=6)
    one, two, both = (
        rescore({"list": "a b\n"}, *options)[0]
        for options in (["-m", "model.rnnlm"], ["-m", "other.rnnlm"],
                        ["-m", "model.rnnlm", "-m", "other.rnnlm"])
    )
    assert min(float(one), float(two)) < float(both) < max(float(one), float(two))


def test_the_help_explains_the_formats_and_what_a_hypothesis_scores(run, monkeypatch):
    monkeypatch.setenv("COLUMNS", "400")
    code, out, _ = run("rescore", "--help")
    assert code == 0
    for text in ("moses: NUMBER ||| HYPOTHESIS ||| FEATURES ||| TOTAL.", "as rnnlm score scores",
                 "Unknown words without probability are left out of the sum",
                 "tsv: HYPOTHESIS, a tab and SCORE.", "kaldi-words gives the cost of every word"):
        assert text in out
