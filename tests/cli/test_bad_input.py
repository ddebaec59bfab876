"""Bad input for the other commands, and streams that fail: one line on stderr, an exit code."""

import errno
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rnnlm_cli.cli.main import main

USAGE, FAULT = 2, 1
BAD = [
    # plots and plain weights
    (["plot"], USAGE, "Missing argument"),
    (["plot", "none.rnnlm"], FAULT, "none.rnnlm.jsonl: cannot be read"),
    (["plot", "."], FAULT, "cannot be read"),
    (["plot", "none.rnnlm", "--out", "text.txt"], FAULT, "text.txt: exists and is not"),
    (["plot", "none.rnnlm", "--out", "device"], FAULT, "device: exists and is not"),
    (["export", "no/such/weights"], FAULT, "does not exist"),
    (["export", "text.txt"], FAULT, "text.txt: exists and is not"),
    (["export", "device"], FAULT, "device: exists and is not"),
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
    # a pipe, which nobody writes to, in the place of a file that must be regular
    (["score", "-m", "device", "x"], FAULT, "device: is a pipe or a device; a regular file is"),
    (["info", "device"], FAULT, "device: is a pipe or a device"),
    (["info", "/dev/zero"], FAULT, "/dev/zero: is a pipe or a device"),
    (["export", "new", "-m", "device"], FAULT, "device: is a pipe or a device"),
    (["plot", "device.jsonl", "-o", "new.png"], FAULT, "device.jsonl: cannot be read (it is a pi"),
    (["train", "text.txt", "--init", "device"], FAULT, "device: is a folder, a pipe or a device"),
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
    (["score", "a", "--rows", "4"], USAGE, "--rows: has no meaning without --document"),
    (["score", "a", "--reset-every", "4"], USAGE, "--reset-every"),
    (["score", "--document", "text.txt", "--rows", "0"], USAGE, "--rows: '0'"),
    (["score", "--document", "text.txt", "--reset-every", "-1"], USAGE, "--reset-every: '-1'"),
    (["score", "--document", "text.txt", "--closing"], USAGE, "--closing and --document"),
    (["score", "--document", "none.txt"], FAULT, "none.txt: no such file"),
    (["score", "a", "--device", "quantum"], USAGE, "--device"),
]


@pytest.mark.parametrize(("arguments", "code", "message"), BAD, ids=lambda v: repr(v)[:60])
def test_bad_input_gets_one_line_and_changes_nothing(check_failure, arguments, code, message):
    check_failure(arguments, code, message)


def test_no_model_yet(tmp_path, monkeypatch, run):
    monkeypatch.chdir(tmp_path)
    for command in (["score", "x"], ["generate"], ["info"]):
        code, _, err = run(*command)
        assert code == FAULT and "model.rnnlm: no such model file; 'rnnlm train TEXT'" in err


def test_an_unreadable_file_is_named(folder, run, monkeypatch):
    usual_open = open

    def refuse(path, *more, **options):  # root may read everything
        if "text.txt" in str(path):
            raise PermissionError(errno.EACCES, "Permission denied")
        return usual_open(path, *more, **options)

    monkeypatch.setattr("builtins.open", refuse)
    code, _, err = run("train", "text.txt")
    assert code == FAULT and "text.txt: cannot be read (Permission denied)" in err


def test_a_read_only_folder_is_said_before_training(folder, run, monkeypatch):
    usual_open = os.open

    def open_for_reading(path, flags, *more, **options):
        if flags & os.O_CREAT:
            raise OSError(errno.EROFS, "Read-only file system", path)
        return usual_open(path, flags, *more, **options)

    monkeypatch.setattr(os, "open", open_for_reading)
    before = sorted(folder.iterdir())
    code, _, err = run("train", "text.txt", "--out", "new.rnnlm")
    assert code == FAULT and "new.rnnlm: cannot be written (Read-only file system)" in err
    assert sorted(folder.iterdir()) == before


@pytest.mark.parametrize("command", [["generate", "--n", "20000"], ["score", "-f", "text.txt"]])
def test_a_closed_pipe_ends_quietly(folder, command):
    if command[0] == "score":
        (folder / "text.txt").write_text("the quick brown fox\n" * 2000)
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


def test_ctrl_c_is_reported_in_one_line(folder, run, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("builtins.open", interrupt)
    assert run("generate", "-f", "text.txt") == (130, "", "rnnlm: error: interrupted\n")


@pytest.mark.parametrize("error", [
    MemoryError(), RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"),
])
def test_too_little_memory_is_reported_in_one_line(folder, run, monkeypatch, error):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr("rnnlm_cli.language_model.LanguageModel.load", fail)
    code, out, err = run("generate")
    assert (code, out, len(err.splitlines())) == (FAULT, "", 1)
    assert err.startswith("rnnlm: error: memory: ")


def test_ctrl_c_that_a_library_swallows_is_reported_in_one_line(folder, run, monkeypatch):
    """Code in another language calls Python where no exception can be raised."""

    class Swallowing:
        def __del__(self):
            raise KeyboardInterrupt

    def load(*_, **__):
        Swallowing()
        time.sleep(5)

    monkeypatch.setattr("rnnlm_cli.language_model.LanguageModel.load", load)
    assert run("generate") == (130, "", "rnnlm: error: interrupted\n")


def test_ctrl_c_while_the_program_loads_ends_it_without_a_traceback(folder):
    (folder / "typer.py").write_text("import os, signal; os.kill(os.getpid(), signal.SIGINT)")
    result = subprocess.run(
        [sys.executable, "-m", "rnnlm_cli", "info"], capture_output=True, cwd=folder,
        env={**os.environ, "PYTHONPATH": f"{folder}{os.pathsep}{Path(__file__).parents[2]}"},
    )
    assert (result.returncode, result.stdout, result.stderr) == (130, b"", b"")


def test_no_arguments_show_the_help(capsys):
    assert main([]) in (0, USAGE)
    assert "train" in "".join(capsys.readouterr())
