"""The states of many rows after a step, from their gates: the equations of `cells.py`, compiled.

A step of `stepper.py` with many rows takes a tenth of its time in the pointwise operations of
PyTorch, each of which its threads begin and end together. Here one thread needs a quarter of that.

Legend: B rows, H hidden size, G = (number of gates) * H.
"""

from rnnlm_cli.nn.fused.compiler import Array, compiled
from rnnlm_cli.nn.fused.pointwise import HALF, sigmoid, tanh


@compiled
def update_gru(
    r_x: Array, z_x: Array, n_x: Array, r_h: Array, z_h: Array, n_h: Array, h: Array
) -> None:
    """Update the state of one row. The gates from x and those from h are given apart."""
    for j in range(len(h)):
        n = tanh(n_x[j] + sigmoid(r_x[j] + r_h[j]) * n_h[j])
        h[j] = n + sigmoid(z_x[j] + z_h[j]) * (h[j] - n)


@compiled
def update_lstm(i: Array, f: Array, g: Array, o: Array, h: Array, c: Array) -> None:
    """Update the state of one row."""
    for j in range(len(h)):
        c_after = sigmoid(f[j]) * c[j] + sigmoid(i[j]) * tanh(g[j])
        c[j], h[j] = c_after, sigmoid(o[j]) * tanh(c_after)


@compiled
def _update_lstm_of_doubled_g(
    i: Array, f: Array, doubled_g: Array, o: Array, h: Array, c: Array
) -> None:
    for j in range(len(h)):
        c_after = sigmoid(f[j]) * c[j] + sigmoid(i[j]) * tanh(HALF * doubled_g[j])
        c[j], h[j] = c_after, sigmoid(o[j]) * tanh(c_after)


@compiled
def update_gru_rows(x_BG: Array, gates_BG: Array, whole: Array, begin: int, size: int) -> None:
    """Update the states of many rows.

    Args:
        x_BG, gates_BG: the gates from x and those from h.
        whole: a contiguous matrix with B rows, of which h is the columns from `begin` on.
        size: H.
    """
    for row in range(len(whole)):
        x, gates = x_BG[row], gates_BG[row]
        update_gru(
            x[:size], x[size : 2 * size], x[2 * size :], gates[:size], gates[size : 2 * size],
            gates[2 * size :], whole[row, begin : begin + size],
        )


@compiled
def update_lstm_rows(gates_BG: Array, whole: Array, begin: int, size: int, c_BH: Array) -> None:
    """Update the states of many rows; see `update_gru_rows`. The gates hold 2 g in place of g."""
    for row in range(len(whole)):
        gates = gates_BG[row]
        _update_lstm_of_doubled_g(
            gates[:size], gates[size : 2 * size], gates[2 * size : 3 * size], gates[3 * size :],
            whole[row, begin : begin + size], c_BH[row],
        )
