"""What bad input gets: one line on stderr, an exit code, nothing lost, no half-written file."""

import errno
import gzip
import os
import pickle
import struct
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from rnnlm_cli.cli.main import main
from rnnlm_cli.files import atomic as files

TEXT = "the quick brown fox jumps over the lazy dog\n" * 40


@pytest.fixture
def folder(model_path, tmp_path):
    """model.rnnlm and everything a person could name by mistake."""
    files = {
        "text.txt": TEXT.encode(),
        "empty.txt": b"",
        "short.txt": b"too short",
        "line.txt": b"one line only " * 30,
        "latin.txt": TEXT.encode() + b"caf\xe9\n",
        "cut.txt.gz": gzip.compress(TEXT.encode())[:-20],
        "text.txt.xz": TEXT.encode(),
        "binary.bin": bytes(range(256)) * 4,
        "nul.txt": TEXT.encode() + b"\0",
        "utf16.txt": TEXT.encode("utf-16-le"),
        "kept.old": b"notes",
        "pickle.rnnlm": pickle.dumps({"a": 1}),
        "foreign.rnnlm": b"hello, this is no model at all",
        "cut.rnnlm": model_path.read_bytes()[:-100],
        "bit.rnnlm": model_path.read_bytes()[:-1] + b"\x55",
        "header.rnnlm": struct.pack("<Q", 1 << 62) + b"{}",
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    newer = model_path.read_bytes().replace(b'\\"version\\":1', b'\\"version\\":9')
    (tmp_path / "newer.rnnlm").write_bytes(newer)
    save_file({"weight": torch.zeros(2)}, tmp_path / "other.rnnlm", {"format": "pt"})
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "device")
    return tmp_path


USAGE, FAULT = 2, 1
BAD = [
    # no command, no argument, unknown ones
    (["train"], USAGE, "TEXT: nothing given"),
    (["tarin", "text.txt"], USAGE, "No such command"),
    (["train", "text.txt", "--hiden-size", "3"], USAGE, "No such option"),
    (["score", "-m", "a", "--unexpected"], USAGE, "No such option"),
    (["train", "text.txt", "--layers", "two"], USAGE, "should be a valid integer"),
    # the text
    (["train", "none.txt"], FAULT, "none.txt: no such file"),
    (["train", "empty.txt"], FAULT, "empty.txt: is empty"),
    (["train", "short.txt"], FAULT, "holds 8 tokens"),
    (["train", "text.txt", "more.txt"], FAULT, "more.txt: no such file"),
    (["train", "folder"], FAULT, "folder: is a folder without a text file"),
    (["train", "*.text"], FAULT, "*.text: no file fits this pattern"),
    (["train", "-", "-"], FAULT, "stands for stdin, which can be read once"),
    (["train", "cut.txt.gz"], FAULT, "cut.txt.gz: cannot be decompressed"),
    (["train", "text.txt.xz"], FAULT, "text.txt.xz: cannot be decompressed"),
    (["train", "latin.txt"], FAULT, f"latin.txt: byte {len(TEXT) + 3} is not utf-8"),
    (["train", "binary.bin"], FAULT, "byte 128 is not utf-8"),
    (["train", "nul.txt"], FAULT, "NUL"),
    (["train", "line.txt", "--text", "sentences"], FAULT, "is one line"),
    (["train", "text.txt", "--valid", "none.txt"], FAULT, "none.txt: no such file"),
    (["train", "text.txt", "--valid", "empty.txt"], FAULT, "empty.txt: contains no token"),
    (["train", "text.txt", "--test", "empty.txt"], FAULT, "empty.txt: contains no token"),
    (["train", "text.txt", "--encoding", "klingon"], USAGE, "--encoding: 'klingon'"),
    (["train", "a\0b"], FAULT, "null"),
    # sizes
    (["train", "text.txt", "--hidden-size", "0"], USAGE, "--hidden-size: '0'"),
    (["train", "text.txt", "--hidden-size", "-5"], USAGE, "--hidden-size: '-5'"),
    (["train", "text.txt", "--hidden-size", "1000000"], FAULT, "GB"),
    (["train", "text.txt", "--hidden-size", "10000000000"], USAGE, "--hidden-size"),
    (["train", "text.txt", "--embedding-size", "0"], USAGE, "--embedding-size"),
    (["train", "text.txt", "--layers", "0"], USAGE, "--layers"),
    (["train", "text.txt", "--layers", "1000"], USAGE, "--layers"),
    (["train", "text.txt", "--bptt", "0"], USAGE, "--bptt"),
    (["train", "text.txt", "--batch-size", "-1"], USAGE, "--batch-size"),
    (["train", "text.txt", "--dropout", "1"], USAGE, "--dropout: '1'"),
    (["train", "text.txt", "--dropout", "nan"], USAGE, "--dropout: 'nan'"),
    (["train", "text.txt", "--lr", "0"], USAGE, "--lr: '0'"),
    (["train", "text.txt", "--lr", "nan"], USAGE, "--lr: 'nan'"),
    (["train", "text.txt", "--lr", "inf"], USAGE, "--lr: 'inf'"),
    (["train", "text.txt", "--clip", "-1"], USAGE, "--clip: '-1'"),
    (["train", "text.txt", "--clip", "nan"], USAGE, "--clip: 'nan'"),
    (["train", "text.txt", "--weight-decay", "-1"], USAGE, "--weight-decay"),
    (["train", "text.txt", "--minutes", "0"], USAGE, "--minutes: '0'"),
    (["train", "text.txt", "--minutes", "nan"], USAGE, "--minutes: 'nan'"),
    (["train", "text.txt", "--epochs", "0"], USAGE, "--epochs"),
    (["train", "text.txt", "--steps", "-3"], USAGE, "--steps"),
    (["train", "text.txt", "--seed", "-1"], USAGE, "--seed"),
    (["train", "text.txt", "--sample-every", "-1"], USAGE, "--sample-every"),
    (["train", "text.txt", "--threads", "0"], USAGE, "--threads"),
    (["train", "text.txt", "--min-count", "0"], USAGE, "--min-count"),
    (["train", "text.txt", "--vocab-size", "1"], USAGE, "--vocab-size"),
    (["train", "text.txt", "--valid-fraction", "1"], USAGE, "--valid-fraction"),
    (["train", "text.txt", "--layers", "0", "--lr", "0"], USAGE, "--lr: '0'"),  # both are said
    # choices and clashes
    (["train", "text.txt", "--cell", "transformer"], USAGE, "'--cell'"),
    (["train", "text.txt", "--level", "syllable"], USAGE, "'--level'"),
    (["train", "text.txt", "--device", "tpu"], USAGE, "it has cpu"),
    (["train", "text.txt", "--device", "cuda:7"], USAGE, "--device: 'cuda:7' is not on"),
    (["train", "text.txt", "--minutes", "1", "--steps", "3"], USAGE, "--minutes and --steps"),
    (["train", "text.txt", "--cell", "gru", "--nonlinearity", "relu"], USAGE, "--nonlinearity"),
    (["train", "text.txt", "--tied", "--embedding-size", "3"], USAGE, "--tied"),
    (["train", "text.txt", "--level", "byte", "--min-count", "3"], USAGE, "--min-count"),
    (["train", "text.txt", "--level", "byte", "--encoding", "utf-8"], USAGE, "--encoding"),
    (["train", "text.txt", "--valid", "line.txt", "--valid-fraction", "0.2"], USAGE, "--valid"),
    # where the model goes
    (["train", "text.txt", "--out", "folder"], FAULT, "folder: is a folder"),
    (["train", "text.txt", "--out", "no/such/model"], FAULT, "does not exist"),
    (["train", "text.txt", "--out", "text.txt"], FAULT, "not overwritten"),
    (["train", "text.txt", "--out", "text.txt/model"], FAULT, "does not exist"),
    (["train", "text.txt", "--out", "x" * 300], FAULT, "cannot be written (File name too long)"),
    (["train", "x" * 300], FAULT, "cannot be read (File name too long)"),
    # going on, and beginning with other weights
    (["train", "--resume"], FAULT, "model.rnnlm.state: no such checkpoint"),
    (["train", "--resume", "--out", "."], FAULT, "no such checkpoint"),
    (["train", "--resume", "--out", "/"], FAULT, "no such checkpoint"),
    (["train", "--resume", "--restart"], USAGE, "--resume and --restart"),
    (["train", "text.txt", "--patience", "0"], USAGE, "--patience: '0'"),
    (["train", "text.txt", "--save-every", "0"], USAGE, "--save-every: '0'"),
    (["train", "text.txt", "--accumulate", "0"], USAGE, "--accumulate: '0'"),
    (["train", "text.txt", "--init", "none.rnnlm"], FAULT, "none.rnnlm: no such"),
    (["train", "text.txt", "--init", "pickle.rnnlm"], FAULT, "a pickle"),
    (["train", "text.txt", "--init", "bit.rnnlm"], FAULT, "checksum"),
    (["train", "text.txt", "--init", "model.rnnlm", "--min-count", "3"], USAGE,
     "--min-count: has no"),
    # pictures and plain weights
    (["plot"], USAGE, "Missing argument"),
    (["plot", "none.rnnlm"], FAULT, "none.rnnlm.jsonl: cannot be read"),
    (["plot", "."], FAULT, "cannot be read"),
    (["plot", "none.rnnlm", "--out", "text.txt"], FAULT, "text.txt: exists and is not a PNG"),
    (["plot", "none.rnnlm", "--out", "device"], FAULT, "device: exists and is not a PNG"),
    (["export", "no/such/weights"], FAULT, "does not exist"),
    (["export", "text.txt"], FAULT, "text.txt: exists and is no file of plain weights"),
    (["export", "device"], FAULT, "device: exists and is no file of plain weights"),
    # the model file
    (["score", "-m", "none.rnnlm", "x"], FAULT, "'rnnlm train TEXT' writes one"),
    (["score", "-m", "folder", "x"], FAULT, "folder: is a folder"),
    (["score", "-m", "empty.txt", "x"], FAULT, "is no model file"),
    (["score", "-m", "text.txt", "x"], FAULT, "is no model file"),
    (["score", "-m", "pickle.rnnlm", "x"], FAULT, "is a pickle"),
    (["score", "-m", "foreign.rnnlm", "x"], FAULT, "is no model file"),
    (["score", "-m", "other.rnnlm", "x"], FAULT, "another program"),
    (["score", "-m", "cut.rnnlm", "x"], FAULT, "cut short"),
    (["score", "-m", "bit.rnnlm", "x"], FAULT, "checksum"),
    (["score", "-m", "header.rnnlm", "x"], FAULT, "is no model file"),
    (["score", "-m", "newer.rnnlm", "x"], FAULT, "newer rnnlm"),
    (["info", "cut.rnnlm"], FAULT, "damaged"),
    (["generate", "-m", "bit.rnnlm"], FAULT, "damaged"),
    # score
    (["score"], USAGE, "nothing given"),
    (["score", "a\nb"], USAGE, "Use -f FILE"),
    (["score", "-f", "none.txt"], FAULT, "none.txt: no such file"),
    (["score", "-f", "folder"], FAULT, "folder: is a folder"),
    (["score", "-f", "latin.txt"], FAULT, "is not utf-8"),
    (["score", "a", "-f", "text.txt"], USAGE, "-f and SENTENCE"),
    (["score", "a", "-"], USAGE, "must stand alone"),
    (["score", "a", "--encoding", "klingon"], USAGE, "--encoding: 'klingon'"),
    (["score", "-5 degrees"], USAGE, "No such option"),
    (["train", "utf16.txt"], FAULT, "NUL"),
    (["train", "utf16.txt", "--encoding", "utf-16"], FAULT, "is not utf-16"),
    (["train", "text.txt", "--out", "device"], FAULT, "is not a model file"),
    (["train", "text.txt", "--out", "kept"], FAULT, "kept.old: exists and is not a model file"),
    (["score", "a", "--rows", "4"], USAGE, "--rows: has no meaning without --document"),
    (["score", "a", "--reset-every", "4"], USAGE, "--reset-every"),
    (["score", "--document", "text.txt", "--rows", "0"], USAGE, "--rows: '0'"),
    (["score", "--document", "text.txt", "--reset-every", "-1"], USAGE, "--reset-every: '-1'"),
    (["score", "--document", "text.txt", "--closing"], USAGE, "--closing and --document"),
    (["score", "--document", "none.txt"], FAULT, "none.txt: no such file"),
    (["score", "a", "--device", "quantum"], USAGE, "--device"),
    # generate
    (["generate", "--n", "0"], USAGE, "--n: '0'"),
    (["generate", "--n", "-4"], USAGE, "--n: '-4'"),
    (["generate", "--temperature", "-1"], USAGE, "--temperature: '-1'"),
    (["generate", "--temperature", "nan"], USAGE, "--temperature: 'nan'"),
    (["generate", "--top-p", "0"], USAGE, "--top-p: '0'"),
    (["generate", "--top-p", "1.5"], USAGE, "--top-p: '1.5'"),
    (["generate", "--top-k", "-1"], USAGE, "--top-k: '-1'"),
    (["generate", "--samples", "0"], USAGE, "--samples"),
    (["generate", "--seed", "-1"], USAGE, "--seed"),
    (["generate", "--prompt", "abxaye"], FAULT, "characters 'x' 'y'"),
    (["generate", "--prompt", "a", "-f", "text.txt"], USAGE, "--prompt and -f"),
    (["generate", "-f", "none.txt"], FAULT, "none.txt: no such file"),
    (["generate", "--unk", "guess"], USAGE, "'--unk'"),
]


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@pytest.mark.parametrize(("arguments", "code", "message"), BAD, ids=lambda v: repr(v)[:60])
def test_bad_input_gets_one_line_and_changes_nothing(folder, run, arguments, code, message):
    before = contents(folder)
    got, out, err = run(*arguments)
    assert (got, out) == (code, "")
    assert len(err.splitlines()) == 1, err
    assert err.startswith("rnnlm: error: ") and message in err
    assert contents(folder) == before


def test_no_model_yet(tmp_path, monkeypatch, run):
    monkeypatch.chdir(tmp_path)
    for command in (["score", "x"], ["generate"], ["info"]):
        code, _, err = run(*command)
        assert code == FAULT and "model.rnnlm: no such model file; 'rnnlm train TEXT'" in err


def test_an_unreadable_file_is_named(folder, run, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("builtins.open", refuse)  # root may read everything
    code, _, err = run("train", "text.txt")
    assert code == FAULT and "text.txt: cannot be read (Permission denied)" in err


def test_a_read_only_folder_is_said_before_training(folder, run, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(files.Path, "write_bytes", refuse)
    before = contents(folder)
    code, _, err = run("train", "text.txt", "--out", "new.rnnlm")
    assert code == FAULT and "new.rnnlm: cannot be written (Read-only file system)" in err
    assert contents(folder) == before


@pytest.mark.parametrize("command", [["generate", "--n", "20000"], ["score", "-f", "text.txt"]])
def test_a_closed_pipe_ends_quietly(folder, command):
    if command[0] == "score":
        (folder / "text.txt").write_text(TEXT * 30)
    with subprocess.Popen(
        [sys.executable, "-m", "rnnlm_cli", *command],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=folder,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    ) as process:
        process.stdout.read(10)
        process.stdout.close()
        err = process.stderr.read().decode()
        assert process.wait(timeout=60) == 141
    assert "Error" not in err and "error" not in err and "Traceback" not in err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("arguments", [["score", "abc"], ["generate"], ["info"], ["--help"]])
def test_a_full_disk_under_stdout_is_one_line(folder, arguments):
    with open("/dev/full", "w") as full:
        result = subprocess.run(
            [sys.executable, "-m", "rnnlm_cli", *arguments], stdout=full,
            stderr=subprocess.PIPE, cwd=folder,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        )
    assert result.returncode == FAULT
    lines = [line for line in result.stderr.decode().splitlines() if "rnnlm: error" in line]
    assert len(lines) == 1 and "stdout: cannot be written (No space left" in lines[0]
    assert "Traceback" not in result.stderr.decode()


def test_streams_that_the_caller_closed_lead_nowhere(folder):
    result = subprocess.run(
        f"{sys.executable} -m rnnlm_cli score - <&-; {sys.executable} -m rnnlm_cli score a >&-",
        shell=True, capture_output=True, cwd=folder,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert result.returncode == 0 and b"Traceback" not in result.stderr, result.stderr


def test_ctrl_c_says_so(folder, run, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("rnnlm_cli.cli.generate.open_model", interrupt)
    assert run("generate") == (130, "", "rnnlm: error: interrupted\n")


def test_no_arguments_show_the_help(capsys):
    assert main([]) in (0, USAGE)
    assert "train" in "".join(capsys.readouterr())
