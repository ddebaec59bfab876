"""Files of ours that were altered: refused in one line, or loaded to the same. Nothing else.

A mutation is damage (bits, lengths, blocks, words of the header or of the description), or forged:
the checksum was made anew for what was changed, so that the checks behind it must hold.
"""

import copy
import faulthandler
import hashlib
import io
import itertools
import json
import math
import os
import pickle
import random
import signal
import subprocess
import sys
import threading
from collections import Counter
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest
import torch

from rnnlm_cli.config import ModelConfig
from rnnlm_cli.errors import ModelFileError
from rnnlm_cli.model_file import Model, load_model, save_model
from rnnlm_cli.nn.network import RecurrentNetwork
from rnnlm_cli.runs.checkpoint import load_checkpoint, save_checkpoint
from rnnlm_cli.text.vocabulary import Vocabulary
from tests.runs.test_checkpoint import make_checkpoint

LOADERS = {"model": load_model, "state": load_checkpoint}
SAVERS = {"model": save_model, "state": save_checkpoint}
every_kind = pytest.mark.parametrize("kind", LOADERS)

DAMAGED = {"refused", "same"}
FORGED = {"refused", "same", "other"}  # it is another file
TOO_LARGE = {"refused"}

HUGE = (1 << 31, (1 << 63) - 1, 1 << 63, (1 << 64) - 1, 1 << 64, 10**30)
ODD = (
    None, True, -1, 0, 1, 1.5, math.nan, math.inf, -math.inf, 1e308, *HUGE, 1 << 40, 10**400,
    -(10**400), "", "x", "\n", "\ud800", "rnnlm-model", [], {}, [0], [[]], {"": 0},
)
BRACKETS = "[" * 100_000 + "]" * 100_000
DIGITS = "1" + "0" * 5000  # more than Python makes a number of
DTYPES = {"F32": "float32", "I64": "int64"}

SECONDS_A_FILE, SECONDS_IN_ALL = 60, 20 * 60  # a hang is longer
# Beside the file: its description as Python's objects, the modules of up to 64 layers without
# weights, and pages of libraries that are first used: 7 MB were seen. Far from another copy.
OVERHEAD = 12 << 20
# So that memory is what is used: threads have stacks and blocks put by, and the allocator would
# keep blocks of some megabytes when they are freed.
FRUGAL = {"OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_THRESHOLD_": "65536"}


class Mutation(NamedTuple):
    """A file that was altered: how, and what may come of loading it."""

    name: str
    data: bytes
    allowed: set[str]


class Parts:
    """A file of ours, taken apart to be put together otherwise."""

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
        """Somewhere, in small parts of the file as often as in large ones."""
        name, begin, end = draw.choice([each for each in self.regions if each[1] < each[2]])
        return name, draw.randrange(begin, end)

    def with_head(self, head):
        """The tensors behind other words."""
        return len(head).to_bytes(8, "little") + head + self.body

    def with_header(self, header):
        return self.with_head(json.dumps(header, separators=(",", ":")).encode())

    def with_text(self, text):
        metadata = {"__metadata__": {"rnnlm": text}}
        return self.with_header(metadata | {name: self.header[name] for name in self.names})

    def with_description(self, description, *, forged):
        if forged and isinstance(description, dict):
            description = description | {"sha256": self.checksum(description)}
        return self.with_text(json.dumps(description, sort_keys=True, separators=(",", ":")))

    def checksum(self, description):
        """As the layout of `rnnlm_cli.files.container` has it."""
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


def flips(parts, draw):
    while True:
        region, at = parts.place(draw)
        data, bit = bytearray(parts.data), draw.randrange(8)
        data[at] ^= 1 << bit
        yield f"bit {bit} of byte {at}, in {region}", data, DAMAGED


def overwritten(parts, draw):
    while True:
        region, at = parts.place(draw)
        new = draw.randbytes(draw.randint(2, 16))
        yield (
            f"{new.hex()} from byte {at} on, in {region}",
            parts.data[:at] + new + parts.data[at + len(new) :], DAMAGED,
        )


def truncations(parts, draw):
    size = len(parts.data)
    first = (0, 1, 7, 8, 9, parts.end // 2, parts.end - 1, parts.end, parts.end + 1, size - 1)
    for end in itertools.chain(first, iter(lambda: parts.place(draw)[1], None)):
        yield f"cut after {end} bytes", parts.data[:end], DAMAGED


def appended(parts, draw):
    for size in itertools.cycle((1, 7, 8, 4096, 1 << 16)):
        yield f"{size} zeros behind", parts.data + bytes(size), DAMAGED
        yield f"{size} bytes behind", parts.data + draw.randbytes(size), DAMAGED
        yield f"{size} bytes of it behind", parts.data + parts.data[:size], DAMAGED
        yield f"{size} zeros before", bytes(size) + parts.data, DAMAGED


def blocks(parts, draw):
    data = parts.data
    while True:
        size = min(draw.choice((1, 4, 8, 64, 4096)), len(data) // 4)
        first, second = sorted(draw.sample(range(0, len(data) - size, size), 2))
        a, b = data[first : first + size], data[second : second + size]
        between, behind = data[first + size : second], data[second + size :]
        for name, whole in (
            ("swapped with", data[:first] + b + between + a + behind),
            ("written over", data[:first] + a + between + a + behind),
            ("repeated before", data[:first] + a + between + a + b + behind),
            ("moved before", data[:first] + between + a + b + behind),
            ("and all zeroed up to", data[:first] + bytes(second - first) + b + behind),
            ("and all dropped up to", data[:first] + b + behind),
        ):
            yield f"{size} bytes at {first} {name} {second}", whole, DAMAGED


def false_lengths(parts, draw):
    size, whole = parts.end - 8, len(parts.data)
    first = (
        0, 1, 2, size - 1, size + 1, size + 8, whole - 8, whole, whole + 1, 100_000_000,
        100_000_001, 1 << 31, 1 << 32, (1 << 63) - 1, 1 << 63, (1 << 64) - 9, (1 << 64) - 1,
    )
    lengths = itertools.chain(first, iter(lambda: draw.getrandbits(draw.randint(1, 64)), None))
    for length in lengths:
        yield f"length {length}", length.to_bytes(8, "little") + parts.data[8:], DAMAGED


def table_numbers(parts, draw):
    """Shapes and offsets."""
    def one(change):
        def changed(numbers, other):
            at = draw.randrange(len(numbers)) if numbers else 0
            return [*numbers[:at], change((numbers or [1])[at]), *numbers[at + 1 :]]
        return changed

    ways = {
        "one bigger": one(lambda n: n + 1), "one smaller": one(lambda n: n - 1),
        "one negative": one(lambda n: -n - 1), "one huge": one(lambda n: draw.choice(HUGE)),
        "one odd": one(lambda n: draw.choice(ODD)), "one doubled": one(lambda n: 2 * n),
        "all bigger": lambda numbers, other: [n + 4 for n in numbers],
        "reversed": lambda numbers, other: numbers[::-1],
        "with one more": lambda numbers, other: [*numbers, 1],
        "with one fewer": lambda numbers, other: numbers[1:],
        "another's": lambda numbers, other: other,
        "beyond 64 bits": lambda numbers, other: [1 << 32, 1 << 32],
    }
    for field, (name, change) in itertools.cycle(
        itertools.product(("shape", "data_offsets"), ways.items())
    ):
        header = copy.deepcopy(parts.header)
        tensor, other = draw.sample(parts.names, 2)
        header[tensor][field] = change(header[tensor][field], header[other][field])
        yield f"{field} of {tensor}: {name}", parts.with_header(header), DAMAGED


def table_entries(parts, draw):
    """Types and names of tensors, and the metadata."""
    size = len(parts.body)

    def exchanged(header, name):
        """Two of one size, each with the bytes of the other."""
        entry = header[name]
        for other in parts.names:
            if other != name and header[other]["shape"] == entry["shape"]:
                offsets = entry["data_offsets"]
                entry["data_offsets"] = header[other]["data_offsets"]
                header[other]["data_offsets"] = offsets
                break

    ways = [
        *(
            (f"of type {dtype!r}", lambda header, name, dtype=dtype: header[name].update(
                dtype=dtype
            ))
            for dtype in ("F16", "F64", "I32", "U32", "I64", "BF16", "F8_E4M3", "f32", "", 5)
        ),
        *(
            (f"named {new!r}", lambda header, name, new=new: header.update(
                {new: header.pop(name)}
            ))
            for new in ("", "x", "../x", "\n", "__metadata__", "embedding\0", "rnnlm")
        ),
        *(
            (f"beside a tensor at {begin}", lambda header, name, begin=begin, end=end: (
                header.update(x={"dtype": "U8", "shape": [end - begin],
                                 "data_offsets": [begin, end]})
            ))
            for begin, end in ((0, 0), (0, 4), (size, size), (size, size + 8), (1 << 63, 1 << 63))
        ),
        *(
            (f"the metadata {value!r}", lambda header, name, value=value: header.update(
                __metadata__=value
            ))
            for value in (None, [], "", {}, {"rnnlm": None}, {"rnnlm": {}}, {"rnnlm": ""},
                          {"rnnln": parts.text}, {"rnnlm": parts.text, "format": "pt"})
        ),
        ("dropped", lambda header, name: header.pop(name)),
        ("null", lambda header, name: header.update({name: None})),
        ("without its shape", lambda header, name: header[name].pop("shape")),
        ("with one key more", lambda header, name: header[name].update(more=1)),
        ("exchanged", exchanged),
        ("without metadata", lambda header, name: header.pop("__metadata__")),
    ]
    for way, change in itertools.cycle(ways):
        header, tensor = copy.deepcopy(parts.header), draw.choice(parts.names)
        change(header, tensor)
        yield f"{tensor} {way}", parts.with_header(header), DAMAGED


def header_texts(parts, draw):
    """What only text can say: keys twice, spaces, other JSON."""
    head = parts.data[8 : parts.end].rstrip()
    while True:
        tensor = draw.choice(parts.names)
        entry = json.dumps(parts.header[tensor])
        other = json.dumps(parts.header[draw.choice(parts.names)])
        for name, text in (
            ("spread over lines", json.dumps(parts.header, indent=1).encode()),
            ("of spaces", b" " * len(head)), ("before spaces", head + b" " * 4096),
            ("behind spaces", b"  " + head), ("behind a mark", b"\xef\xbb\xbf" + head),
            ("that is not UTF-8", head[:-1] + b',"\xff":0}'), ("twice", head + head),
            ("empty", b""), ("{}", b"{}"), ("[]", b"[]"), ("null", b"null"), ("a number", b"1e999"),
            ("with deep brackets", head[:-1] + f',"x":{BRACKETS}}}'.encode()),
            ("of brackets", BRACKETS.encode()),
            ("with long digits", head.replace(b'"shape":[', f'"shape":[{DIGITS},'.encode(), 1)),
            *((f"with {tensor} {how} twice", head[:-1] + f',"{tensor}":{again}}}'.encode())
              for how, again in (("truly", entry), ("falsely", other))),
            ("with metadata twice", head[:-1] + b',"__metadata__":{"rnnlm":"{}"}}'),
        ):
            yield f"a header {name}", parts.with_head(text), DAMAGED


def odd_values(parts, draw):
    """Anywhere in the description."""
    while True:
        for forged in (False, True):
            description = json.loads(parts.text)
            at, path = description, []
            while isinstance(at, (dict, list)) and at and (not path or draw.random() < 0.9):
                parent, key = at, draw.choice([*at] if isinstance(at, dict) else range(len(at)))
                at = parent[key]
                path.append(str(key))
            parent[key] = draw.choice(ODD)
            name = f"{'/'.join(path)} {str(parent[key])[:40]!a}, forged: {forged}"
            yield name, parts.with_description(description, forged=forged), (
                FORGED if forged else DAMAGED
            )


def odd_keys(parts, draw):
    """Keys of the description dropped, renamed and added."""
    while True:
        for way, forged in itertools.product(("dropped", "renamed", "added"), (False, True)):
            description = json.loads(parts.text)
            where = [description, *(v for v in description.values() if isinstance(v, dict) and v)]
            parent = draw.choice(where)
            key = draw.choice([*parent])
            if way != "added":
                value = parent.pop(key)
            if way != "dropped":
                parent[key + "x"] = value if way == "renamed" else 1
            name = f"{key} {way}, forged: {forged}"
            yield name, parts.with_description(description, forged=forged), (
                FORGED if forged else DAMAGED
            )


def false_sizes(parts, draw):
    """More than the tensors have, or less: to be refused whatever the checksum says."""
    sizes = ("hidden_size", "embedding_size", "num_layers", "vocab_size")
    numbers = (0, 1, 2, 64, 65, 1 << 11, 1 << 12, 1 << 13, 1 << 20, 1 << 24, 1 << 40, 10**400)
    for number, field in itertools.cycle(itertools.product(numbers, (*sizes, "rows"))):
        description = json.loads(parts.text)
        place = description if field == "rows" else model_of(description)
        if place.get(field, number) != number:
            place[field] = number
            yield f"{field} {str(number)[:20]}", parts.with_description(
                description, forged=draw.random() < 0.8
            ), TOO_LARGE


def false_tokens(parts, draw):
    """A vocabulary that is none, or another's."""
    while True:
        for way, (forged, fitted) in itertools.product(
            ("dropped", "doubled", "copied", "swapped", "made a number", "made a list"),
            ((False, False), (True, False), (True, True)),
        ):
            description = json.loads(parts.text)
            tokens = description["vocabulary"]["tokens"]
            at, other = draw.sample(range(len(tokens)), 2)
            if way == "dropped":
                tokens.pop(at)
            elif way == "doubled":
                tokens.insert(at, tokens[other])
            elif way == "copied":
                tokens[at] = tokens[other]
            elif way == "swapped":
                tokens[at], tokens[other] = tokens[other], tokens[at]
            else:
                tokens[at] = at if way == "made a number" else [at]
            if fitted:
                model_of(description)["vocab_size"] = len(tokens)
            name = f"token {at} {way}, forged: {forged}, fitted: {fitted}"
            yield name, parts.with_description(description, forged=forged), (
                DAMAGED if not forged else FORGED if way == "swapped" else TOO_LARGE
            )


def known_traps(parts, draw):
    """Descriptions that have broken readers before."""
    changes = (
        ("a size that is no float", lambda d: model_of(d).update(dropout=10**400)),
        ("a size that is NaN", lambda d: model_of(d).update(dropout=math.nan)),
        ("two lines in the format", lambda d: d.update(format="rnnlm-\nx")),
        ("a format of another kind", lambda d: d.update(format=["rnnlm-model"])),
        ("a format of ours", lambda d: d.update(format="rnnlm-cache")),
        ("a version from the past", lambda d: d.update(version=-1)),
        ("a version that is true", lambda d: d.update(version=True)),
        ("a version far ahead", lambda d: d.update(version=10**400)),
        ("64 layers of 2**20", lambda d: model_of(d).update(num_layers=64, hidden_size=1 << 20)),
        ("endless steps", lambda d: d.get("plan", d).update(total_steps=10**400)),
        ("steps to be planned", lambda d: d.get("plan", d).update(
            total_steps=10**400, num_validations=0
        )),
        ("an unhashable token", lambda d: d["vocabulary"]["tokens"].append({})),
        ("merges at a level without", lambda d: d["vocabulary"].update(merges=[[2, 3]])),
        ("merges out of range", lambda d: d["vocabulary"].update(level="bpe", merges=[[2, 99]])),
        ("tokens of another level", lambda d: d["vocabulary"].update(level="byte")),
    )
    texts = (
        "", " ", "null", "[]", "{}", "1", '"rnnlm-model"', BRACKETS, "NaN", "\ud7ff",
        parts.text[:-1], parts.text + parts.text, parts.text.replace("{", "{ ").replace(",", " ,"),
        parts.text.replace("{", f'{{"deep":{BRACKETS},', 1),
        parts.text.replace("{", f'{{"long":{DIGITS},', 1),
        parts.text.replace("{", '{"version":7,', 1), parts.text[:-1] + ',"version":7}',
    )
    while True:
        for name, change in changes:
            for forged in (True, False):
                description = json.loads(parts.text)
                change(description)
                yield f"{name}, forged: {forged}", parts.with_description(
                    description, forged=forged
                ), FORGED if forged else DAMAGED
        for text in texts:
            yield f"description {text[:30]!r}", parts.with_text(text), DAMAGED


SORTS = (
    flips, overwritten, truncations, appended, blocks, false_lengths, table_numbers,
    table_entries, header_texts, odd_values, odd_keys, false_sizes, false_tokens, known_traps,
)


def model_of(description):
    """The sizes, in the description of either kind."""
    return description.get("settings", description)["model"]


def mutations(data, seed, count):
    """So many alterations of a file, of all sorts in turn."""
    parts = Parts(data)
    draw = random.Random(seed)
    assert parts.checksum(json.loads(parts.text)) == json.loads(parts.text)["sha256"]
    sources = itertools.cycle([sort(parts, draw) for sort in SORTS])
    for source in itertools.islice(sources, count):
        name, altered, allowed = next(source)
        yield Mutation(f"{source.__name__}: {name}", bytes(altered), allowed)


def attempt(kind, path, copy_path=None):
    """Load a file, and save what was loaded. Returns (what came of it, its message)."""
    try:
        loaded = LOADERS[kind](Path(path))
    except ModelFileError as error:
        return "refused", str(error)
    except Exception as error:  # what no file may cause; all that do are wanted, not the first
        return "crashed", repr(error)
    if copy_path is not None:
        SAVERS[kind](Path(copy_path), loaded)
    return "loaded", ""


def outcome(mutation, path, original, load):
    """What came of a mutation: refused, the same loaded, or something other.

    Args:
        load: `attempt`, here or in another process.
    """
    path.write_bytes(mutation.data)
    copy_path = None if mutation.allowed == FORGED else path.with_name("copy")
    found, message = load(path, copy_path)
    if found == "refused" and not (message.startswith(f"{path}: ") and message.isprintable()):
        return f"refused, but not in a line: {message!r}"
    if found != "loaded":
        return found if found == "refused" else f"{found}: {message}"
    same = copy_path is not None and copy_path.read_bytes() == original
    return "same" if same else "other"


def write_file(kind, path, *, large=False):
    """A file of a kind; a large one has some 20 MB, and a long description."""
    if large:
        words = ("<unk>", "\n", *(f"w{number}" for number in range(2000)))
        vocabulary = Vocabulary("word", words, 4)
    else:
        vocabulary = Vocabulary("word", ("<unk>", "\n", "a", "bc", "d", "\u00e9", "\u4e2d"), 4)
    if kind == "state":  # four of each number: weights, the best ones, and two averages
        sizes = {"embedding_size": 128, "hidden_size": 320, "num_layers": 1} if large else {}
        save_checkpoint(path, make_checkpoint(vocabulary=vocabulary, sampled=True, **sizes))
    else:
        config = ModelConfig(
            vocab_size=len(vocabulary), cell="lstm", num_layers=1 if large else 2,
            embedding_size=256 if large else 4, hidden_size=768 if large else 5,
        )
        network = RecurrentNetwork(config, generator=torch.Generator().manual_seed(3))
        save_model(path, Model(network, vocabulary, False, "utf-8", {"steps": 3, "lr": 0.5}))
    return path.read_bytes()


@every_kind
def test_a_mutation_is_refused_in_one_line_or_loads_the_same(tmp_path, kind):
    original, path = write_file(kind, tmp_path / "file"), tmp_path / "file"
    wrong = {}
    for mutation in mutations(original, seed=1, count=420):
        found = outcome(mutation, path, original, partial(attempt, kind))
        if found not in mutation.allowed:
            wrong[mutation.name] = found
    assert not wrong, "\n".join(f"{name}: {found}" for name, found in wrong.items())


@every_kind
def test_brackets_as_deep_as_python_reads_them_are_refused_in_one_line(tmp_path, kind):
    """What reads them and what writes them do not give up at the same depth."""
    original, path = write_file(kind, tmp_path / "file"), tmp_path / "file"
    parts, deepest = Parts(original), sys.getrecursionlimit()
    for depth in range(deepest - 200, deepest + 1):
        deep = parts.text.replace("{", f'{{"deep":{"[" * depth}{"]" * depth},', 1)
        mutation = Mutation(f"depth {depth}", parts.with_text(deep), DAMAGED)
        found = outcome(mutation, path, original, partial(attempt, kind))
        assert found == "refused", mutation.name


class Trap:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder):
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (str(self.folder),)


@every_kind
def test_no_pickle_is_run_wherever_it_stands(tmp_path, kind):
    parts, trap = Parts(write_file(kind, tmp_path / "file")), Trap(tmp_path / "ran")
    pickles = [pickle.dumps(trap, protocol) for protocol in (0, 2, 5)]
    for zipped in (True, False):
        saved = io.BytesIO()
        torch.save({"weight": trap}, saved, _use_new_zipfile_serialization=zipped)
        pickles.append(saved.getvalue())
    for number, code in enumerate(pickles):
        size = len(parts.body)
        places = {
            "alone": code, "behind": parts.data + code, "before": code + parts.data,
            "as the header": parts.with_head(code),
            "as the description": parts.with_text(code.decode("latin-1")),
            "as the tensors": parts.data[: parts.end] + code,
            "over the tensors": parts.data[: parts.end] + (code + bytes(size))[:size],
        }
        for place, data in places.items():
            (tmp_path / "file").write_bytes(data)
            found, message = attempt(kind, tmp_path / "file")
            assert found == "refused" and message.isprintable(), (number, place, message)
    assert not trap.folder.exists()
    pickle.loads(pickles[0])
    assert trap.folder.exists()


class Worker:
    """Another process that loads files of a kind, and whose memory is measured."""

    def __init__(self, kind):
        self._process = subprocess.Popen(
            [sys.executable, "-X", "faulthandler", "-c", "from tests.test_mutations import serve; "
             f"serve({kind!r})"],
            cwd=Path(__file__).parents[1], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            text=True, env=os.environ | FRUGAL,
        )
        self._timer = threading.Timer(SECONDS_IN_ALL, self._process.kill)

    def __enter__(self):
        self._timer.start()
        return self

    def __exit__(self, *_):
        self._timer.cancel()
        self._process.kill()
        self._process.communicate()

    def load(self, path, copy_path=None):
        """As `attempt`; leaves in `peaks` the most memory that the process has had, in bytes."""
        print(json.dumps([str(path), copy_path and str(copy_path)]), file=self._process.stdin,
              flush=True)
        answer = self._process.stdout.readline()
        if not answer:
            return "ended", f"the process returned {self._process.wait()}"
        found, message, self.peaks = json.loads(answer)
        return found, message


def serve(kind):
    """The process's side."""
    faulthandler.register(signal.SIGALRM, chain=True)  # and then it ends
    for line in sys.stdin:
        signal.alarm(SECONDS_A_FILE)
        print(json.dumps([*attempt(kind, *json.loads(line)), memory_peaks()]), flush=True)


def memory_peaks():
    """What was resident at most, and what was asked for.

    Not of getrusage: a process begins there with the peak of the one that started it.
    """
    lines = Path("/proc/self/status").read_text().splitlines()
    fields = dict(line.split(":", 1) for line in lines)
    return {name: int(fields[name].split()[0]) << 10 for name in ("VmHWM", "VmPeak")}


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="memory is measured by /proc")
@every_kind
def test_2000_mutations_of_a_large_file_do_no_harm(tmp_path, kind):
    """No crash, no hang, and no more memory than twice the file, whatever it claims."""
    path, wrong, counts = tmp_path / "file", {}, Counter()
    with Worker(kind) as worker:
        write_file(kind, path)
        assert worker.load(path)[0] == "loaded"  # all modules are there now
        before = worker.peaks
        original = write_file(kind, path, large=True)
        most = 2 * len(original) + OVERHEAD
        for mutation in itertools.chain(
            [Mutation("intact", original, {"same"})], mutations(original, seed=2, count=2000)
        ):
            found = outcome(mutation, path, original, worker.load)
            grown = {name: peak - before[name] for name, peak in worker.peaks.items()}
            counts[found.partition(":")[0]] += 1
            if found not in mutation.allowed:
                wrong[mutation.name] = found
            assert max(grown.values()) <= most, (mutation.name, grown, len(original))
            assert not found.startswith("ended"), (mutation.name, found)
    print(f"\n{kind}: {len(original):,} bytes, {dict(counts)}, grown by {grown}")
    assert not wrong, "\n".join(f"{name}: {found}" for name, found in wrong.items())
