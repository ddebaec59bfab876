"""rnnlm page and rnnlm score --html: the files that they write."""

import json
import math
import re
from pathlib import Path

import pytest

from rnnlm_cli.cli import score_page
from rnnlm_cli.files.run_files import RunFileKind, identify

TEXT = "the quick brown fox jumps over the lazy dog\n" * 40


def read_contents(path):
    """Return the data that a page holds."""
    (data,) = re.findall(
        r'<script type="application/json" id="contents">(.*?)</script>', Path(path).read_text(),
        re.DOTALL,
    )
    return json.loads(data)


def test_a_page_is_named_after_the_model_and_holds_it(model_path, run):
    code, out, err = run("page")
    assert (code, out) == (0, "") and "page: model.html (" in err and "weights in float16" in err
    contents = read_contents("model.html")
    assert contents["name"] == "model.rnnlm" and contents["kind"] == "model"
    assert contents["vocabulary"]["tokens"] == ["<unk>", "\n", *"abcde"]
    assert contents["weights"]["arrays"]["embedding"]["shape"] == [7, 4]
    assert len(contents["text"]) > 20 and contents["history"] == []
    assert identify(Path("model.html")) is RunFileKind.PAGE
    before = Path("model.html").read_bytes()
    assert run("page")[0] == 0 and Path("model.html").read_bytes() == before


def test_a_page_tells_of_the_training_and_of_no_folder(tmp_path, monkeypatch, run):
    (tmp_path / "private").mkdir()
    monkeypatch.chdir(tmp_path / "private")
    Path("fox.txt").write_text(TEXT)
    Path("shown.txt").write_text("over the\nfox")
    run("train", "fox.txt", "--steps", "3", "--hidden-size", "8", "--out", "m.rnnlm")
    code, _, err = run("page", "-m", "m.rnnlm", "--text", "shown.txt", "--out", "p.html",
                       "--weights", "int8")
    assert code == 0, err
    contents = read_contents("p.html")
    assert contents["corpus"] == "fox.txt" and contents["text"] == "over the\nfox"
    assert [record["step"] for record in contents["history"]][-1] == 3
    assert contents["weights"]["type"] == "int8"
    assert "private" not in Path("p.html").read_text()


def test_the_checkpoint_of_another_model_names_no_corpus(tmp_path, monkeypatch, run):
    monkeypatch.chdir(tmp_path)
    for name, text in (("a", "abc\n"), ("b", "cde\n")):
        Path(f"{name}.txt").write_text(text * 200)
        run("train", f"{name}.txt", "--steps", "1", "--hidden-size", "4", "--out", name)
    Path("a.state").write_bytes(Path("b.state").read_bytes())
    Path("a.jsonl").write_text("no history\n")
    assert run("page", "-m", "a")[0] == 0
    contents = read_contents("a.html")
    assert contents["corpus"] is None and contents["history"] == []


def test_scores_with_a_page_print_the_same_as_without(model_path, run):
    Path("lines.txt").write_text("abc\nz\n\nde\n")
    for options in (
        [], ["--json"], ["--json", "--tokens"], ["--format", "tsv", "--words"], ["--tokens"],
        ["--format", "tsv", "--tokens"],
    ):
        plain = run("score", "-f", "lines.txt", *options)
        code, out, err = run("score", "-f", "lines.txt", *options, "--html", "page.html")
        assert (code, out) == plain[:2] and "page: page.html" in err
    tokens = [
        json.loads(line)["tokens"] for line in
        run("score", "-f", "lines.txt", "--json", "--tokens")[1].splitlines()
    ]
    texts = read_contents("page.html")["texts"]
    assert ["".join(text["pieces"]) for text in texts] == ["abc", "z", "", "de"]
    assert texts[1]["bits"] == [None] and texts[1]["ranks"] == [None]
    assert all(rank >= 1 for rank in texts[0]["ranks"]) and all(texts[1]["entropies"])
    for text, scored in zip(texts, tokens, strict=True):
        for bits, token in zip(text["bits"], scored, strict=True):
            if bits is not None:
                assert bits == pytest.approx(token["nats"] / math.log(2), abs=1e-4)


def test_a_page_has_room_for_some_tokens_only(model_path, run, monkeypatch):
    monkeypatch.setattr(score_page, "MAX_TOKENS", 4)
    assert run("score", "abcd", "--html", "page.html")[0] == 0
    Path("page.html").unlink()
    code, _, err = run("score", "abcde", "--html", "page.html")
    assert code == 1 and "page.html: the texts have more than 4 tokens" in err
    assert not Path("page.html").exists()


def test_a_page_that_is_read_is_not_overwritten(model_path, run):
    run("score", "abcd", "--html", "page.html")
    page = Path("page.html").read_bytes()
    code, _, err = run("score", "-f", "page.html", "--html", "page.html")
    assert code == 1 and "page.html: would be overwritten" in err
    assert Path("page.html").read_bytes() == page


def test_a_document_is_one_text_of_the_page(model_path, run):
    Path("private").mkdir()
    Path("private/a.txt").write_text("abc\nde\n")
    assert run("score", "--document", "private/a.txt", "--html", "page.html")[0] == 0
    contents = read_contents("page.html")
    assert contents["name"] == "a.txt"
    (text,) = contents["texts"]
    assert (text["title"], "".join(text["pieces"])) == ("a.txt", "abc\nde\n")
    assert ["model", "model.rnnlm"] in contents["facts"]
    assert run("score", "abc", "--html", "page.html")[0] == 0  # a page of rnnlm is replaced
    assert read_contents("page.html")["name"] == "sentences"


def test_a_foreign_page_is_kept_unless_forced(model_path, run, check_failure):
    Path("own.html").write_text("<!doctype html><title>mine</title>")
    message = "own.html: exists and is not recognised as a page of rnnlm"
    check_failure(["page", "--out", "own.html"], 1, message)
    check_failure(["score", "abc", "--html", "own.html"], 1, message)
    assert run("page", "--out", "own.html", "--force")[0] == 0


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["page", "-m", "none.rnnlm"], 1, "none.rnnlm"),
        (["page", "-m", "cut.rnnlm"], 1, "cut.rnnlm"),
        (["page", "--text", "none.txt"], 1, "none.txt"),
        (["page", "--text", "latin.txt"], 1, "latin.txt"),
        (["page", "--out", "none/p.html"], 1, "none"),
        (["page", "--out", "folder"], 1, "folder"),
        (["page", "--out", "model.rnnlm"], 1, "model.rnnlm"),
        (["page", "--text", "text.txt", "--out", "text.txt", "--force"], 1, "this command reads"),
        (["page", "--max-size", "0"], 2, "--max-size: '0' given"),
        (["page", "--max-size", "0.0001"], 1, "at most 0.0001 MB is allowed"),
        (["page", "--max-size", "0.01"], 1, "at most 0.01 MB is allowed"),
        (["page", "--weights", "float8"], 2, "float8"),
        (["score", "abc", "--html", "none/p.html"], 1, "none"),
        (["score", "abc", "--html", "model.rnnlm"], 1, "model.rnnlm"),
        (["score", "-f", "text.txt", "--html", "text.txt"], 1, "text.txt"),
        (["score", "--document", "text.txt", "--cache", "9", "--html", "p.html"], 2,
         "--html: given with --cache"),
    ],
)
def test_errors_are_one_line_and_write_nothing(check_failure, arguments, code, message):
    check_failure(arguments, code, message)
