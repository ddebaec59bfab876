"""The matrix products that a network needs, and nothing else: a bound on its speed.

Legend: T time, B batch, H hidden size and input size, G = (number of gates) * H,
N outputs, K inputs of a product.
"""

import statistics

import torch
from torch import Tensor

from rnnlm_cli.bench.timing import Run, measure_seconds
from rnnlm_cli.config import CellName
from rnnlm_cli.nn.cells import CELLS
from rnnlm_cli.nn.network import RecurrentNetwork


class WindowProducts:
    """The matrix products of a layer over a window, in the faster order of operands.

    Forward: one product for the inputs of all steps, and T recurrent products. Backward: T
    recurrent products, and one each for the gradients of both matrices and of the inputs.
    """

    def __init__(
        self, cell: CellName, batch_size: int, length: int, size: int, device: torch.device
    ) -> None:
        gates = CELLS[cell].num_gates * size
        self._length = length
        self._x_MH = torch.randn(length * batch_size, size, device=device)
        self._gates_MG = torch.randn(length * batch_size, gates, device=device)
        weight_GH = torch.randn(gates, size, device=device)
        self._weight_GH = weight_GH
        h_BH = torch.randn(batch_size, size, device=device)
        grad_BG = torch.randn(batch_size, gates, device=device)
        self._recurrent = choose_faster_product(h_BH, weight_GH.t())
        self._recurrent_back = choose_faster_product(grad_BG, weight_GH)

    def run_forward(self) -> None:
        """Compute the products of the forward pass."""
        torch.mm(self._x_MH, self._weight_GH.t(), out=self._gates_MG)
        for _ in range(self._length):
            self._recurrent()

    def run_forward_and_backward(self) -> None:
        """Compute the products of the forward and the backward pass."""
        self.run_forward()
        for _ in range(self._length):
            self._recurrent_back()
        self._gates_MG @ self._weight_GH
        for _ in range(2):
            self._gates_MG.t() @ self._x_MH


def choose_faster_product(x_BK: Tensor, weight_KN: Tensor) -> Run:
    """Return x W or W^T x^T, whichever is faster with operands laid out for it."""
    weight, weight_t = weight_KN.contiguous(), weight_KN.t().contiguous()
    x_t = x_BK.t().contiguous()
    out, out_t = x_BK @ weight, weight_t @ x_t
    orders: tuple[Run, ...] = (
        lambda: torch.mm(x_BK, weight, out=out), lambda: torch.mm(weight_t, x_t, out=out_t),
    )
    medians = [
        statistics.median(measure_seconds(order, x_BK.device) for _ in range(7)) for order in orders
    ]
    return orders[medians.index(min(medians))]


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
            runs.append(choose_faster_product(x, weight_NK.t()))
    return lambda: [run() for run in runs]


def _make_vector_product(weight_NK: Tensor, x_K: Tensor) -> Run:
    """Return the product of a matrix and a vector."""
    out_N = weight_NK @ x_K
    return lambda: torch.mv(weight_NK, x_K, out=out_N)
