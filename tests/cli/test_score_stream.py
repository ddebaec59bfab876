"""Scores of lines that arrive through a pipe."""

import bz2
import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE_FOLDER = str(Path(__file__).parents[2])


def start(*arguments):
    return subprocess.Popen(
        [sys.executable, "-m", "rnnlm_cli", "score", *arguments],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": PACKAGE_FOLDER},
    )


@pytest.mark.parametrize("format_name", ["json", "text"])
def test_a_program_gets_each_answer_before_it_sends_the_next_request(model_path, format_name):
    """The test would hang if an answer waited for more input."""
    with start("-f", "-", "--format", format_name) as process:
        for number in range(1000):
            request = "abcde"[: 1 + number % 5]
            process.stdin.write(f"{request}\n".encode())
            process.stdin.flush()
            answer = process.stdout.readline().decode()
            if format_name == "json":
                assert json.loads(answer)["text"] == request
            else:
                assert answer.split()[-1] == request
        process.stdin.close()
        assert process.stdout.read() == b""
        assert process.wait(timeout=60) == 0


def test_lines_that_arrive_in_pieces_are_scored_when_they_are_whole(model_path):
    with start("-f", "-", "--json") as process:
        for piece, texts in ((b"B", []), (b"Z\nab\nc", ["BZ", "ab"]), (b"d\n\n", ["cd", ""])):
            process.stdin.write(piece)
            process.stdin.flush()
            for text in texts:
                assert json.loads(process.stdout.readline())["text"] == text
        process.stdin.write(b"e")
        process.stdin.close()
        assert json.loads(process.stdout.readline())["text"] == "e"
        assert process.wait(timeout=60) == 0


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, bytes])
def test_a_stream_is_decompressed_if_its_first_bytes_say_so(model_path, compress):
    with start("-f", "-", "--json") as process:
        out, _ = process.communicate(compress(b"ab\nBZh91\ncde\n"), timeout=60)
    assert [json.loads(line)["text"] for line in out.splitlines()] == ["ab", "BZh91", "cde"]
