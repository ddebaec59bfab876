"""The model file: whole or not at all, checked on load, no code run."""

import errno
import math
import os
import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from rnnlm_cli.errors import ConfigError, FileError, ModelFileError
from rnnlm_cli.files import atomic as files
from rnnlm_cli.model_file import Model, load_model, require_storable, save_model
from rnnlm_cli.text.vocabulary import Vocabulary
from tests.builders import header_of, rewrite_description

VOCABULARY = Vocabulary("char", ("<unk>", "\n", *"abc\u00e9\u4e2d"))


@pytest.fixture
def model(make_network):
    training = {"steps": 3, "valid_nats": 1.25}
    return Model(
        make_network(), VOCABULARY, False, "utf-8", training, sampling={"temperature": 0.92}
    )


@pytest.fixture
def path(tmp_path, model):
    save_model(tmp_path / "model.rnnlm", model)
    return tmp_path / "model.rnnlm"


def test_what_is_saved_is_loaded(path, model):
    loaded = load_model(path)
    assert loaded.vocabulary == VOCABULARY
    assert (loaded.sentences, loaded.encoding, loaded.training) == (
        False, "utf-8", {"steps": 3, "valid_nats": 1.25},
    )
    assert loaded.sampling == {"temperature": 0.92}
    assert loaded.network.config == model.network.config
    for name, tensor in model.network.state_dict().items():
        assert torch.equal(loaded.network.state_dict()[name], tensor)


def test_token_counts_are_saved_and_loaded(path, model, tmp_path):
    assert load_model(path).token_counts_V is None
    counts_V = np.arange(len(VOCABULARY))
    save_model(path, replace(model, token_counts_V=counts_V))
    assert load_model(path).token_counts_V.tolist() == counts_V.tolist()
    save_model(path, replace(model, token_counts_V=counts_V - 3))
    with pytest.raises(ModelFileError, match="its token counts are not numbers of 0 or more"):
        load_model(path)


def test_the_same_model_gives_the_same_bytes_with_one_metadata_entry(path, model, tmp_path):
    save_model(tmp_path / "again", model)
    assert (tmp_path / "again").read_bytes() == path.read_bytes()
    header, _ = header_of(path)
    assert list(header["__metadata__"]) == ["rnnlm"]
    assert os.listdir(tmp_path).count("model.rnnlm") == len(os.listdir(tmp_path)) - 1


def test_every_altered_bit_is_refused(path):
    """Or, in the padding of the header, loads to the same model."""
    data = path.read_bytes()
    expected = load_model(path).network.state_dict()
    for place in range(0, len(data), 41):
        altered = bytearray(data)
        altered[place] ^= 1 << (place % 8)
        path.write_bytes(altered)
        try:
            loaded = load_model(path).network.state_dict()
        except ModelFileError as error:
            assert "\n" not in str(error)
        else:
            assert all(torch.equal(loaded[name], expected[name]) for name in expected)


@pytest.mark.parametrize("part", [0.0, 0.001, 0.1, 0.5, 0.999])
def test_a_truncated_file_is_refused(path, part):
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * part)])
    with pytest.raises(ModelFileError):
        load_model(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.update(version=5), "newer rnnlm"),
        (lambda d: d.update(format="other"), "another program"),
        (lambda d: d.update(sentences=True), "checksum"),
        (lambda d: d["model"].update(hidden_size=6), "do not fit"),
        (lambda d: d["model"].update(hidden_size=1 << 20), "do not fit"),
        (lambda d: d["model"].update(hidden_size="big"), "hold together"),
        (lambda d: d["model"].update(cell="magic"), "hold together"),
        (lambda d: d["model"].update(more=1), "hold together"),
        (lambda d: d["model"].update(tied=None), "hold together"),
        (lambda d: d["model"].update(unknown_trained="\x1b[2J"), "hold together"),
        (lambda d: d["vocabulary"]["tokens"].pop(), "hold together"),
        (lambda d: d.pop("training"), "hold together"),
        (lambda d: d.pop("counted"), "hold together"),
        (lambda d: d.update(version=3) or d.pop("counted"), "hold together"),
        (lambda d: d.update(counted=True), "do not fit"),
        (lambda d: d.pop("sampling"), "hold together"),
        (lambda d: d.update(sampling=0.8), "hold together"),
        (lambda d: d.update(sampling=[0.8]), "hold together"),
        *(
            (lambda d, value=value: d["sampling"].update(temperature=value), "hold together")
            for value in (None, True, "0.8", [0.8], -0.01, 1000.5, 10**400)
        ),
        (lambda d: d["sampling"].update(temperature=math.nan), "not JSON"),
        (lambda d: d["sampling"].update(other="x"), "hold together"),
    ],
)
def test_a_description_that_was_changed_is_refused(path, change, message):
    rewrite_description(path, change)
    with pytest.raises(ModelFileError, match=message) as caught:
        load_model(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "sampling", [{}, {"temperature": 0}, {"temperature": 1000.0}, {"other": -2.5}]
)
def test_sampling_settings_are_kept_even_if_unknown(path, model, sampling):
    save_model(path, replace(model, sampling=sampling))
    assert load_model(path).sampling == sampling


def test_a_pickle_is_refused_and_not_run(tmp_path):
    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "ran"),)

    for name, data in (("plain", pickle.dumps(Trap())), ("zipped", None)):
        path = tmp_path / name
        if data is None:
            torch.save(Trap(), path)
        else:
            path.write_bytes(data)
        with pytest.raises(ModelFileError, match="pickle"):
            load_model(path)
    assert not (tmp_path / "ran").exists()


def test_a_safetensors_file_of_another_program_is_refused(tmp_path):
    save_file({"weight": torch.zeros(2)}, tmp_path / "other", {"format": "pt"})
    with pytest.raises(ModelFileError, match="another program"):
        load_model(tmp_path / "other")


@pytest.mark.parametrize("fault", ["fsync", "replace"])
def test_a_full_disk_leaves_the_old_file_and_no_other(path, model, monkeypatch, fault):
    def fail(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    before = path.read_bytes()
    monkeypatch.setattr(files.os, fault, fail)
    with pytest.raises(FileError, match="No space left"):
        save_model(path, model)
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == ["model.rnnlm"]


@pytest.mark.parametrize(("letter", "num_words"), [("\u0436", 17_000), ("\U0001f600", 10_000)])
def test_a_vocabulary_that_no_model_file_can_hold_is_refused_before_training(
    monkeypatch, letter, num_words
):
    """JSON within JSON writes a Cyrillic letter as seven bytes."""
    monkeypatch.setattr("rnnlm_cli.model_file.MAX_VOCABULARY", 1_000_000)
    words = tuple(f"{letter * 7}{number}" for number in range(num_words))
    vocabulary = Vocabulary("word", ("<unk>", "\n", *words))
    with pytest.raises(ConfigError, match=r"^--vocab-size: the vocabulary of .* can be read back"):
        require_storable(vocabulary)
    require_storable(Vocabulary("word", ("<unk>", "\n", *words[: num_words // 2])))
