"""The oracle of the recurrent layers: torch.nn's modules."""

import pytest
import torch


@pytest.fixture
def make_torch_module():
    """A factory of torch.nn's module for the same cell."""

    def make(cell, input_size, hidden_size, num_layers=1):
        if cell == "lstm":
            return torch.nn.LSTM(input_size, hidden_size, num_layers)
        if cell == "gru":
            return torch.nn.GRU(input_size, hidden_size, num_layers)
        return torch.nn.RNN(
            input_size, hidden_size, num_layers, nonlinearity=cell.removeprefix("elman_")
        )

    return make
