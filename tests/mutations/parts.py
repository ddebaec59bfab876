"""The parts of a container file, and the outcomes that are allowed when an altered one is loaded.

A mutation is either damage (bits, lengths, blocks, words of the header or of the description) or
forged: the checksum was made to match the change, so that the other checks have to hold.
"""

import hashlib
import json
import math
from typing import NamedTuple

DAMAGED = {"refused", "same"}
FORGED = {"refused", "same", "other"}  # a sound file with other contents
TOO_LARGE = {"refused"}

HUGE = (1 << 31, (1 << 63) - 1, 1 << 63, (1 << 64) - 1, 1 << 64, 10**30)
ODD = (
    None, True, -1, 0, 1, 1.5, math.nan, math.inf, -math.inf, 1e308, *HUGE, 1 << 40, 10**400,
    -(10**400), "", "x", "\n", "\ud800", "rnnlm-model", [], {}, [0], [[]], {"": 0},
)
BRACKETS = "[" * 100_000 + "]" * 100_000
DIGITS = "1" + "0" * 5000  # more digits than Python converts to a number
DTYPES = {"F32": "float32", "I64": "int64"}


class Mutation(NamedTuple):
    """An altered file: the name of the change, the bytes, and the outcomes that are allowed."""

    name: str
    data: bytes
    allowed: set[str]


class Parts:
    """The parts of a container file, from which altered files are put together."""

    def __init__(self, data):
        self.data = data
        self.end = 8 + int.from_bytes(data[:8], "little")  # of the header
        self.body = data[self.end :]
        self.header = json.loads(data[8 : self.end])
        self.text = self.header["__metadata__"]["rnnlm"]
        self.names = [name for name in self.header if name != "__metadata__"]
        begin = data.index(b'"rnnlm":"') + 9
        table, written = data.index(b'"},"', begin), len(data[: self.end].rstrip())
        self.regions = [
            ("the length", 0, 8), ("the header", 8, self.end), ("the description", begin, table),
            ("the table of tensors", table, written), ("the padding", written, self.end),
            ("the tensors", self.end, len(data)),
        ]

    def place(self, draw):
        """Draw a position: every part of the file is equally likely, whatever its size."""
        name, begin, end = draw.choice([each for each in self.regions if each[1] < each[2]])
        return name, draw.randrange(begin, end)

    def with_head(self, head):
        """Return the file with these bytes as its header."""
        return len(head).to_bytes(8, "little") + head + self.body

    def with_header(self, header):
        """Return the file with another header, which is written as JSON."""
        return self.with_head(json.dumps(header, separators=(",", ":")).encode())

    def with_text(self, text):
        """Return the file with another text as its description."""
        metadata = {"__metadata__": {"rnnlm": text}}
        return self.with_header(metadata | {name: self.header[name] for name in self.names})

    def with_description(self, description, *, forged):
        """Return the file with another description; if forged, with a checksum that matches it."""
        if forged and isinstance(description, dict):
            description = description | {"sha256": self.checksum(description)}
        return self.with_text(json.dumps(description, sort_keys=True, separators=(",", ":")))

    def checksum(self, description):
        """Compute the checksum of the layout of `rnnlm_cli.files.container`."""
        unsigned = {key: value for key, value in description.items() if key != "sha256"}
        digest = hashlib.sha256(
            json.dumps(unsigned, sort_keys=True, separators=(",", ":")).encode()
        )
        for name in sorted(self.names):
            entry = self.header[name]
            begin, end = entry["data_offsets"]
            head = f"\n{name} torch.{DTYPES[entry['dtype']]} {entry['shape']}\n"
            digest.update(head.encode() + self.body[begin:end])
        return digest.hexdigest()


def model_of(description):
    """Return the sizes in the description of a model file or of a checkpoint."""
    return description.get("config", description)["model"]
