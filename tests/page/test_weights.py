"""The weights of a page decode to those of `round_weights`, and are close to the model's."""

import base64

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from rnnlm_cli.errors import ConfigError
from rnnlm_cli.page.weights import pack_weights, round_weights


def decode(packed, weight_type):
    """Decode an array of a page as its description says."""
    data = base64.b64decode(packed["data"])
    if weight_type == "float16":
        return np.frombuffer(data, "<f2").reshape(packed["shape"]).astype(np.float32)
    if "scales" not in packed:
        return np.frombuffer(data, "<f4").reshape(packed["shape"])
    scales = np.frombuffer(base64.b64decode(packed["scales"]), "<f4")
    return np.frombuffer(data, "i1").reshape(packed["shape"]) * scales[:, None]


@pytest.mark.parametrize("weight_type", ["float16", "int8"])
@pytest.mark.parametrize("tied", [False, True])
def test_packed_weights_are_the_rounded_ones(make_network, weight_type, tied):
    network = make_network(tied=tied, embedding_size=5)
    packed = pack_weights(network, weight_type)
    rounded = round_weights(network, weight_type).state_dict()
    assert packed["type"] == weight_type
    assert list(packed["arrays"]) == list(rounded) == list(network.state_dict())
    for name, array in packed["arrays"].items():
        assert ("scales" in array) == (weight_type == "int8" and len(array["shape"]) == 2)
        np.testing.assert_array_equal(decode(array, weight_type), rounded[name].numpy())


def test_float16_keeps_eleven_bits(make_network):
    network = make_network()
    rounded = round_weights(network, "float16").state_dict()
    for name, weight in network.state_dict().items():
        assert_close(rounded[name], weight, rtol=2**-11, atol=2**-25)
        assert_close(rounded[name], weight.half().float(), rtol=0, atol=0)


def test_int8_is_off_by_half_a_step_at_most(make_network):
    network = make_network()
    with torch.no_grad():
        network.embedding[2] = 0  # a row without a scale
        network.embedding[3] = torch.tensor([1e6, -3e5, 0, 1])
        network.output_bias[1] = 1e6
    rounded = round_weights(network, "int8").state_dict()
    for name, weight in network.state_dict().items():
        if weight.dim() == 2:
            step = weight.abs().amax(dim=1, keepdim=True) / 127
            assert ((rounded[name] - weight).abs() <= 0.501 * step).all()
            assert_close(rounded[name].abs().amax(dim=1), weight.abs().amax(dim=1))
        else:
            assert torch.equal(rounded[name], weight)


def test_rounding_keeps_the_dtype_and_the_network(make_network, float64):
    network = make_network()
    before = network.output_bias.clone()
    for weight_type in ("float16", "int8"):
        rounded = round_weights(network, weight_type)
        assert rounded.embedding.dtype == torch.float64
        assert rounded.config == network.config
    assert torch.equal(network.output_bias, before)


@pytest.mark.parametrize("function", [pack_weights, round_weights])
def test_a_weight_that_float16_cannot_hold_is_an_error(make_network, function):
    network = make_network()
    with torch.no_grad():
        network.layers[1].weight_hh[2, 1] = 65503  # rounds to the largest number
        function(network, "float16")
        network.layers[1].weight_hh[2, 1] = -70000
    with pytest.raises(ConfigError) as raised:
        function(network, "float16")
    assert str(raised.value) == (
        "--weights: float16 given; it holds numbers up to 65,504, and the model has a weight of "
        "70,000 in layers.1.weight_hh. Choose --weights int8"
    )
    function(network, "int8")
