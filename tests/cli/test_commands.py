"""The commands as a person types them: what stands on stdout, what on stderr."""

import io
import json
import os
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from rnnlm_cli import __version__
from tests.builders import save_tiny


def stdin(monkeypatch, data):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))


def test_several_files_are_scored_one_after_the_other(model_path, run):
    Path("a").write_text("abc\n")
    Path("b").write_text("de\n")
    _, out, _ = run("score", "-f", "a", "-f", "b", "--json", "--tokens")
    assert [json.loads(line)["text"] for line in out.splitlines()] == ["abc", "de"]


def test_score_prints_a_line_a_sentence_in_order(model_path, run):
    code, out, err = run("score", "abc", "", "de")
    assert code == 0
    lines = out.splitlines()
    assert [line.split()[2] for line in lines] == ["3", "0", "2"]
    assert lines[0].endswith("  abc") and lines[2].endswith("  de")
    assert "ln_p" in err and "total: 3 texts, ln p -" in err and "over 5 predicted tokens" in err


def test_a_file_and_stdin_score_like_arguments_empty_lines_included(model_path, run, monkeypatch):
    _, expected, _ = run("score", "abc", "", "de", "--json")
    Path("lines.txt").write_bytes(b"abc\r\n\r\nde")
    assert run("score", "-f", "lines.txt", "--json")[1] == expected
    for arguments in (["-"], ["-f", "-"]):
        stdin(monkeypatch, b"abc\n\nde\n")
        assert run("score", *arguments, "--json")[1] == expected
    assert len(expected.splitlines()) == 3


def test_json_keys_of_score(model_path, run):
    line = json.loads(run("score", "abz", "--json", "--tokens", "--closing")[1])
    assert list(line) == [
        "text", "nats", "log10_prob", "predicted_tokens", "perplexity", "perplexity_excluding_oov",
        "bits_per_char", "bits_per_byte", "oov", "unscored", "closing", "tokens",
    ]
    assert (line["oov"], line["unscored"], line["closing"]) == (1, 1, True)
    assert [list(token) for token in line["tokens"]] == [["token", "nats", "oov"]] * 4
    assert sum(token["nats"] or 0 for token in line["tokens"]) == pytest.approx(line["nats"])
    assert line["tokens"][2] == {"token": "z", "nats": None, "oov": True}


def test_the_closing_boundary_counts_for_sentences_models_unless_told_otherwise(
    make_network, tmp_path, monkeypatch, run
):
    monkeypatch.chdir(tmp_path)
    for sentences in (False, True):
        save_tiny(make_network, tmp_path / "model.rnnlm", sentences=sentences)
        counted = {
            flag: json.loads(run("score", "ab", "--json", *flag)[1])["predicted_tokens"]
            for flag in [(), ("--closing",), ("--no-closing",)]
        }
        assert counted == {(): 2 + sentences, ("--closing",): 3, ("--no-closing",): 2}


def test_documents_by_argument_or_file(model_path, run):
    Path("a.txt").write_text("abc\nde\n")
    lines = run("score", "--document", "a.txt", "-f", "a.txt", "--json")[1].splitlines()
    assert len(lines) == 2 and lines[0] == lines[1]
    document = json.loads(lines[0])
    assert document["file"] == "a.txt" and document["predicted_tokens"] == 7
    cold = json.loads(run("score", "--document", "a.txt", "--reset-every", 4, "--json")[1])
    assert cold["nats"] != document["nats"]


def test_a_document_of_a_sentences_model_is_scored_with_a_warning(
    make_network, tmp_path, monkeypatch, run
):
    monkeypatch.chdir(tmp_path)
    save_tiny(make_network, tmp_path / "model.rnnlm", sentences=True)
    Path("a.txt").write_text("abc\n")
    code, _, err = run("score", "--document", "a.txt")
    assert code == 0 and "note: this model was trained on sentences" in err


def test_an_argument_that_names_a_file_gets_a_hint(model_path, run):
    Path("abc").write_text("abc")
    code, out, err = run("score", "abc")
    assert code == 0 and len(out.splitlines()) == 1 and "-f abc" in err


def test_a_long_sentence_is_no_file_name(model_path, run):
    code, out, _ = run("score", "abc" * 2000, "--json")
    assert code == 0 and json.loads(out)["predicted_tokens"] == 6000


def test_a_bar_shows_how_much_of_a_file_is_scored_where_scores_go_elsewhere(
    model_path, run, monkeypatch
):
    Path("lines.txt").write_text("abc\nde\n" * 50)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    code, out, err = run("score", "-f", "lines.txt", "--json")
    assert code == 0 and len(out.splitlines()) == 100
    assert "100%" in err and "350/350" in err
    assert "%" not in run("score", "abc", "--json")[2]


def test_tokens_show_their_surprisal_in_bits(model_path, run):
    _, out, _ = run("score", "a b", "--tokens")
    _, json_out, _ = run("score", "a b", "--tokens", "--json")
    first = json.loads(json_out)["tokens"][0]
    assert float(out.splitlines()[1].split()[0]) == pytest.approx(
        first["nats"] / 0.6931471805599453, abs=1e-4
    )
    assert out.splitlines()[2].split() == ["unscored", "'", "'", "unknown"]


def test_bytes_that_are_not_utf8_are_scored(make_network, tmp_path, monkeypatch, run):
    monkeypatch.chdir(tmp_path)
    save_tiny(make_network, tmp_path / "model.rnnlm", level="byte")
    _, out, _ = run("score", os.fsdecode(b"ab\xff"), "--json")
    assert json.loads(out)["predicted_tokens"] == 3


def test_info_says_what_the_model_is(model_path, run):
    code, out, _ = run("info")
    assert code == 0
    shown = dict(line.split(None, 1) for line in out.splitlines() if len(line.split()) == 2)
    assert shown["level"] == "char" and shown["cell"] == "lstm" and shown["valid_nats"] == "1.5"
    assert json.loads(run("info", "--json")[1])["hidden_size"] == 5


def test_version(run):
    assert run("--version")[:2] == (0, f"rnnlm {__version__} (PyTorch {version('torch')})\n")


@pytest.mark.parametrize("arguments", [["--help"], ["train", "--help"], ["train"], ["score"]])
def test_help_and_usage_errors_import_neither_torch_nor_numpy(arguments):
    script = (
        "import sys; from rnnlm_cli.cli.main import main; main(sys.argv[1:]);"
        "sys.exit(sum(name in sys.modules for name in ('torch', 'numpy')))"
    )
    result = subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True)
    assert result.returncode == 0, result.stderr


OPTIONS = {
    "train": """--out --level --text --min-count --vocab-size --encoding --cell --nonlinearity
        --layers --embedding-size --hidden-size --tied --dropout --bptt --batch-size --optimizer
        --lr --weight-decay --clip --softmax --softmax-samples --minutes --epochs --steps
        --valid --valid-fraction --test --sample-every --seed --threads --device --resume
        --restart --dry-run --init --patience --accumulate --save-every --cache-dir""",
    "score": """-m --model -f --file --closing --no-closing --tokens --document --rows
        --reset-every --batch-tokens --json --threads --device --format --normalize --words
        --regions --given --ngram --ngram-weight --tune --cache --dynamic --html""",
    "rescore": """-m --model --format --weight --tune --best --name --closing --no-closing
        --batch-tokens --ngram --ngram-weight --threads --device""",
    "pairs": """-m --model --normalize --each --json --closing --no-closing --ngram
        --ngram-weight --threads --device""",
    "generate": """-m --model --prompt -f --file --prompts --interactive --unk --no-echo --encoding
        --novelty --raw --verbose --json -n --n --temperature --temp --samples --seed --precision
        --stop --lines --until-end --top-k --typical --top-p --min-p --repeat-last-n
        --repeat-penalty --presence-penalty --frequency-penalty --no-repeat-ngram --logit-bias
        --forbid --beam --n-best --length-penalty --threads --device""",
    "inspect unroll": "-m --model --json --threads --device",
    "inspect gradient": "-m --model --max-lag --positions -o --out --json --threads --device",
    "inspect context": "-m --model --positions -o --out --json --threads --device",
    "inspect units": "-m --model --top --shuffles --json --threads --device",
    "page": "-m --model --text -o --out --weights --max-size --encoding --force",
    "plot": "-o --out --by",
    "export": "-m --model",
    "cache": "--clear --clear-all --cache-dir",
    "bench": "-m --model --quick --json --threads --device",
}


@pytest.mark.parametrize("command", OPTIONS)
def test_help_names_every_option_that_scripts_rely_on(run, command):
    named = re.findall(r"(?<![\w-])--?[a-z][a-z-]*", run(*command.split(), "--help")[1])
    assert set(OPTIONS[command].split()) <= set(named)
