"""Networks and model files to test with, sound ones and altered ones."""

import json

import torch

from rnnlm_cli.config import ModelConfig, TextConfig
from rnnlm_cli.model_file import Model, save_model
from rnnlm_cli.nn.network import RecurrentNetwork
from rnnlm_cli.text.vocabulary import Vocabulary


def tiny_network(**settings):
    """Make a small network with weights large enough to matter."""
    sizes = {"vocab_size": 7, "embedding_size": 4, "hidden_size": 5, "num_layers": 2,
             "cell": "lstm"}
    return RecurrentNetwork(
        ModelConfig(**(sizes | settings)), generator=torch.Generator().manual_seed(3)
    )


def save_tiny(
    make_network, path, *, level="char", sentences=False, unknown_trained=False, **settings
):
    """Save a small model of the letters "abcde", or of all bytes, and return its path."""
    if level == "byte":
        vocabulary = Vocabulary.build([], 0, TextConfig(level="byte"))
    else:
        vocabulary = Vocabulary(level, ("<unk>", "\n", *"abcde"))
    network = make_network(
        vocab_size=len(vocabulary), unknown_trained=unknown_trained, **settings
    )
    save_model(path, Model(network, vocabulary, sentences, "utf-8", {"valid_nats": 1.5}))
    return path


def header_of(path):
    """Return the header of a container file, and the bytes of its arrays."""
    data = path.read_bytes()
    end = 8 + int.from_bytes(data[:8], "little")
    return json.loads(data[8:end]), data[end:]


def rewrite_description(path, change):
    """Change the description of a container file, and write the file again around it."""
    header, tensors = header_of(path)
    description = json.loads(header["__metadata__"]["rnnlm"])
    change(description)
    header["__metadata__"]["rnnlm"] = json.dumps(description, sort_keys=True)
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + tensors)
