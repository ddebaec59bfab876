"""The output of rnnlm generate: texts and JSON on stdout, everything else on stderr."""

import io
import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from math import log
from pathlib import Path

import pytest
import torch

from rnnlm_cli.config import ModelConfig, TextConfig
from rnnlm_cli.model_file import Model, save_model
from rnnlm_cli.nn.network import RecurrentNetwork
from rnnlm_cli.text.vocabulary import Vocabulary

PACKAGE_FOLDER = str(Path(__file__).parents[2])
LETTERS = "abcde\n"
GREEDY = ("--temperature", 0)


def save_cycle(text, *, level="char", sampling=None):
    """Save a model as model.rnnlm that writes the tokens of a text in turn, again and again.

    The right token has probability 1/2 at each place, and all others have the same probability.
    The hidden state is the one-hot code of the last token.
    """
    if level == "byte":
        vocabulary = Vocabulary.build([], 0, TextConfig(level="byte"))
    else:
        known = text.split() if level == "word" else text.replace("\n", "")
        vocabulary = Vocabulary(level, ("<unk>", "\n", *sorted(known)))
    size = len(vocabulary)
    network = RecurrentNetwork(ModelConfig(
        vocab_size=size, embedding_size=size, hidden_size=size, cell="elman_tanh",
        unknown_trained=False,
    ))
    tokens = vocabulary.encode(text).tolist()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
        network.embedding.copy_(20 * torch.eye(size))  # tanh(20) is 1 in float32
        network.recurrent_layers[0].weight_ih.copy_(torch.eye(size))
        for token, following in zip(tokens, tokens[1:] + tokens[:1], strict=True):
            network.output_weight[following, token] = log(size - 2)  # of as many other tokens
    save_model(
        "model.rnnlm",
        Model(network, vocabulary, False, None if level == "byte" else "utf-8", {"valid_nats": 1.5},
              sampling=sampling or {}),
    )


def continue_letters(prompt, size):
    """Return the most probable continuation of a prompt by the model `letters`."""
    begin = LETTERS.index(prompt[-1:] or "\n") + 1
    return (LETTERS * (size // len(LETTERS) + 2))[begin : begin + size]


def with_newline(text):
    return text if text.endswith("\n") else text + "\n"


@pytest.fixture
def letters(tmp_path, monkeypatch):
    """A model in the current folder that writes lines "abcde"."""
    monkeypatch.chdir(tmp_path)
    save_cycle(LETTERS)


@pytest.fixture
def write_json(run):
    """Runs a generation with --json and returns its objects."""

    def write(*arguments):
        return [json.loads(line) for line in run("generate", *arguments, "--json")[1].splitlines()]

    return write


def set_stdin(monkeypatch, data):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))


def start(*arguments, stdin=None):
    environment = {**os.environ, "PYTHONPATH": PACKAGE_FOLDER}
    environment.pop("PYTHONUNBUFFERED", None)  # it would hide that a text is not flushed
    return subprocess.Popen(
        [sys.executable, "-m", "rnnlm_cli", "generate", *map(str, arguments)],
        stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment,
    )


@pytest.mark.parametrize("arguments", [
    GREEDY, ("--top-k", 1, "--temperature", 3), ("--beam", 1),
])
def test_json_has_the_text_and_its_log_probability_without_filters(letters, write_json, arguments):
    (line,) = write_json("ea", "--n", 4, *arguments)
    assert (line["prompt"], line["text"], line["token_ids"]) == ("ea", "bcde", [3, 4, 5, 6])
    assert line["log_prob"] == pytest.approx(4 * log(1 / 2))


def test_json_keys_of_samples_and_of_the_search(letters, write_json):
    keys = ["prompt", "text", "token_ids", "seed", "sample", "log_prob", "stop_reason"]
    lines = write_json("--samples", 2, "--seed", 9, "--n", 3)
    assert [list(line) for line in lines] == [keys, keys]
    assert [(line["seed"], line["sample"]) for line in lines] == [(9, 0), (9, 1)]
    assert write_json("--n", 3, "--seed", 9, *GREEDY)[0]["seed"] is None
    lines = write_json("--n", 3, "--beam", 4, "--n-best", 2)
    assert [list(line) for line in lines] == [[*keys, "score"]] * 2
    assert [(line["seed"], line["sample"]) for line in lines] == [(None, 0), (None, 1)]


def test_the_search_scores_texts_by_their_length(letters, write_json):
    """The second text leaves the cycle once, for one of five tokens that share 1/2."""
    best, second = write_json("--n", 4, "--beam", 2, "--n-best", 2, "--length-penalty", 0.5)
    assert best["text"] == "abcd"
    assert best["log_prob"] == pytest.approx(4 * log(1 / 2))
    assert second["log_prob"] == pytest.approx(3 * log(1 / 2) + log(1 / 10))
    for each in (best, second):
        assert each["score"] == pytest.approx(each["log_prob"] / 2)


@pytest.mark.parametrize("arguments", [
    ("a", "--samples", 3, "--seed", 2), ("a", "--beam", 3, "--n-best", 3), ("a", "--seed", 2),
    ("--prompts", "lines.txt", "--samples", 2, "--seed", 2),
])
def test_the_texts_printed_are_those_of_json(letters, run, write_json, arguments):
    Path("lines.txt").write_text("a\n\nabc\n")
    lines = write_json(*arguments, "--n", 9)
    code, echoed, err = run("generate", *arguments, "--n", 9)
    assert code == 0
    assert echoed == "".join(with_newline(line["prompt"] + line["text"]) for line in lines)
    assert run("generate", *arguments, "--n", 9, "--no-echo")[1] == "".join(
        with_newline(line["text"]) for line in lines
    )
    num_texts = 1 + max(line["sample"] for line in lines)
    headings = [f"sample {line['sample'] + 1} of {num_texts}:" for line in lines]
    assert err.splitlines() == (headings if num_texts > 1 else [])


@pytest.mark.parametrize(("arguments", "text", "num_tokens", "reason"), [
    (("--n", 3), "bcd", 3, "length"),
    (("--n", 5), "bcde\n", 5, "length"),
    (("--stop", "cd"), "b", 3, "stop"),
    (("--stop", "e\na"), "bcd", 6, "stop"),
    (("--stop", "abc", "--stop", "e", "--stop", "cb"), "bcd", 4, "stop"),
    (("--stop", "de", "--n", 3), "bcd", 3, "length"),
    (("--lines", 2), "bcde\nabcde\n", 11, "lines"),
    (("--lines", 2, "--n", 7), "bcde\nab", 7, "length"),
    (("--until-end",), "bcde", 5, "end"),
    (("--forbid", "b", "--n", 3), "\na\n", 3, "length"),  # of equal logits, the first id wins
    (("--forbid", "b", "--forbid", "\n", "--n", 3), "aaa", 3, "length"),
    (("--logit-bias", "b-1.6", "--n", 3), "bcd", 3, "length"),  # ln 5 is 1.609
    (("--logit-bias", "b-1.7", "--n", 3), "\na\n", 3, "length"),
    (("--logit-bias", "\n+2", "--n", 3), "\n\n\n", 3, "length"),
])
def test_a_text_ends_where_it_was_asked_to(
    letters, run, write_json, arguments, text, num_tokens, reason
):
    (line,) = write_json("a", *GREEDY, *arguments)
    assert (line["text"], len(line["token_ids"])) == (text, num_tokens)
    assert line["stop_reason"] == reason
    assert run("generate", "a", *GREEDY, *arguments) == (0, with_newline("a" + text), "")


def test_the_first_texts_do_not_depend_on_the_number_of_texts(letters, run, write_json):
    """The logits of a stream and of batches differ in the last digits, which a draw meets once in
    a million tokens."""
    arguments = ("--seed", 3, "--n", 300, "--lines", 15)
    streamed = run("generate", *arguments)[1]
    (alone,) = write_json(*arguments)
    three, nine = (write_json(*arguments, "--samples", number) for number in (3, 9))
    assert streamed == with_newline(alone["text"]) and len(streamed) > 30
    assert [line["text"] for line in three] == [line["text"] for line in nine[:3]]
    assert three[0]["text"] == alone["text"]
    assert len({len(line["text"]) for line in nine}) > 1
    assert len({line["text"] for line in nine}) == 9


@pytest.mark.parametrize("arguments", [
    ("--seed", 4), ("--seed", 4, "--samples", 3), ("--beam", 3), GREEDY,
])
def test_the_same_command_writes_the_same_text_again(model_path, run, arguments):
    first, second = (run("generate", "--n", 80, *arguments)[1] for _ in range(2))
    assert first == second


def test_a_search_with_one_candidate_is_greedy(model_path, run):
    greedy = run("generate", "abd", "--n", 60, *GREEDY)
    assert run("generate", "abd", "--n", 60, "--beam", 1) == greedy


def test_temperature_0_ignores_the_seed(model_path, run):
    first, second = (run("generate", "--n", 60, *GREEDY, "--seed", each)[1] for each in (1, 2))
    assert first == second


@pytest.mark.parametrize("arguments", [
    (), ("--json",), ("--samples", 2), ("--prompts", "lines.txt"),
])
def test_a_fresh_seed_is_shown_and_gives_the_same_text_again(letters, run, arguments):
    Path("lines.txt").write_text("a\n\n")
    _, out, err = run("generate", "--n", 60, *arguments)
    seed = re.match(r"seed: (\d+)\n", err)[1]
    assert run("generate", "--n", 60, *arguments, "--seed", seed)[1] == out
    assert run("generate", "--n", 60, *arguments)[1] != out


def test_no_seed_is_shown_where_nothing_is_drawn(letters, run):
    for arguments in (GREEDY, ("--beam", 2), ("--beam", 2, "--json")):
        assert run("generate", "--n", 9, *arguments)[2] == ""
    save_cycle(LETTERS, sampling={"temperature": 0.0})  # now the default of this model
    assert run("generate", "--n", 9) == (0, "abcde\nabc\n", "")
    assert "seed: " in run("generate", "--n", 9, "--temperature", 1)[2]


def test_a_prompt_by_argument_option_file_or_stdin_is_the_same(letters, run, monkeypatch):
    prompt = "abc\nde"
    Path("prompt.txt").write_text(prompt)
    arguments = ("generate", "--n", 4, *GREEDY)
    expected = (0, prompt + "\nabc\n", "")
    for source in ((prompt,), ("--prompt", prompt), ("-f", "prompt.txt")):
        assert run(*arguments, *source) == expected
    for source in (("-",), ("-f", "-")):
        set_stdin(monkeypatch, prompt.encode())
        assert run(*arguments, *source) == expected


def test_unknown_prompt_characters_can_be_skipped(letters, run):
    arguments = ("generate", "--n", 3, *GREEDY, "--unk", "skip")
    assert run(*arguments, "ab?", "--no-echo")[1] == "cde\n"
    Path("lines.txt").write_text("?\na?\n")
    assert run(*arguments, "--prompts", "lines.txt", "--no-echo")[1] == "abc\nbcd\n"


@pytest.mark.parametrize("end", ["", "\n"])
def test_each_line_of_a_file_is_continued_in_order(letters, write_json, end):
    """There are more lines than rows in a batch."""
    lines = ["abcde"[: number % 6] for number in range(149)] + ["b"]
    Path("lines.txt").write_text("\n".join(lines) + end)
    answers = write_json("--prompts", "lines.txt", "--n", 7, *GREEDY)
    assert [(each["prompt"], each["text"]) for each in answers] == [
        (line, continue_letters(line, 7)) for line in lines
    ]
    answers = write_json("--prompts", "lines.txt", "--samples", 2, "--n", 2, "--seed", 1)
    assert [(each["prompt"], each["sample"]) for each in answers] == [
        (line, sample) for line in lines for sample in (0, 1)
    ]


def test_a_line_is_continued_as_if_it_were_the_only_one(letters, write_json):
    Path("lines.txt").write_text("ab\n\nabcd\n")
    arguments = ("--n", 90, "--seed", 6)
    texts = [each["text"] for each in write_json("--prompts", "lines.txt", *arguments)]
    alone = [write_json(prompt, *arguments)[0]["text"] for prompt in ("ab", "", "abcd")]
    assert texts == alone


@pytest.mark.parametrize("form", [("--json",), ()])
def test_a_program_gets_each_answer_before_it_sends_the_next_prompt(letters, form):
    """The test would hang if an answer waited for more input."""
    arguments = ("--prompts", "-", "--until-end", *GREEDY, *form)
    with start(*arguments, stdin=subprocess.PIPE) as process:
        for number in range(100):
            prompt = "abcde"[: number % 6]
            process.stdin.write(f"{prompt}\n".encode())
            process.stdin.flush()
            answer = process.stdout.readline().decode()
            if form:
                facts = json.loads(answer)
                assert (facts["prompt"], facts["text"]) == (prompt, "abcde"[number % 6 :])
            else:
                assert answer == "abcde\n"
        process.stdin.close()
        assert process.stdout.read() == b"" and process.stderr.read() == b""
        assert process.wait(timeout=60) == 0


def test_the_speed_is_shown_if_it_is_asked_for(letters, run):
    for arguments, number in (((), 40), (("--samples", 3), 120), (("--beam", 2), 40)):
        err = run("generate", "--n", 40, "--verbose", *arguments)[2]
        assert re.search(rf"^{number} tokens in \d+\.\d\d s: [\d,]+ tokens/s\n\Z", err, re.M)


@pytest.mark.parametrize("temperature", [0, 0.01])
def test_a_stream_appears_at_once_and_ctrl_c_ends_it_with_a_newline(letters, temperature):
    """At 0.01 the right token is e^160 times as probable as another one."""
    arguments = ("--n", 100_000_000, "--temperature", temperature, "--seed", 1)
    with start("abcde\n", *arguments) as process:
        text = process.stdout.read1(4096).decode()
        assert len(text) < 2048  # a buffer that is not flushed holds 4096 bytes or more
        text += process.stdout.read(3000).decode()
        process.send_signal(signal.SIGINT)
        text += process.stdout.read().decode()
        assert process.stderr.read() == b""
        assert process.wait(timeout=60) == 130
    assert len(text) > 3000 and text.endswith("\n")
    assert text[:-1] == continue_letters("", len(text) - 1)


def test_ctrl_c_ends_all_samples_with_a_line_of_json_each(tmp_path, monkeypatch):
    """The vocabulary is too large for numba, whose import cannot be interrupted safely."""
    monkeypatch.chdir(tmp_path)
    text = "".join(map(chr, range(0x4e00, 0x4e00 + 600))) + "\n"
    save_cycle(text)
    with start("--n", 100_000_000, "--temperature", 0.01, "--json", "--samples", 3) as process:
        assert process.stderr.readline().startswith(b"seed: ")
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        lines = [json.loads(line) for line in process.stdout.read().splitlines()]
        assert process.stderr.read() == b""
        assert process.wait(timeout=60) == 130
    assert [(line["sample"], line["stop_reason"]) for line in lines] == [
        (sample, "interrupted") for sample in range(3)
    ]
    assert all((text * 10_000).startswith(line["text"]) for line in lines)


ODD_TEXT = "\x1b\t\u4e16e\u0301\n"  # an escape, a wide character, and a combining one


@pytest.fixture
def show(monkeypatch, run):
    """Runs a generation on a terminal and returns what the terminal gets."""

    def generate(*arguments):
        control, terminal = pty.openpty()
        with open(terminal, "w") as stream, monkeypatch.context() as patch:
            patch.setattr("sys.stdout", stream)
            assert run("generate", *arguments)[0] == 0
        shown = b""
        with suppress(OSError):  # the terminal has no writer any more
            while piece := os.read(control, 4096):
                shown += piece
        os.close(control)
        return shown.decode()

    return generate


def test_a_terminal_gets_generated_controls_as_escapes_unless_they_are_asked_for(
    tmp_path, monkeypatch, run, show
):
    monkeypatch.chdir(tmp_path)
    save_cycle(ODD_TEXT)
    length = ("--n", len(ODD_TEXT))
    for more in (GREEDY, ("--beam", 1)):
        escaped = "\\x1b\t\u4e16e\u0301\r\n"  # \r\n: the terminal's newline
        assert show(*length, *more) == escaped
        assert show(*length, *more, "--raw") == "\x1b\t\u4e16e\u0301\r\n"
        assert run("generate", *length, *more)[1] == ODD_TEXT


def test_characters_of_several_bytes_are_written_whole(tmp_path, monkeypatch, run, show):
    monkeypatch.chdir(tmp_path)
    save_cycle("\u4e16\xe9\n", level="byte")
    assert run("generate", *GREEDY, "--n", 6) == (0, "\u4e16\xe9\n", "")
    assert show(*GREEDY, "--n", 9) == "\u4e16\xe9\r\n\u4e16\r\n"
    # The second line has two of the three bytes of its character.
    code, out, err = run("generate", *GREEDY, "--n", 8)
    assert (code, out) == (0, "\u4e16\xe9\n\ufffd\ufffd\n")
    assert err == "rnnlm: note: 2 bytes that are not UTF-8 are shown as \ufffd\n"


@pytest.fixture
def words(tmp_path, monkeypatch):
    """A model that writes lines "the cat sat on a mat", and a text to compare them with.

    The text has "the cat sat on", one of the three 4-grams, and all six words but "a".
    """
    monkeypatch.chdir(tmp_path)
    save_cycle("the cat sat on a mat\n", level="word")
    Path("train.txt").write_text("a0 the dog\nthe cat sat on the mat\n")
    Path("more.txt").write_text("is it a dog?")


def test_copies_of_the_training_text_are_reported(words, run):
    arguments = ("generate", *GREEDY, "--novelty", "train.txt", "--n")
    assert run(*arguments, 6) == (
        0, "the cat sat on a mat\n",
        "sample 1: 66.7% new 4-grams, 83.3% known words, longest copied run 15 characters: "
        "'the cat sat on '\n",
    )
    _, out, err = run(*arguments, 2, "--samples", 2)
    assert out == "the cat\n" * 2
    report = "100.0% known words, longest copied run 7 characters: 'the cat'"
    assert err.splitlines() == [
        "sample 1 of 2:", "sample 2 of 2:", f"sample 1: {report}", f"sample 2: {report}",
    ]


def test_json_has_the_novelty_of_each_text(words, write_json):
    Path("lines.txt").write_text("the cat\n\n")
    arguments = ("--prompts", "lines.txt", *GREEDY, "--novelty", "train.txt")
    short, long = write_json(*arguments, "--until-end")
    assert (short["text"], long["text"]) == (" sat on a mat", "the cat sat on a mat")
    assert list(short)[-4:] == ["num_run_characters", "run", "new_4gram_share", "known_word_share"]
    assert list(short.values())[-4:] == [8, " sat on ", 1, 3 / 4]
    assert list(long.values())[-4:] == [15, "the cat sat on ", 2 / 3, 5 / 6]
    both = write_json(*arguments, "--until-end", "--novelty", "more.txt")
    assert [line["known_word_share"] for line in both] == [1, 1]
    assert write_json(*GREEDY, "--n", 3, "--novelty", "train.txt")[0]["new_4gram_share"] is None
