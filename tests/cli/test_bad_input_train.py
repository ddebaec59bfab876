"""Bad input for `rnnlm train`: one line on stderr, an exit code, and no file changed."""

import pytest

TEXT_SIZE = len("the quick brown fox jumps over the lazy dog\n" * 40)
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
    (["train", "latin.txt"], FAULT, f"latin.txt: byte {TEXT_SIZE + 3} is not utf-8"),
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
    (["train", "utf16.txt"], FAULT, "NUL"),
    (["train", "utf16.txt", "--encoding", "utf-16"], FAULT, "is not utf-16"),
    (["train", "text.txt", "--out", "device"], FAULT, "device: exists and is not"),
    (["train", "text.txt", "--out", "kept"], FAULT, "kept.old: exists and is not"),
]


@pytest.mark.parametrize(("arguments", "code", "message"), BAD, ids=lambda v: repr(v)[:60])
def test_bad_input_gets_one_line_and_changes_nothing(check_failure, arguments, code, message):
    check_failure(arguments, code, message)
