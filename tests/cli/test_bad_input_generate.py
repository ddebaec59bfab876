"""Bad input for rnnlm generate: one line on stderr, nothing on stdout, an exit code."""

import sys

import pytest

import rnnlm_cli.nn
from rnnlm_cli.nn import choice, kernels
from tests.builders import save_tiny

USAGE, FAULT = 2, 1
WORD_MODEL, BYTE_MODEL = ["-m", "words.rnnlm"], ["-m", "bytes.rnnlm"]
ALL_TOKENS = [argument for token in "\nabcde" for argument in ("--forbid", token)]
BAD = [
    # numbers
    (["--n", "0"], USAGE, "--n: '0' given; a whole number from 1 to "),
    (["--n", "-4"], USAGE, "--n: '-4' given"),
    (["--n", "1.5"], USAGE, "'--n': Input should be a valid integer"),
    (["--n", "1000000000001"], USAGE, "--n: '1000000000001' given"),
    (["--temperature", "-1"], USAGE, "--temperature: '-1' given"),
    (["--temp", "nan"], USAGE, "--temperature: 'nan' given"),
    (["--temperature", "inf"], USAGE, "--temperature: 'inf' given"),
    (["--samples", "0"], USAGE, "--samples: '0' given"),
    (["--samples", "65537"], USAGE, "--samples: '65537' given"),
    (["--seed", "-1"], USAGE, "--seed: '-1' given"),
    (["--seed", str(1 << 63)], USAGE, "--seed: '9223372036854775808' given"),
    (["--lines", "0"], USAGE, "--lines: '0' given"),
    (["--top-k", "-1"], USAGE, "--top-k: '-1' given"),
    (["--typical", "0"], USAGE, "--typical: '0' given"),
    (["--typical", "1.1"], USAGE, "--typical: '1.1' given"),
    (["--top-p", "0"], USAGE, "--top-p: '0' given; a number above 0 and at most 1 is needed"),
    (["--top-p", "1e-310"], USAGE, "--top-p: '"),  # denormals may be flushed to 0 by then
    (["--top-p", "1.5"], USAGE, "--top-p: '1.5' given"),
    (["--min-p", "-0.1"], USAGE, "--min-p: '-0.1' given"),
    (["--min-p", "nan"], USAGE, "--min-p: 'nan' given"),
    (["--repeat-last-n", "-1"], USAGE, "--repeat-last-n: '-1' given"),
    (["--repeat-penalty", "0"], USAGE, "--repeat-penalty: '0' given"),
    (["--presence-penalty", "nan"], USAGE, "--presence-penalty: 'nan' given"),
    (["--frequency-penalty", "-1001"], USAGE, "--frequency-penalty: '-1001' given"),
    (["--no-repeat-ngram", "-1"], USAGE, "--no-repeat-ngram: '-1' given"),
    (["--beam", "0"], USAGE, "--beam: '0' given"),
    (["--beam", "4097"], USAGE, "--beam: '4097' given"),
    (["--beam", "2", "--n-best", "0"], USAGE, "--n-best: '0' given"),
    (["--beam", "2", "--length-penalty", "nan"], USAGE, "--length-penalty: 'nan' given"),
    (["--threads", "0"], USAGE, "--threads: '0' given"),
    # choices
    (["--precision", "float64"], USAGE, "'float64' is not one of 'float32', 'bfloat16', 'int8'"),
    (["--unk", "guess"], USAGE, "'--unk'"),
    (["--encoding", "klingon"], USAGE, "--encoding: 'klingon' is no text encoding"),
    (["--device", "quantum"], USAGE, "--device: 'quantum' is not on this machine; it has cpu"),
    # the search against sampling
    (["--beam", "2", "--temperature", "0.5"], USAGE, "--temperature and --beam: given together"),
    (["--beam", "2", "--seed", "1"], USAGE, "--seed and --beam: given together"),
    (["--beam", "2", "--samples", "2"], USAGE, "--samples and --beam: given together"),
    (["--beam", "2", "--top-k", "3"], USAGE, "--top-k and --beam: given together"),
    (["--beam", "2", "--top-p", "0.5"], USAGE, "--top-p and --beam: given together"),
    (["--beam", "2", "--min-p", "0.5"], USAGE, "--min-p and --beam: given together"),
    (["--beam", "2", "--typical", "0.5"], USAGE, "--typical and --beam: given together"),
    (["--beam", "2", "--precision", "int8"], USAGE, "--precision int8 and --beam: given together"),
    (["--beam", "2", "--n-best", "3"], USAGE, "--n-best: '3' given"),
    (["--n-best", "3"], USAGE, "--n-best: has no meaning without --beam"),
    (["--length-penalty", "2"], USAGE, "--length-penalty: has no meaning without --beam"),
    # several texts to continue
    (["a", "--prompt", "b"], USAGE, "and --prompt: given together; one of them is needed"),
    (["a", "-f", "text.txt"], USAGE, "and -f: given together"),
    (["--prompt", "a", "-f", "text.txt"], USAGE, "--prompt and -f: given together"),
    (["--prompt", "a", "--prompts", "text.txt"], USAGE, "--prompt and --prompts: given together"),
    (["-f", "-", "--prompts", "-"], USAGE, "-f and --prompts: given together"),
    (["a", "b"], USAGE, "unexpected extra argument"),
    # a conversation
    (["--interactive"], USAGE, "--interactive: "),
    (["--interactive", "a"], USAGE, "and --interactive: given together"),
    (["--interactive", "--prompts", "-"], USAGE, "--prompts and --interactive: given together"),
    (["--interactive", "--json"], USAGE, "--interactive and --json: given together"),
    (["--interactive", "--samples", "2"], USAGE, "--interactive and --samples: given together"),
    (["--interactive", "--beam", "2"], USAGE, "--interactive and --beam: given together"),
    (["--interactive", "--novelty", "text.txt"], USAGE, "--interactive and --novelty: given tog"),
    # strings and tokens
    (["--stop", ""], USAGE, "a string of at least one character is needed"),
    (["--stop", "a", "--stop", ""], USAGE, "a string of at least one character is needed"),
    (["--forbid", ""], USAGE, "a string of at least one character is needed"),
    (["--forbid", "x"], USAGE, "--forbid: 'x' is not a token of the model (level char: "),
    (["--forbid", "ab"], USAGE, "--forbid: 'ab' is not a token of the model (level char: "),
    (["--forbid", "f", *WORD_MODEL], USAGE, "'f' is not a token of the model (level word: "),
    (["--forbid", "\xe9", *BYTE_MODEL], USAGE, "'\xe9' is not a token of the model (level byte: "),
    (ALL_TOKENS, USAGE, "--forbid: every token is forbidden"),
    (["--logit-bias", "x+1"], USAGE, "--logit-bias: 'x' is not a token of the model"),
    (["--logit-bias", "a"], USAGE, "--logit-bias: 'a' given; a token with a number"),
    (["--logit-bias", "+2"], USAGE, "--logit-bias: '+2' given; a token with a number"),
    (["--logit-bias", "a+nan"], USAGE, "--logit-bias: 'a+nan' given"),
    (["--logit-bias", "a-1000.5"], USAGE, "--logit-bias: 'a-1000.5' given; a token with a number "
     "from -1000 to 1000 is needed"),
    # prompts
    (["abxaye"], FAULT, "prompt: the model does not know the characters 'x' 'y'; --unk skip"),
    (["--prompt", "a f g", *WORD_MODEL], FAULT, "the model does not know the words 'f' 'g'"),
    (["-f", "none.txt"], FAULT, "none.txt: no such file"),
    (["-f", ""], FAULT, "no such file"),
    (["-f", "folder"], FAULT, "folder: is a folder"),
    (["-f", "latin.txt"], FAULT, "latin.txt: byte 1763 is not utf-8"),
    (["--prompts", "none.txt"], FAULT, "none.txt: no such file"),
    (["--prompts", "folder"], FAULT, "folder: is a folder"),
    (["--prompts", "latin.txt"], FAULT, "latin.txt: byte 1763 is not utf-8"),
    (["--prompts", "cut.txt.gz"], FAULT, "cut.txt.gz: cannot be decompressed"),
    (["--prompts", "third.txt"], FAULT, "third.txt: line 3: the model does not know the char"),
    (["--prompts", "third.txt", "--beam", "2"], FAULT, "third.txt: line 3: the model does not"),
    # the training text to compare with
    (["--n", "5", "--novelty", "none.txt"], FAULT, "none.txt: no such file"),
    (["--n", "5", "--novelty", "text.txt", "--novelty", "folder"], FAULT, "folder: is a folder"),
    (["--n", "5", "--seed", "1", "--json", "--novelty", "latin.txt"], FAULT, "latin.txt: byte 176"),
    # the model file
    (["-m", "none.rnnlm"], FAULT, "none.rnnlm: no such model file; 'rnnlm train TEXT'"),
    (["-m", "bit.rnnlm"], FAULT, "bit.rnnlm: is damaged"),
    (["-m", "device"], FAULT, "device: is a pipe or a device"),
]


@pytest.fixture(autouse=True)
def more_files(folder, make_network):
    (folder / "third.txt").write_text("ab\n\nabxd\n")
    save_tiny(make_network, folder / "words.rnnlm", level="word")
    save_tiny(make_network, folder / "bytes.rnnlm", level="byte")


@pytest.fixture
def without_numba(monkeypatch):
    monkeypatch.delattr(rnnlm_cli.nn, "fused", raising=False)
    monkeypatch.setitem(sys.modules, "rnnlm_cli.nn.fused", None)
    choice.load_fused.cache_clear()
    yield
    choice.load_fused.cache_clear()


@pytest.mark.parametrize(("arguments", "code", "message"), BAD, ids=lambda v: repr(v)[:60])
def test_bad_input_gets_one_line_and_changes_nothing(check_failure, arguments, code, message):
    check_failure(["generate", *arguments], code, message)


def test_all_problems_are_named_at_once(run):
    arguments = ("--n", 0, "--top-p", 2, "--logit-bias", "a", "b", "--prompt", "c")
    _, _, err = run("generate", *arguments)
    for subject in ("--n: '0'", "--top-p: '2'", "--logit-bias: 'a'", "and --prompt: given"):
        assert subject in err


def test_bfloat16_is_refused_on_a_processor_that_would_be_slower(check_failure, monkeypatch):
    monkeypatch.setattr(kernels, "CAPABILITIES", {})
    check_failure(
        ["generate", "--device", "cpu", "--precision", "bfloat16"], USAGE,
        "--precision: bfloat16 given; this device (cpu) has no instructions for it",
    )


def test_int8_is_refused_without_numba(check_failure, without_numba):
    check_failure(
        ["generate", "--device", "cpu", "--precision", "int8"], USAGE,
        "--precision: int8 given; it needs numba, which is not installed. Install it with",
    )
