"""The contents of a page with a model."""

import json
from itertools import pairwise

import pytest

from rnnlm_cli import __version__
from rnnlm_cli.model_file import Model
from rnnlm_cli.page import contents
from rnnlm_cli.page.contents import describe_model, thin_history
from rnnlm_cli.page.weights import pack_weights
from rnnlm_cli.text.vocabulary import Vocabulary

TRAINING = {
    "corpus_tokens": 36500, "tokens": 8443904, "steps": 4123, "batch_size": 32, "bptt": 64,
    "lr": 0.005, "optimizer": "adamw", "valid_nats": 1.2321377, "test_nats": None, "seed": 1,
}
HISTORY = [
    {"seconds": 0.5, "step": 10, "tokens": 640, "loss": 2.5, "valid_nats": None, "rate": 0.1},
    {"seconds": 1.0, "step": 20, "tokens": 1280, "loss": 2.25, "valid_nats": 2.5, "rate": 0.1},
]


@pytest.fixture
def model(make_network):
    vocabulary = Vocabulary("char", ("<unk>", "\n", *"abcde"))
    network = make_network(cell="gru", dropout=0.26)
    return Model(network, vocabulary, False, "utf-8", TRAINING, sampling={"temperature": 0.64})


def test_the_contents_hold_all_that_the_page_reads(model):
    found = describe_model(
        model, name="demo.rnnlm", text="abc\n", weight_type="int8", history=HISTORY, corpus="a.txt"
    )
    facts = dict(found.pop("facts"))
    assert json.loads(json.dumps(found, allow_nan=False)) == {
        "kind": "model", "name": "demo.rnnlm", "version": __version__,
        "config": {
            "cell": "gru", "vocab_size": 7, "embedding_size": 4, "hidden_size": 5,
            "num_layers": 2, "tied": False, "unknown_trained": True,
        },
        "sentences": False,
        "vocabulary": {"level": "char", "tokens": ["<unk>", "\n", "a", "b", "c", "d", "e"]},
        "sampling": {"temperature": 0.64},
        "weights": pack_weights(model.network, "int8"),
        "text": "abc\n",
        "history": [{key: record[key] for key in contents.RECORD_KEYS} for record in HISTORY],
        "corpus": "a.txt",
    }
    assert facts == {
        "cell": "GRU", "layers x hidden size": "2 x 5", "embedding size": "4",
        "vocabulary": "7 tokens, level char", "text": "running text",
        "parameters": f"{model.network.num_parameters:,}", "weights in this page": "int8",
        "corpus tokens": "36,500", "training tokens": "8,443,904", "steps": "4,123",
        "batch size": "32", "window": "64", "learning rate": "0.005", "optimizer": "AdamW",
        "dropout": "0.26",
        "validation loss": "1.232 nats per token (perplexity 3.429, 1.778 bits)",
    }


def test_facts_that_a_model_file_does_not_tell_are_left_out(make_network):
    network = make_network(cell="elman_relu", tied=True, embedding_size=5)
    vocabulary = Vocabulary("word", ("<unk>", "\n", *"abcde"))
    model = Model(network, vocabulary, True, None, {"test_nats": 800.0, "optimizer": "other"})
    found = describe_model(model, name="m", text="", weight_type="float16")
    facts = dict(found["facts"])
    assert facts["cell"] == "Elman (ReLU)"
    assert facts["text"] == "sentences, one a line"
    assert facts["embedding size"] == "5 (tied)"
    assert facts["optimizer"] == "other"
    assert facts["test loss"] == "800 nats per token (perplexity inf, 1154 bits)"
    assert not {"steps", "validation loss", "corpus tokens"} & set(facts)
    assert found["history"] == [] and found["corpus"] is None
    assert all(isinstance(part, str) for fact in found["facts"] for part in fact)


def make_history(num_records, valid_nats):
    """Make records; `valid_nats` gives the validation loss of some places."""
    return [
        {"seconds": index, "step": index, "loss": 1.0, "valid_nats": valid_nats.get(index)}
        for index in range(num_records)
    ]


def test_a_long_history_is_thinned_and_keeps_its_minima():
    records = make_history(5000, {11: 3.0, 1234: 2.5, 1235: 2.6, 3333: 2.4, 4321: 2.7})
    steps = [record["step"] for record in thin_history(records)]
    assert len(steps) == 400
    assert steps == sorted(set(steps))
    assert {0, 11, 1234, 3333, 4999} <= set(steps)
    assert max(b - a for a, b in pairwise(steps)) < 15  # 5000 / 397 is 12.6


@pytest.mark.parametrize("num_records", [0, 1, 399, 400])
def test_a_short_history_is_kept_whole(num_records):
    records = make_history(num_records, {index: 3 - index / 999 for index in range(num_records)})
    assert thin_history(records) == records


def test_a_history_of_minima_alone_is_thinned_too():
    """A loss that falls all the time has a minimum at each validation."""
    records = make_history(999, {index: 3 - index / 999 for index in range(1, 999, 2)})
    found = thin_history(records)
    steps = [record["step"] for record in found]
    assert len(steps) == 400
    assert steps[0] == 0 and steps[-1] == 998
    assert 997 in steps  # the lowest of all
