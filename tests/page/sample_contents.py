"""Contents of small pages for the tests: with a model, and with scores alone."""

from rnnlm_cli.model_file import Model
from rnnlm_cli.page.contents import describe_model
from rnnlm_cli.text.vocabulary import Vocabulary
from tests.builders import tiny_network

# Each of these would end a script element, open a comment in it, or end a line of JavaScript.
HOSTILE = "</script><script>window.broken = 1</script><!-- {{style}} \u2028 <b>"
TEXT = (
    'Some "quoted words" (and brackets)\n    indented Lines, 4 of them\n'
    f"{HOSTILE}\nThe end of \U0001d54f text.\n"
)
# The validation loss is measured at every second record, and least at step 60.
HISTORY = [
    {"seconds": step / 2, "step": step, "loss": 3.5 / (1 + step / 50),
     "valid_nats": 2 + abs(step - 60) / 100 if step % 20 == 0 else None}
    for step in range(10, 121, 10)
]


def model_contents(**settings):
    """Return the contents of a page with a small untrained model of TEXT."""
    vocabulary = Vocabulary("char", ("<unk>", "\n", *sorted(set(TEXT) - {"\n"})))
    network = tiny_network(
        vocab_size=len(vocabulary), **({"cell": "gru", "hidden_size": 9} | settings)
    )
    model = Model(
        network=network, vocabulary=vocabulary, sentences=False, encoding=None, training={},
        sampling={"temperature": 0.75},
    )
    return describe_model(
        model, name="<b>model</b>.rnnlm", text=TEXT, weight_type="float16", history=HISTORY,
        corpus=f"corpus.txt {HOSTILE}",
    )


def score_contents(num_texts=3):
    """Return the contents of a page with scores of lines; figures follow from the positions."""
    texts = []
    for number in range(num_texts):
        pieces = [str(number), HOSTILE if number == 0 else "x", " ", "words", "\n"]
        if number == 1:
            pieces.pop()  # a text without a final newline
        bits = [None if index == 2 else index + number / 8 for index in range(len(pieces))]
        texts.append({
            "title": f"sentence {number + 1}", "pieces": pieces, "bits": bits,
            "ranks": [None if each is None else 3 * index + 1 for index, each in enumerate(bits)],
            "entropies": [None if each is None else each / 2 for each in bits],
        })
    return {
        "kind": "scores", "name": "<i>lines</i>.txt", "version": "0.1",
        "facts": [["model", "model.rnnlm"], ["bits per character", "2.11"]], "texts": texts,
    }
