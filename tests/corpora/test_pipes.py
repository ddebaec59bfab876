"""The scripts that write a text to stdout, and a reader that closes it early."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

CORPORA = Path(__file__).parents[2] / "corpora"


@pytest.mark.skipif(not hasattr(signal, "SIGPIPE"), reason="this system has no SIGPIPE")
@pytest.mark.parametrize(
    "arguments", [["permuted_lines.py", "text", "9000"], ["python_reference.py"]],
    ids=lambda arguments: arguments[0],
)
def test_a_closed_pipe_ends_a_script_without_an_error(tmp_path, arguments):
    (tmp_path / "text").write_text("a first line that has seven words\n" * 90_000)
    script, *rest = arguments
    with subprocess.Popen(
        [sys.executable, CORPORA / script, *rest], cwd=tmp_path,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout.read(10)
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(timeout=60) == -signal.SIGPIPE  # which a shell reports as 141
