"""Bad input for rnnlm pairs: one line on stderr, an exit code."""

import pytest

USAGE, FAULT = 2, 1
SOUND = '{"sentence_good": "a", "sentence_bad": "b"}\n'
FILES = {
    "sound.jsonl": SOUND,
    "cut.jsonl": SOUND + '{"sentence_good": "a", "sent',
    "mixed.jsonl": SOUND + "\na\tb\n",
    "list.jsonl": SOUND + '["a", "b"]\n',
    "deep.jsonl": SOUND + "[" * 100_000,
    "digits.jsonl": SOUND + '{"n": ' + "1" * 5000 + "}\n",
    "no_bad.jsonl": SOUND + '{"sentence_good": "a"}\n',
    "no_good.jsonl": '{"good": "a", "bad": "b"}\n',
    "number.jsonl": SOUND + SOUND.replace('"b"', "3"),
    "null.jsonl": SOUND.replace('"a"', "null"),
    "group.jsonl": SOUND.replace("}", ', "UID": ["u"]}'),
    "empty.jsonl": SOUND + SOUND.replace('"a"', '" "'),
    "newline.jsonl": SOUND.replace('"b"', '"b\\nc"'),
    "half.jsonl": SOUND.replace('"b"', '"\\ud83d"'),
    "array.json": "[" + SOUND + "]",
    "one.tsv": "a\tb\n\nc\n",
    "four.tsv": "a\tb\tc\td\n",
    "empty.tsv": "a\t\n",
    "header.tsv": "good\tbad\n",
    "long_header.tsv": "good\tbad\tgroup\tmore\na\tb\n",
    "blank.tsv": "\n \n\t\n",
}
NEEDED = "a JSON object with the strings sentence_good and sentence_bad is needed"
BAD = [
    ([], USAGE, "Missing argument 'FILE"),
    (["none.tsv"], FAULT, "none.tsv: no such file"),
    (["folder"], FAULT, "folder: is a folder"),
    (["latin.txt"], FAULT, "is not utf-8"),
    (["cut.txt.gz"], FAULT, "cut.txt.gz: cannot be decompressed"),
    (["empty.txt"], FAULT, "empty.txt: holds no pairs; one pair a line is needed, as JSON with"),
    (["blank.tsv"], FAULT, "blank.tsv: holds no pairs"),
    (["header.tsv"], FAULT, "header.tsv: holds no pairs"),
    (["sound.jsonl", "empty.txt"], FAULT, "empty.txt: holds no pairs"),
    (["cut.jsonl"], FAULT, "cut.jsonl: line 2 is no valid JSON (Unterminated string"),
    (["mixed.jsonl"], FAULT, f"mixed.jsonl: line 3 is no valid JSON (Expecting value); {NEEDED}"),
    (["deep.jsonl"], FAULT, "deep.jsonl: line 2 is no valid JSON"),
    (["digits.jsonl"], FAULT, "digits.jsonl: line 2 is no valid JSON"),
    (["list.jsonl"], FAULT, f"list.jsonl: line 2 is no JSON object; {NEEDED}"),
    (["no_bad.jsonl"], FAULT, f"no_bad.jsonl: line 2 has no sentence_bad; {NEEDED}"),
    (["no_good.jsonl"], FAULT, "no_good.jsonl: line 1 has no sentence_good"),
    (["number.jsonl"], FAULT, "number.jsonl: line 2 has a sentence_bad that is no string"),
    (["null.jsonl"], FAULT, "null.jsonl: line 1 has a sentence_good that is no string"),
    (["group.jsonl"], FAULT, "group.jsonl: line 1 has a UID or a group that is no string"),
    (["empty.jsonl"], FAULT, "empty.jsonl: line 2 has an empty good sentence; two sentences"),
    (["newline.jsonl"], FAULT, "newline.jsonl: line 1 has a newline in the bad sentence"),
    (["half.jsonl"], FAULT, "half.jsonl: line 1 has half a character (a lone surrogate) in"),
    (["array.json"], FAULT, "array.json: line 1 has 1 field; a good sentence, a bad one"),
    (["one.tsv"], FAULT, "one.tsv: line 3 has 1 field; a good sentence, a bad one"),
    (["four.tsv"], FAULT, "four.tsv: line 1 has 4 fields; a good sentence, a bad one"),
    (["long_header.tsv"], FAULT, "long_header.tsv: line 1 has 4 fields"),
    (["empty.tsv"], FAULT, "empty.tsv: line 1 has an empty bad sentence"),
    (["sound.jsonl", "-m", "none.rnnlm", "--encoding", "klingon"], USAGE, "--encoding: 'klingon'"),
    (["sound.jsonl", "--normalize", "mean"], USAGE, "'--normalize'"),
    (["sound.jsonl", "--normalize", "slor"], USAGE, "the model file has no token counts"),
    (["sound.jsonl", "--batch-tokens", "0"], USAGE, "--batch-tokens: '0' given"),
    (["sound.jsonl", "--batch-tokens", "0", "--threads", "0"], USAGE,
     "--batch-tokens: '0' given; a whole number from 1 to 1048576 is needed. --threads: '0' given"),
    (["sound.jsonl", "--ngram-weight", "0.5"], USAGE, "--ngram-weight: has no meaning without"),
    (["sound.jsonl", "--threads", "0"], USAGE, "--threads: '0' given"),
    (["sound.jsonl", "-m", "none.rnnlm"], FAULT, "none.rnnlm: no such model file"),
]


@pytest.mark.parametrize(("arguments", "code", "message"), BAD, ids=lambda v: repr(v)[:60])
def test_bad_input_gets_one_line_and_changes_nothing(
    check_failure, folder, arguments, code, message
):
    for name, text in FILES.items():
        (folder / name).write_text(text)
    check_failure(["pairs", *arguments], code, message)


def test_batches_of_pairs_before_a_bad_line_are_shown_if_each_pair_is_asked_for(folder, run):
    (folder / "one.tsv").write_text("a\tb\n" * 2048 + "c\n")
    code, out, err = run("pairs", "one.tsv", "--each")
    assert code == FAULT and len(out.splitlines()) == 2048
    assert "one.tsv: line 2049 has 1 field" in err
