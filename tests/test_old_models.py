"""Model files of earlier format versions, which have to load and to score as they always did.

tests/data/v1 holds three models that rnnlm 0.1.0 trained on random words, and the scores that the
same program gave for them: scores.json has what `rnnlm score --json` printed for some sentences
(one of them empty, some with unknown characters) and for the file `text` with --document.
"""

import json
from pathlib import Path

import pytest

V1_FOLDER = Path(__file__).parent / "data" / "v1"
V1_SCORES = json.loads((V1_FOLDER / "scores.json").read_text("utf-8"))


def scores_in(lines):
    """Return the scores that a command printed, without the name of the file or the text."""
    scores = [json.loads(line) for line in lines.splitlines()]
    return [{key: value for key, value in score.items() if key != "file"} for score in scores]


def assert_close(scores, expected):
    """Compare the figures that version 1 printed: counts exactly, numbers to a millionth."""
    assert len(scores) == len(expected)
    for score, expected_score in zip(scores, expected, strict=True):
        assert {key: score[key] for key in expected_score if key != "file"} == {
            key: pytest.approx(value, rel=1e-6) if isinstance(value, float) else value
            for key, value in expected_score.items() if key != "file"
        }


@pytest.mark.parametrize("name", V1_SCORES)
def test_a_version_1_model_scores_sentences_as_it_did(run, name):
    expected = V1_SCORES[name]["sentences"]
    texts = [score["text"] for score in expected]
    code, out, err = run("score", "-m", V1_FOLDER / f"{name}.model", "--json", "--", *texts)
    assert code == 0, err
    assert_close(scores_in(out), expected)


@pytest.mark.parametrize("name", V1_SCORES)
def test_a_version_1_model_scores_a_document_as_it_did(run, name):
    model, text = V1_FOLDER / f"{name}.model", V1_FOLDER / "text"
    code, out, err = run("score", "-m", model, "--json", "--document", text)
    assert code == 0, err
    assert_close(scores_in(out), [V1_SCORES[name]["document"]])
