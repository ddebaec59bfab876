"""Model files of earlier format versions, which have to load and to score as they always did.

tests/data/v1, v2 and v3 hold models of these versions, trained on random words, and the scores that
the same program gave for them: scores.json has what `rnnlm score --json` printed for some sentences
(one of them empty, some with unknown characters) and for the file v1/text with --document.
"""

import json
from pathlib import Path

import pytest

from rnnlm_cli.model_file import load_model

FOLDER = Path(__file__).parent / "data"
SCORES = {  # by the path of the model
    path.parent / f"{name}.model": scores
    for path in sorted(FOLDER.glob("*/scores.json"))
    for name, scores in json.loads(path.read_text("utf-8")).items()
}
TEXT = FOLDER / "v1" / "text"


def scores_in(lines):
    """Return the scores that a command printed, without the name of the file or the text."""
    scores = [json.loads(line) for line in lines.splitlines()]
    return [{key: value for key, value in score.items() if key != "file"} for score in scores]


def assert_close(scores, expected):
    """Compare the figures that the old version printed: counts exactly, numbers to a millionth."""
    assert len(scores) == len(expected)
    for score, expected_score in zip(scores, expected, strict=True):
        assert {key: score[key] for key in expected_score if key != "file"} == {
            key: pytest.approx(value, rel=1e-6) if isinstance(value, float) else value
            for key, value in expected_score.items() if key != "file"
        }


@pytest.mark.parametrize("path", SCORES, ids=lambda path: path.stem)
def test_an_old_model_scores_sentences_as_it_did(run, path):
    expected = SCORES[path]["sentences"]
    texts = [score["text"] for score in expected]
    code, out, err = run("score", "-m", path, "--json", "--", *texts)
    assert code == 0, err
    assert_close(scores_in(out), expected)


@pytest.mark.parametrize("path", SCORES, ids=lambda path: path.stem)
def test_an_old_model_scores_a_document_as_it_did(run, path):
    code, out, err = run("score", "-m", path, "--json", "--document", TEXT)
    assert code == 0, err
    assert_close(scores_in(out), [SCORES[path]["document"]])


def test_an_old_model_has_no_token_counts(run):
    model = FOLDER / "v2" / "v2-word-gru.model"
    code, _, err = run("score", "-m", model, "x", "--normalize", "slor")
    assert code == 2 and "the model file has no token counts" in err


def test_a_version_3_model_has_its_token_counts():
    model = load_model(FOLDER / "v3" / "v3-char-lstm.model")
    assert model.token_counts_V.sum() == model.training["corpus_tokens"]


@pytest.mark.parametrize("path", SCORES, ids=lambda path: path.stem)
def test_an_old_model_has_no_sampling_settings(run, path):
    assert load_model(path).sampling == {}
    assert json.loads(run("info", path, "--json")[1])["sampling_temperature"] is None
