"""Weights to and from PyTorch: the same numbers, the same logits, and nothing else let in."""

import json
import os
from functools import partial
from itertools import product

import pytest
import safetensors.torch
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import nn

from rnnlm_cli.errors import ModelFileError
from rnnlm_cli.model_file import Model
from rnnlm_cli.nn.network import RecurrentNetwork
from rnnlm_cli.text.vocabulary import Vocabulary
from rnnlm_cli.weights_file import load_weights, save_weights

B, E, H, V = 3, 4, 5, 7
INPUTS_TB = torch.tensor([[3, 1, 6], [2, 5, 4]])
VOCABULARY = Vocabulary("char", ("<unk>", "\n", *"abc\u00e9\u4e2d"))
KINDS = {
    "elman_tanh": nn.RNN,
    "elman_relu": partial(nn.RNN, nonlinearity="relu"),
    "gru": nn.GRU, "lstm": nn.LSTM,
}
every_cell = pytest.mark.parametrize("cell", KINDS)
every_network = pytest.mark.parametrize(
    ("cell", "num_layers", "tied"), list(product(KINDS, (1, 2), (False, True)))
)


class Module(nn.Module):
    """A module as a PyTorch user has it."""

    def __init__(self, cell, num_layers, *, tied=False, bias=True):
        super().__init__()
        torch.manual_seed(3)
        self.embedding = nn.Embedding(V, H if tied else E)
        self.rnn = KINDS[cell](H if tied else E, H, num_layers, bias=bias)
        self.output = nn.Linear(H, V, bias=bias)
        if tied:
            self.output.weight = self.embedding.weight

    def forward(self, inputs_TB):
        y_TBH, state = self.rnn(self.embedding(inputs_TB))
        return self.output(y_TBH), state if isinstance(state, tuple) else (state,)


def make_model(make_network, *, tied=False, **settings):
    network = make_network(tied=tied, embedding_size=H if tied else E, **settings)
    generator = torch.Generator().manual_seed(2)
    for parameter in network.parameters():  # biases are zeros else, which all fit
        nn.init.normal_(parameter, std=0.5, generator=generator)
    return Model(network, VOCABULARY, True, "latin-1", {"steps": 3})


def saved(tmp_path, tensors, metadata=None):
    save_file(tensors, tmp_path / "foreign", metadata)
    return tmp_path / "foreign"


def assert_same_outputs(network, module):
    logits_TBV, states = network(INPUTS_TB, network.initial_state(B))
    expected_TBV, expected = module(INPUTS_TB)
    first = 0 if network.config.unknown_trained else 1  # <unk> has no probability then
    torch.testing.assert_close(logits_TBV[..., first:], expected_TBV[..., first:])
    for part, expected_LBH in zip(zip(*states, strict=True), expected, strict=True):
        torch.testing.assert_close(torch.stack(part), expected_LBH)


def assert_same_as_read(module, path, *, cell="gru"):
    weights = load_weights(path, nonlinearity="relu" if cell == "elman_relu" else "tanh")
    network = RecurrentNetwork(weights.config)
    network.load_state_dict(weights.tensors)
    assert_same_outputs(network, module)
    return weights


def refusal(path):
    with pytest.raises(ModelFileError) as error:
        load_weights(path)
    message = str(error.value)
    assert message.startswith(f"{path}: ") and "\n" not in message and len(message) < 700
    return message


@every_network
def test_pytorch_and_rnnlm_read_an_export(make_network, tmp_path, cell, num_layers, tied):
    model = make_model(
        make_network, cell=cell, num_layers=num_layers, tied=tied, dropout=0.25,
        unknown_trained=num_layers == 1,
    )
    save_weights(tmp_path / "weights", model)
    module = Module(cell, num_layers, tied=tied)
    module.load_state_dict(load_file(tmp_path / "weights"))
    assert_same_outputs(model.network, module)
    weights = load_weights(tmp_path / "weights")
    with (tmp_path / "weights").open("r+b") as file:  # no tensor hangs on the file
        file.write(bytes(os.path.getsize(tmp_path / "weights")))
    assert (weights.config, weights.vocabulary) == (model.network.config, VOCABULARY)
    assert (weights.sentences, weights.encoding) == (True, "latin-1")
    state = model.network.state_dict()
    assert weights.tensors.keys() == state.keys()
    for name, tensor in state.items():
        assert torch.equal(weights.tensors[name].view(torch.int32), tensor.view(torch.int32))


def test_the_same_model_gives_the_same_bytes_with_one_metadata_entry(make_network, tmp_path):
    for name in ("once", "again"):
        save_weights(tmp_path / name, make_model(make_network))
    assert (tmp_path / "once").read_bytes() == (tmp_path / "again").read_bytes()
    with safe_open(tmp_path / "once", framework="pt") as file:
        ((key, entry),) = file.metadata().items()
    canonical = json.dumps(json.loads(entry), sort_keys=True, separators=(",", ":"))
    assert (key, entry) == ("rnnlm", canonical)


@every_network
def test_rnnlm_computes_the_same_with_a_modules_weights(tmp_path, cell, num_layers, tied):
    module = Module(cell, num_layers, tied=tied)
    safetensors.torch.save_model(module, tmp_path / "weights")  # one table where tied
    weights = assert_same_as_read(module, tmp_path / "weights", cell=cell)
    assert (weights.config.cell, weights.config.tied) == (cell, tied)
    assert (weights.config.dropout, weights.config.unknown_trained) == (0, True)
    assert (weights.vocabulary, weights.sentences, weights.encoding) == (None, None, None)


@every_cell
def test_biases_that_a_module_lacks_are_zeros(tmp_path, cell):
    module = Module(cell, 2, bias=False)
    assert_same_as_read(module, saved(tmp_path, module.state_dict()), cell=cell)


@pytest.mark.parametrize("dropped", ["", "encoder.weight", "decoder.weight"])
def test_the_names_of_pytorchs_own_example_are_known(tmp_path, dropped):
    module = Module("lstm", 2, tied=bool(dropped))
    names = {"embedding.weight": "encoder.weight", "output.weight": "decoder.weight",
             "output.bias": "decoder.bias"}
    tensors = {names.get(name, name): each.clone() for name, each in module.state_dict().items()}
    tensors.pop(dropped, None)
    weights = assert_same_as_read(module, saved(tmp_path, tensors, {"format": "pt"}))
    assert weights.config.tied == bool(dropped)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_floating_point_becomes_float32(tmp_path, dtype):
    path = saved(tmp_path, (module := Module("gru", 1).to(dtype)).state_dict())
    assert_same_as_read(module.float(), path)


def put(name, *shape, value=0.0, dtype=torch.float32):
    return lambda tensors: tensors.update({name: torch.full(shape, value, dtype=dtype)})


FOREIGN = [
    (lambda t: t.pop("embedding.weight"), ": lacks embedding.weight;"),
    (lambda t: t.pop("output.weight"), ": lacks output.weight;"),  # and E is not H
    (lambda t: t.pop("rnn.weight_hh_l0"), "does not hold the matrices embedding.weight, rnn.w"),
    (lambda t: t.pop("rnn.bias_hh_l1"), ": lacks rnn.bias_hh_l1;"),
    (put("line\n\x1b[31m", 2), r": holds 'line\n\x1b[31m' as well;"),
    (put("encoder.weight", V, E), ": holds 'encoder.weight' as well;"),
    (put("rnn.weight_ih_l0_reverse", 3 * H, E), "is bidirectional"),
    (put("rnn.weight_hr_l0", 3, H), "has projections ('rnn.weight_hr_l0')"),
    (put("embedding.weight", 8, E), ": output.weight is (7, 5) where (8, 5) is needed; output.bia"),
    (put("rnn.weight_hh_l0", 2 * H, H), "is (10, 5), neither (H, H), (3H, H) nor (4H, H);"),
    (put("rnn.weight_hh_l0", 3, 0), "out of range (--hidden-size: '0'"),
    (put("rnn.weight_ih_l1", 3 * H, E), ": rnn.weight_ih_l1 is (15, 4) where (15, 5) is needed;"),
    (put("output.bias", V, dtype=torch.int64), "holds I64 where F16, BF16, F32 or F64 is needed;"),
    (put("output.bias", V, value=1e300, dtype=torch.float64), "not finite in float32"),
    (lambda t: [put(f"{'x' * k}", 1)(t) for k in range(300)], "and 296 more as well;"),
]


@pytest.mark.parametrize(("change", "message"), FOREIGN)
def test_what_is_not_a_language_model_is_refused(tmp_path, change, message):
    tensors = Module("gru", 2).state_dict()
    change(tensors)
    assert message in refusal(saved(tmp_path, tensors))


OURS = [
    (lambda d, _: d.update(version=3), "('rnnlm-weights', 3); ('rnnlm-weights', 2) is needed."),
    (lambda d, _: d.update(format="rnnlm-model"), "('rnnlm-model', 2); ('rnnlm-weights', 2) is"),
    (lambda d, _: d["model"].update(embedding_size=1 << 20, hidden_size=1 << 20), "(7, 1048576)"),
    (lambda d, _: d["model"].pop("dropout"), "hold together"),
    (lambda d, _: d["vocabulary"]["tokens"].pop(), "hold together"),
    (lambda d, _: d.update(encoding=[1]), "hold together"),
    (lambda d, _: d.update(encoding="utf-9"), "hold together"),
    (lambda d, _: d.update(sentences="no"), "hold together"),
    (lambda _, t: t.pop("output.weight"), ": lacks output.weight;"),
    (lambda _, t: t.pop("output.bias"), ": lacks output.bias;"),
    (lambda _, t: t["output.weight"].add_(1), "differ in a model said to be tied"),
]


@pytest.mark.parametrize(("change", "message"), OURS)
def test_a_description_that_does_not_fit_is_refused(make_network, tmp_path, change, message):
    save_weights(tmp_path / "weights", make_model(make_network, tied=True))
    with safe_open(tmp_path / "weights", framework="pt") as file:
        description = json.loads(file.metadata()["rnnlm"])
    tensors = load_file(tmp_path / "weights")
    change(description, tensors)
    assert message in refusal(saved(tmp_path, tensors, {"rnnlm": json.dumps(description)}))


@pytest.mark.parametrize("entry", ["no JSON", "[]", "[" * 100_000, "1" * 10_000, "{}"])
def test_a_description_that_is_none_is_refused(tmp_path, entry):
    path = saved(tmp_path, Module("gru", 1).state_dict(), {"rnnlm": entry})
    assert "its description does not hold together" in refusal(path)


def test_what_is_no_safetensors_file_is_refused(make_network, tmp_path):
    save_weights(tmp_path / "cut", make_model(make_network))
    os.truncate(tmp_path / "cut", os.path.getsize(tmp_path / "cut") - 1)
    torch.save({}, tmp_path / "pickle")
    os.mkfifo(tmp_path / "pipe")
    assert "is no whole safetensors file" in refusal(tmp_path / "cut")
    assert "a pickle, as torch.save writes it" in refusal(tmp_path / "pickle")
    assert "is a folder, a pipe or a device" in refusal(tmp_path / "pipe")
    assert "no such file" in refusal(tmp_path / "none")
