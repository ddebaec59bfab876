"""The matrix products that a network cannot do without, and nothing else.

Legend: T time, B batch, H hidden size (inputs are as wide), G = (number of gates) * H,
N outputs, K inputs of a product.
"""

import statistics

import torch
from torch import Tensor

from rnnlm_cli.bench.timing import Run, seconds_of
from rnnlm_cli.config import CellName
from rnnlm_cli.nn.cells import CELLS
from rnnlm_cli.nn.network import RecurrentNetwork


class WindowProducts:
    """The matrix products that a window cannot do without, in the faster order of operands.

    One for the inputs of all steps and T recurrent ones; back, T recurrent ones, and those for
    the gradients of both matrices and of the inputs.
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
        self._recurrent = faster_product(h_BH, weight_GH.t())
        self._recurrent_back = faster_product(grad_BG, weight_GH)

    def forward(self) -> None:
        torch.mm(self._x_MH, self._weight_GH.t(), out=self._gates_MG)
        for _ in range(self._length):
            self._recurrent()

    def both(self) -> None:
        self.forward()
        for _ in range(self._length):
            self._recurrent_back()
        self._gates_MG @ self._weight_GH
        for _ in range(2):
            self._gates_MG.t() @ self._x_MH


def faster_product(x_BK: Tensor, weight_KN: Tensor) -> Run:
    """x W or W^T x^T, whichever is faster, both with operands laid out for it."""
    weight, weight_t = weight_KN.contiguous(), weight_KN.t().contiguous()
    x_t = x_BK.t().contiguous()
    out, out_t = x_BK @ weight, weight_t @ x_t
    orders: tuple[Run, ...] = (
        lambda: torch.mm(x_BK, weight, out=out), lambda: torch.mm(weight_t, x_t, out=out_t),
    )
    medians = [
        statistics.median(seconds_of(order, x_BK.device) for _ in range(7)) for order in orders
    ]
    return orders[medians.index(min(medians))]


def step_products(network: RecurrentNetwork, streams: int) -> Run:
    """The products of one step: two a layer and the output's; with one stream by a vector."""
    weights = [m for layer in network.recurrent_layers for m in (layer.weight_ih, layer.weight_hh)]
    runs: list[Run] = []
    for weight in (*weights, network.output_table):
        weight_NK = weight.detach()
        x = torch.randn(streams, weight_NK.shape[1], device=weight_NK.device)
        if streams == 1:
            runs.append(_vector_product(weight_NK, x[0]))
        else:
            runs.append(faster_product(x, weight_NK.t()))
    return lambda: [run() for run in runs]


def _vector_product(weight_NK: Tensor, x_K: Tensor) -> Run:
    out_N = weight_NK @ x_K
    return lambda: torch.mv(weight_NK, x_K, out=out_N)
