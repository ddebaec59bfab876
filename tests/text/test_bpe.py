"""Byte pair encoding: round trips are exact, and a merge loop of ten lines gives the same ids."""

import json
import os
import re
import signal
import subprocess
import sys
from collections import Counter
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers.pre_tokenizers import ByteLevel

from rnnlm_cli.config import TextConfig
from rnnlm_cli.text import bpe
from rnnlm_cli.text.bpe import learn_merges
from rnnlm_cli.text.vocabulary import Vocabulary

TEXT = (
    "the lower the better, the newer 'tis: it's caf\u00e9 caf\u00e9 \u20ac12 \u20ac12\n"
    "  lower\n\n\tthe low, low newest!! 1212 \U0001f600\U0001f600 \U0001f600\r\n"
) * 2
SIZE = 300

WORDS = st.sampled_from(
    ["the", "lower", " ", "  ", "\n", "\r\n", "\t", "'s", "!!", "12", "caf\u00e9", "\u20ac",
     "\U0001f600", "\u00a0", "\u2028", "\x85"]
)
NEAR = st.lists(WORDS, max_size=12).map("".join)  # many pairs to merge
ANY = st.text(st.characters(codec="utf-8"), max_size=20) | NEAR
SLOW = settings(deadline=None, max_examples=60)


def build(*chunks, size=SIZE):
    text_config = TextConfig(level="bpe", vocab_size=size)
    return Vocabulary.build(chunks, len("".join(chunks)), text_config)


VOCABULARY = build(TEXT)


def raw_of(token):
    return token.encode("utf-8", "surrogateescape")


def ids_of_chunks(vocabulary, chunks):
    return [id_ for ids in vocabulary.encode_chunks(chunks) for id_ in ids.tolist()]


def pieces_of(text):
    """Yield the pieces of a text, as lists of bytes, within which pairs are merged."""
    rule = ByteLevel(add_prefix_space=False, use_regex=True)
    for part in re.split("(\n)", text):
        for _, (begin, end) in rule.pre_tokenize_str(part):
            yield [bytes([value]) for value in part[begin:end].encode()]


def pairs_of(piece):
    return list(pairwise(piece))


def merge_pair(piece, pair):
    """Join every occurrence of the pair in a piece, from the left."""
    new = []
    for each in piece:
        if new and (new[-1], each) == pair:
            new[-1] += each
        else:
            new.append(each)
    return new


def oracle(vocabulary, text):
    tokens = list(map(raw_of, vocabulary.tokens))
    rank_of = {(tokens[a], tokens[b]): rank for rank, (a, b) in enumerate(vocabulary.merges)}
    ids = []
    for piece in pieces_of(text):
        while known := [pair for pair in pairs_of(piece) if pair in rank_of]:
            piece = merge_pair(piece, min(known, key=rank_of.__getitem__))
        ids += [tokens.index(each, 1) for each in piece]
    return ids


def test_merges_of_a_worked_example():
    # the pair "a" "b" occurs 5 times, then "ab" "c" 3 and " " "ab" 2; all others once
    vocabulary = build("abc\nabc\nabc ab ab d")
    assert vocabulary.tokens[257:] == ("ab", "abc", " ab")
    assert vocabulary.split("abc ab\nab abd") == ["abc", " ab", "\n", "ab", " ab", "d"]


@SLOW
@given(ANY, st.integers(258, 270))
def test_round_trip_is_exact_and_nothing_unknown(text, size):
    vocabulary = build(text * 2, size=size)  # twice, so that there are pairs to merge
    ids = vocabulary.encode(text).tolist()
    decoder = vocabulary.make_decoder()
    assert decoder.feed(ids) + decoder.finish() == text and decoder.num_replaced == 0
    assert all(1 <= id_ < len(vocabulary) <= size for id_ in ids)
    assert [vocabulary.tokens[id_] for id_ in ids] == vocabulary.split(text)


@SLOW
@given(NEAR)
def test_no_merge_includes_a_newline(text):
    vocabulary = build(text * 3)
    assert [token for token in vocabulary.tokens if "\n" in token] == ["\n"]
    assert vocabulary.encode(text).tolist().count(1) == text.count("\n")


@SLOW
@given(st.binary(max_size=30))
def test_bytes_that_are_not_utf8_are_restored(raw):
    ids = VOCABULARY.encode(raw.decode("utf-8", "surrogateescape"))
    assert b"".join(raw_of(VOCABULARY.tokens[id_]) for id_ in ids) == raw
    decoder = VOCABULARY.make_decoder()
    shown = decoder.feed(ids) + decoder.finish()
    assert shown.count("\ufffd") - raw.decode("utf-8", "ignore").count("\ufffd") == (
        decoder.num_replaced
    )


@SLOW
@given(ANY)
def test_a_plain_merge_loop_gives_the_same_ids(text):
    assert VOCABULARY.encode(text).tolist() == oracle(VOCABULARY, text)


def test_a_plain_merge_loop_gives_the_same_ids_for_the_text_learned_from(monkeypatch):
    ids = VOCABULARY.encode(TEXT).tolist()
    assert ids == oracle(VOCABULARY, TEXT) and len(ids) < len(TEXT) / 2
    monkeypatch.setattr(bpe, "BATCH_CHARACTERS", 3)
    assert VOCABULARY.encode(TEXT).tolist() == ids


@pytest.mark.parametrize("size", [280, 1000])
def test_every_merge_joins_the_most_frequent_pair(size):
    vocabulary = build(TEXT, size=size)
    pieces = list(pieces_of(TEXT))
    for left, right in vocabulary.merges:
        counts = Counter(pair for piece in pieces for pair in pairs_of(piece))
        pair = raw_of(vocabulary.tokens[left]), raw_of(vocabulary.tokens[right])
        assert counts[pair] == max(counts.values()) >= 2
        pieces = [merge_pair(piece, pair) for piece in pieces]
    more = Counter(pair for piece in pieces for pair in pairs_of(piece))
    assert len(vocabulary) == size or max(more.values(), default=0) < 2


@SLOW
@given(st.lists(NEAR))
def test_chunks_give_the_ids_and_the_vocabulary_of_the_whole_text(chunks):
    whole = "".join(chunks)
    assert ids_of_chunks(VOCABULARY, chunks) == VOCABULARY.encode(whole).tolist()
    assert build(*chunks) == build(whole)


@pytest.mark.parametrize("separator", ["\x1c", "\x1d", "\x1e", "\x1f"])
def test_chunks_before_an_ascii_separator_give_the_ids_of_the_whole_text(separator):
    vocabulary = build(f"a!{separator}b " * 5)
    chunks = [f"a!{separator}b", f" a!{separator}b"]
    assert ids_of_chunks(vocabulary, chunks) == vocabulary.encode("".join(chunks)).tolist()


def test_learning_twice_gives_the_same_vocabulary():
    assert build(TEXT) == VOCABULARY
    assert build(TEXT).fingerprint == VOCABULARY.fingerprint


@pytest.mark.parametrize("size", [258, 259, 280])
def test_a_vocabulary_has_the_requested_size_if_enough_pairs_recur(size):
    vocabulary = build(TEXT, size=size)
    assert len(vocabulary) == size == 257 + len(vocabulary.merges)
    assert vocabulary.tokens == VOCABULARY.tokens[:size]


@pytest.mark.parametrize("text", ["", "a b c d\n", "abc def"])
def test_a_text_without_recurring_pairs_has_no_merges(text):
    vocabulary = build(text)
    assert len(vocabulary) == 257 and vocabulary.merges == ()
    assert Vocabulary.from_dict(vocabulary.to_dict()) == vocabulary


def test_a_long_text_is_learned_from_evenly_spaced_chunks(monkeypatch):
    chunks = ["aa aa", "bb bb", "cc cc", "dd dd", "ee"]
    tokens = VOCABULARY.tokens[:257]
    assert learn_merges(chunks, 22, SIZE, tokens)[0] == ["aa", "bb", "cc", "dd"]
    monkeypatch.setattr(bpe, "MAX_TRAINING_CHARACTERS", 21)  # one too few: every second chunk
    assert learn_merges(chunks, 22, SIZE, tokens)[0] == ["aa", "cc"]


def test_a_dict_round_trip_restores_the_vocabulary_and_its_merges():
    data = json.loads(json.dumps(VOCABULARY.to_dict()))
    assert Vocabulary.from_dict(data) == VOCABULARY
    assert Vocabulary.from_dict(data).encode(TEXT).tolist() == VOCABULARY.encode(TEXT).tolist()


A, B, C = (VOCABULARY.tokens.index(letter) for letter in "abc")


@pytest.mark.parametrize(
    ("tokens", "merges"),
    [
        (["ab"], []),  # a token that no merge makes
        (["ab"], [[A, C]]),  # a merge that makes another token
        ([], [[A, B]]),  # the merged pair is no token
        (["ab"], [[A, B], [257, C]]),  # the second merged pair is no token
        (["ab", "abc"], [[257, C]]),
        (["ab"], [[A, B], [A, 258]]),  # an id beyond the last token
        (["ab", "<unk>b"], [[A, B], [0, B]]),  # the unknown token
        (["ab"], [[A, B], [-1, B]]),
        (["ab"], [[A, B, C]]),
        (["ab"], [[A]]),
    ],
)
def test_inconsistent_merges_are_refused(tokens, merges):
    data = {"level": "bpe", "tokens": [*VOCABULARY.tokens[:257], "ab"]}
    assert Vocabulary.from_dict(data | {"merges": [[A, B]]}).split("abc") == ["ab", "c"]
    with pytest.raises(ValueError):
        Vocabulary.from_dict(
            data | {"tokens": [*VOCABULARY.tokens[:257], *tokens], "merges": merges}
        )


def test_merges_at_other_levels_and_missing_bytes_are_refused():
    data = VOCABULARY.to_dict()
    for change in ({"level": "word"}, {"level": "char"}, {"level": "byte"}):
        with pytest.raises(ValueError):
            Vocabulary.from_dict(data | change)
    for tokens in (data["tokens"][:200], [*data["tokens"][:5], *data["tokens"][6:], "~~"]):
        with pytest.raises(ValueError):
            Vocabulary.from_dict(data | {"tokens": tokens, "merges": []})


def test_merges_that_make_the_unknown_token_are_refused():
    new, tokens = ["<u", "<un", "<unk"], [*VOCABULARY.tokens[:257]]
    less, u, n, k, more = (tokens.index(letter) for letter in "<unk>")
    merges = [[less, u], [257, n], [258, k], [259, more]]
    with pytest.raises(ValueError):
        Vocabulary.from_dict(
            {"level": "bpe", "tokens": tokens + new, "merges": merges}
        )


FORK = """
import os
from rnnlm_cli.config import TextConfig
from rnnlm_cli.text.vocabulary import Vocabulary

text = "the lower the better\\n" * 10_000  # many batches, so that the library starts threads
vocabulary = Vocabulary.build([text], len(text), TextConfig(level="bpe", vocab_size=270))
expected = vocabulary.encode(text).tolist()
child = os.fork()
if child == 0:
    os._exit(vocabulary.encode(text).tolist() != expected)
assert os.waitpid(child, 0)[1] == 0
assert "TOKENIZERS_PARALLELISM" not in os.environ
"""


def test_a_forked_process_can_encode_after_its_parent_has():
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    environment.pop("TOKENIZERS_PARALLELISM", None)
    with subprocess.Popen(
        [sys.executable, "-c", FORK], env=environment, start_new_session=True
    ) as process:
        try:
            assert process.wait(timeout=60) == 0
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # a child that hangs too
