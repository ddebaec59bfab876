"""A folder with one file of each kind, damaged ones, and files of other programs."""

import json
import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from rnnlm_cli.model_file import load_model
from rnnlm_cli.page.document import make_page
from rnnlm_cli.plots.losses import draw_losses
from rnnlm_cli.weights_file import save_weights
from tests.builders import rewrite_description
from tests.histories import make_history, write_history

V1_FOLDER = Path(__file__).parents[1] / "data" / "v1"
PNG = b"\x89PNG\r\n\x1a\n and more"


@pytest.fixture
def folder(model_path, tmp_path):
    """The files of the table FILES in test_run_files."""
    save_weights(tmp_path / "weights", load_model(model_path))
    tensors = {"weight": torch.zeros(2)}
    save_file(tensors, tmp_path / "foreign", {"format": "pt"})
    save_file(tensors, tmp_path / "unknown", {"rnnlm": json.dumps({"format": "rnnlm-else"})})
    save_file(tensors, tmp_path / "undescribed", {"rnnlm": "[]"})
    write_history(tmp_path / "history", make_history(3))
    draw_losses({"run": make_history(3)}, tmp_path / "plot")
    log = {"step": 20, "seconds": 1.5, "tokens": 64_000, "loss": 2.5}
    model = model_path.read_bytes()
    for name, data in {
        "empty": b"",
        "checkpoint": (V1_FOLDER / "v1-char-gru.state").read_bytes(),
        "newer": model,
        "cut": model[:-1],
        "bit": model[:-1] + bytes([model[-1] ^ 1]),
        "photo": PNG,
        "lines": b'{"id": 7, "text": "To be"}\n',
        "log": json.dumps(log).encode() + b"\n",
        "number": b"7\n",
        "page": make_page({"kind": "scores", "name": "a", "version": "1", "texts": []}).encode(),
        "site": b"<!doctype html>\n<title>rnnlm</title>",
        "text": b"To be, or not to be: that is the question.",
    }.items():
        (tmp_path / name).write_bytes(data)
    rewrite_description(tmp_path / "newer", lambda description: description.update(version=9))
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("text")
    (tmp_path / "dangling").symlink_to("nowhere")
    os.mkfifo(tmp_path / "pipe")
    return tmp_path
