"""The weights of a page, decoded as their description says, are close to the model's."""

import pytest
import torch
from torch.testing import assert_close

from rnnlm_cli.errors import ConfigError
from rnnlm_cli.page.weights import pack_weights
from tests.page.engine_page import round_weights


@pytest.mark.parametrize("weight_type", ["float16", "int8"])
@pytest.mark.parametrize("tied", [False, True])
def test_every_weight_is_packed(make_network, weight_type, tied):
    network = make_network(tied=tied, embedding_size=5)
    packed = pack_weights(network, weight_type)
    assert packed["type"] == weight_type
    assert list(packed["arrays"]) == list(network.state_dict())
    for array in packed["arrays"].values():
        assert ("scales" in array) == (weight_type == "int8" and len(array["shape"]) == 2)


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


def test_a_weight_that_float16_cannot_hold_is_an_error(make_network):
    network = make_network()
    with torch.no_grad():
        network.layers[1].weight_hh[2, 1] = 65503  # rounds to the largest number
        pack_weights(network, "float16")
        network.layers[1].weight_hh[2, 1] = -70000
    with pytest.raises(ConfigError) as raised:
        pack_weights(network, "float16")
    assert str(raised.value) == (
        "--weights: float16 given; it holds numbers up to 65,504, and the model has a weight of "
        "70,000 in layers.1.weight_hh. Choose --weights int8"
    )
    pack_weights(network, "int8")
