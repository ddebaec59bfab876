"""Cache entries: how they are altered, and how they are loaded."""

import io
import itertools
import json
import random
import sys
import zlib
from dataclasses import replace
from functools import cache

import numpy as np

from rnnlm_cli.config import TextConfig
from rnnlm_cli.messages import Messages
from rnnlm_cli.runs.checkpoint import CorpusRecord
from rnnlm_cli.runs.request import TrainingRequest
from rnnlm_cli.runs.resume_corpus import load_same_corpus
from rnnlm_cli.runs.run_config import RunConfig
from rnnlm_cli.text.cache import Cache
from rnnlm_cli.text.cache_entry import ENTRY, TOKENS
from rnnlm_cli.text.corpus import load_corpus
from rnnlm_cli.text.sources import Sources
from tests.checkpoints import make_checkpoint
from tests.mutations.parts import DAMAGED, FORGED, Mutation
from tests.mutations.plain import change_bytes, change_text, change_values, encode

TEXT = "the quick brown fox jumps over the lazy dog\nthe lazy dog sleeps\n" * 30
CONFIG = TextConfig(level="word")


def make_entry(folder):
    """Write a text and its cache entry. Returns: the folder of the entry."""
    (folder / "text").write_text(TEXT)
    corpus = _load(folder, Sources((str(folder / "text"),)))
    return folder / "cache" / corpus.key


def load_entry(path):
    """Load the corpus of an entry, one of whose files is `path`, from the text or the cache."""
    folder = path.parents[2]
    return _check(_load(folder, Sources((str(folder / "text"),))))


def load_entry_without_text(path):
    """Load the corpus as the resume of a run on stdin does, when the text is gone."""
    folder = path.parents[2]
    sys.stdin = io.TextIOWrapper(io.BytesIO(b""))
    request = TrainingRequest(sources=Sources(()), out=folder / "model.rnnlm")
    return _check(load_same_corpus(request, _make_checkpoint(folder), Messages()))


@cache
def _make_checkpoint(folder):
    """Return the checkpoint of a run on stdin; an intact entry stands in a folder beside."""
    intact = _load(folder.parent / "intact", Sources((str(folder.parent / "intact/text"),)))
    checkpoint = make_checkpoint(vocabulary=intact.vocabulary)
    config = RunConfig(
        sources=Sources(("-",)), text=CONFIG, model=checkpoint.config.model,
        train=checkpoint.config.train, cache_dir=str(folder / "cache"),
    )
    return replace(checkpoint, config=config, corpus=CorpusRecord(intact.key, intact.files))


def save_corpus(path, corpus):
    """Write all that a corpus says, the same for equal corpora."""
    parts = {
        name: (part.tokens_N.tolist(), part.num_characters)
        for name, part in (("train", corpus.train), ("valid", corpus.valid))
    }
    path.write_text(repr((
        corpus.vocabulary.to_dict(), parts, corpus.test, corpus.counts_V.tolist(), corpus.key,
    )))


def generate_entry_mutations(entry, seed, count):
    """Yield (name of a file, Mutation) for the entry as it is, and for altered ones."""
    draw = random.Random(seed)
    description, tokens = json.loads((entry / ENTRY).read_text()), (entry / TOKENS).read_bytes()
    text = (entry / ENTRY).read_bytes()
    yield ENTRY, Mutation("intact", text, {"same"})
    sources = itertools.cycle((
        ("bytes", ENTRY, change_bytes(text, draw)), ("bytes", TOKENS, change_bytes(tokens, draw)),
        ("text", ENTRY, change_text(text.decode())),
        ("values", ENTRY, change_values(description, draw)),
        ("forged", ENTRY, change_values(description, draw)),
    ))
    for way, file, source in itertools.islice(sources, count):
        name, altered = next(source)
        if way == "text":
            altered = altered.encode()
        elif way != "bytes":
            altered = encode(seal(altered, tokens) if way == "forged" else altered)
        yield file, Mutation(
            f"{file}: {way}, {name}", altered, FORGED if way == "forged" else DAMAGED
        )


def seal(description, tokens):
    """Return a description whose checksums match it again."""
    if not isinstance(description, dict):
        return description
    sealed = {**description, "tokens_crc32": zlib.crc32(tokens)}
    sealed.pop("crc32", None)
    return sealed | {"crc32": zlib.crc32(json.dumps(sealed, sort_keys=True).encode())}


def _load(folder, sources):
    return load_corpus(sources, CONFIG, cache=Cache(folder / "cache"))


def _check(corpus):
    """Assert that a corpus is valid, whatever it holds. Returns: the corpus."""
    vocab_size = len(corpus.vocabulary)
    for part in (corpus.train, corpus.valid):
        assert len(part.tokens_N) and int(np.max(part.tokens_N)) < vocab_size, "tokens"
        assert isinstance(part.num_characters, int) and part.num_characters >= 0, "characters"
    assert corpus.counts_V.shape == (vocab_size,) and int(corpus.counts_V.min()) >= 0, "counts"
    return corpus
