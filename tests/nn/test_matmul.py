"""The products of every library, and the rule that chooses one."""

import pytest
import torch
from torch.testing import assert_close

from rnnlm_cli.config import Precision
from rnnlm_cli.errors import ConfigError
from rnnlm_cli.nn import RecurrentLayer, kernels, matmul
from rnnlm_cli.nn.cells import CELLS
from rnnlm_cli.nn.matmul import (
    Library,
    Products,
    RepeatedMatmul,
    choose_library,
    choose_vector_library,
)

M, K, N = 6, 4, 5
AMD, INTEL = {"sse4a": True}, {"sse4a": False, "avx512_bf16": True}
ROUNDING: dict[Precision, dict[str, float]] = {
    "float32": {}, "bfloat16": {"rtol": 0.02, "atol": 0.05}  # 8 bits for both operands
}


@pytest.fixture(params=[*Library])
def library(request, monkeypatch):
    """Force each library that this PyTorch has, whatever the processor is."""
    for name in ("MIN_PACKED_SIZE", "MIN_PACKED_USES", "MIN_ONEDNN_WORK", "MIN_ONEDNN_SUM",
                 "MIN_BFLOAT16_WORK"):
        monkeypatch.setattr(matmul, name, 1)
    is_missing = {
        Library.MKL_PACKED: not kernels.has_packed_mkl(), Library.ONEDNN: not kernels.has_onednn()
    }
    if is_missing.get(request.param):
        pytest.skip(f"this PyTorch has no {request.param}")
    monkeypatch.setattr(kernels, "CAPABILITIES", AMD if request.param == "oneDNN" else INTEL)
    if request.param is Library.TORCH:
        monkeypatch.setattr(kernels, "MKL_PACK", None)
    return request.param


@pytest.mark.parametrize("precision", ROUNDING)
def test_every_product_equals_the_plain_one(library, precision):
    torch.manual_seed(5)
    products, tolerance = Products(precision), ROUNDING[precision]
    x, weight, bias, grad = (torch.randn(*s) for s in ((M, K), (N, K), (N,), (M, N)))
    assert_close(products.linear(x, weight), x @ weight.T, **tolerance)
    assert_close(products.linear(x, weight, bias), x @ weight.T + bias, **tolerance)
    assert_close(products.multiply(grad, weight), grad @ weight, **tolerance)
    assert_close(products.sum_outer(grad, x), grad.T @ x, **tolerance)
    total = torch.randn(N, K)
    assert_close(products.add_outer(total.clone(), grad, x), total + grad.T @ x, **tolerance)


@pytest.mark.parametrize("precision", ROUNDING)
def test_repeated_products_equal_the_plain_ones(library, precision):
    torch.manual_seed(5)
    x, weight, total = torch.randn(M, K), torch.randn(N, K), torch.randn(M, N)
    repeated = Products(precision).repeat(weight, batch_size=M, num_uses=100)
    if precision == "float32":
        assert repeated.library is library
    tolerance = ROUNDING[precision]
    assert_close(repeated(x), x @ weight.T, **tolerance)
    assert_close(repeated(x, torch.empty(M, N)), x @ weight.T, **tolerance)
    assert_close(repeated.add_to(total.clone(), x), total + x @ weight.T, **tolerance)


@pytest.mark.parametrize("cell", CELLS)
def test_a_layer_has_the_same_outputs_and_gradients_by_every_library(library, cell):
    torch.manual_seed(5)
    layer, x, dy = RecurrentLayer(cell, K, N), torch.randn(3, M, K), torch.randn(3, M, N)
    expected_layer = RecurrentLayer(cell, K, N).double()
    expected_layer.load_state_dict(layer.state_dict())
    results = []
    for each in (layer, expected_layer):
        dtype = each.weight_hh.dtype
        inputs = x.to(dtype).requires_grad_()
        y, _ = each(inputs, each.initial_state(M))
        gradients = torch.autograd.grad(y, [inputs, *each.parameters()], dy.to(dtype))
        results.append([y.float(), *(gradient.float() for gradient in gradients)])
    assert_close(*results)


@pytest.mark.parametrize("capabilities, shape, dtype, num_uses, expected", [
    (AMD, (512, 512), torch.float32, 64, Library.ONEDNN),
    (AMD, (256, 256), torch.float32, 64, Library.TORCH),
    (INTEL, (512, 512), torch.float32, 64, Library.TORCH),
    (INTEL, (1024, 1024), torch.float32, 64, Library.MKL_PACKED),
    (INTEL, (1024, 1024), torch.float32, 2, Library.TORCH),
    (AMD, (512, 512), torch.float64, 64, Library.TORCH),
    (INTEL, (8, 8), torch.bfloat16, 1, Library.ONEDNN),
    ({}, (512, 512), torch.float32, 64, Library.TORCH),
])
def test_processor_shape_and_type_choose_the_library(
    monkeypatch, capabilities, shape, dtype, num_uses, expected
):
    monkeypatch.setattr(kernels, "CAPABILITIES", capabilities)
    weight = torch.zeros(shape, dtype=dtype)
    assert choose_library(weight, 32, num_uses) is expected
    assert choose_library(weight[:, :0], 1, num_uses) is Library.TORCH
    for name in ("MKL_PACK", "ONEDNN_LINEAR"):
        monkeypatch.setattr(kernels, name, None)
    assert choose_library(weight, 32, num_uses) is Library.TORCH
    assert choose_library(weight.to("meta"), 32, num_uses) is Library.TORCH


@pytest.mark.parametrize("capabilities, shape, dtype, expected", [
    (AMD, (1024, 1024), torch.float32, Library.ONEDNN),
    (AMD, (1024, 1023), torch.float32, Library.TORCH),
    (INTEL, (4096, 4096), torch.float32, Library.TORCH),
    (AMD, (1024, 1024), torch.float64, Library.TORCH),
    (INTEL, (8, 8), torch.bfloat16, Library.ONEDNN),
])
def test_processor_size_and_type_choose_the_library_for_vectors(
    monkeypatch, capabilities, shape, dtype, expected
):
    monkeypatch.setattr(kernels, "CAPABILITIES", capabilities)
    weight = torch.zeros(shape, dtype=dtype)
    if kernels.has_onednn():
        assert choose_vector_library(weight) is expected
    assert choose_vector_library(weight.to("meta")) is Library.TORCH
    monkeypatch.setattr(kernels, "ONEDNN_LINEAR", None)
    assert choose_vector_library(weight) is Library.TORCH


def test_bfloat16_changes_no_product_in_float64():
    x, weight = torch.randn(M, K, dtype=torch.float64), torch.randn(N, K, dtype=torch.float64)
    assert torch.equal(Products("bfloat16").linear(x, weight), x @ weight.T)


def test_bfloat16_needs_a_processor_with_instructions_for_it(monkeypatch):
    monkeypatch.setattr(kernels, "CAPABILITIES", AMD)
    with pytest.raises(ConfigError, match="avx512_bf16"):
        matmul.require_bfloat16(torch.device("cpu"))
    if kernels.has_onednn():
        monkeypatch.setattr(kernels, "CAPABILITIES", INTEL)
        matmul.require_bfloat16(torch.device("cpu"))


def test_a_repeated_matmul_keeps_no_view_of_the_weights():
    """Weights change in place after every step; the products of a window do not."""
    weight, x = torch.randn(N, K), torch.randn(M, K)
    repeated = RepeatedMatmul(weight, batch_size=M, num_uses=1)
    expected = x @ weight.T
    weight.zero_()
    assert_close(repeated(x), expected)
