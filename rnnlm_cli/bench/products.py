"""The matrix products that a network needs, and nothing else: a bound on its speed.

Legend: T time, B batch, H hidden size and input size, G = (number of gates) * H,
N outputs, K inputs of a product.
"""

import statistics

import torch
from torch import Tensor

from rnnlm_cli.bench.timing import Run, measure_seconds
from rnnlm_cli.config import CellName
from rnnlm_cli.nn import kernels
from rnnlm_cli.nn.cells import CELLS
from rnnlm_cli.nn.network import RecurrentNetwork

TRIALS = 7  # timings of each candidate


class WindowProducts:
    """The matrix products of a layer over a window, each as the fastest library computes it.

    Forward: one product for the inputs of all steps, and T recurrent products. Backward: T
    recurrent products, and one each for the gradients of both matrices and of the inputs.
    """

    def __init__(
        self, cell: CellName, batch_size: int, length: int, size: int, device: torch.device
    ) -> None:
        gates = CELLS[cell].num_gates * size
        self._length = length
        x_MH = torch.randn(length * batch_size, size, device=device)
        gates_MG = torch.randn(length * batch_size, gates, device=device)
        weight_GH = torch.randn(gates, size, device=device)
        self._recurrent = choose_fastest_product(x_MH[:batch_size], weight_GH)
        self._recurrent_back = choose_fastest_product(gates_MG[:batch_size], weight_GH.t())
        self._inputs = choose_fastest_product(x_MH, weight_GH)
        self._inputs_back = choose_fastest_product(gates_MG, weight_GH.t())
        self._weights_back = choose_fastest_product(gates_MG.t(), x_MH.t())

    def run_forward(self) -> None:
        """Compute the products of the forward pass."""
        self._inputs()
        for _ in range(self._length):
            self._recurrent()

    def run_forward_and_backward(self) -> None:
        """Compute the products of the forward and the backward pass."""
        self.run_forward()
        for _ in range(self._length):
            self._recurrent_back()
        self._inputs_back()
        for _ in range(2):
            self._weights_back()


def choose_fastest_product(x_MK: Tensor, weight_NK: Tensor) -> Run:
    """Return the fastest way to compute x W^T: the library, the layout, the order of operands."""
    weight_NK, weight_KN = weight_NK.contiguous(), weight_NK.t().contiguous()
    x_KM = x_MK.t().contiguous()
    out_MN, out_NM = x_MK @ weight_KN, weight_NK @ x_KM
    candidates: list[Run] = [
        lambda: torch.mm(x_MK, weight_KN, out=out_MN),
        lambda: torch.mm(weight_NK, x_KM, out=out_NM),
    ]
    on_cpu = x_MK.device.type == "cpu" and x_MK.dtype == torch.float32
    if on_cpu and kernels.has_packed_mkl():
        by_mkl = kernels.pack_mkl(weight_NK, len(x_MK))
        candidates.append(lambda: kernels.multiply_mkl(x_MK, by_mkl, weight_NK, len(x_MK)))
    if on_cpu and kernels.has_onednn():
        by_onednn = kernels.pack_onednn(weight_NK, len(x_MK))
        candidates.append(lambda: kernels.multiply_onednn(x_MK, by_onednn))
    medians = [
        statistics.median(measure_seconds(each, x_MK.device) for _ in range(TRIALS))
        for each in candidates
    ]
    return candidates[medians.index(min(medians))]


def make_step_products(network: RecurrentNetwork, num_rows: int) -> Run:
    """Return the products of one step: two for each layer, and that of the output layer.

    With one row they are products of a matrix and a vector.
    """
    weights = [m for layer in network.recurrent_layers for m in (layer.weight_ih, layer.weight_hh)]
    runs: list[Run] = []
    for weight in (*weights, network.output_table):
        weight_NK = weight.detach()
        x = torch.randn(num_rows, weight_NK.shape[1], device=weight_NK.device)
        if num_rows == 1:
            runs.append(_make_vector_product(weight_NK, x[0]))
        else:
            runs.append(choose_fastest_product(x, weight_NK))
    return lambda: [run() for run in runs]


def _make_vector_product(weight_NK: Tensor, x_K: Tensor) -> Run:
    """Return the product of a matrix and a vector."""
    out_N = weight_NK @ x_K
    return lambda: torch.mv(weight_NK, x_K, out=out_N)
