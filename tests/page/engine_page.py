"""A page with the engine alone, and models to read in it."""

import base64
import json
from dataclasses import dataclass

import numpy as np
import torch

from rnnlm_cli.config import TextConfig
from rnnlm_cli.language_model import LanguageModel
from rnnlm_cli.model_file import Model
from rnnlm_cli.page.contents import describe_model
from rnnlm_cli.page.document import ENGINE_SCRIPTS, FOLDER, read_scripts
from rnnlm_cli.page.weights import pack_weights
from rnnlm_cli.score.sentences import Details
from rnnlm_cli.text.vocabulary import Vocabulary
from tests.builders import tiny_network

CELLS = ("elman_tanh", "elman_relu", "gru", "lstm")
LEVELS = ("char", "byte", "word", "bpe")

# Letters that no vocabulary has, characters of several bytes, white space of all kinds.
TEXT = (
    "the king 's crown\nis older than the king , zebra\n\n"
    "caf\u00e9 \u65e5\u672c \U0001f600 the caf\u00e9's\tking\r\nthe crown"
)
TRAINING_TEXT = 3 * (
    "the king is older than the crown , the king 's crown\ncaf\u00e9 is the caf\u00e9\n"
)

# The engine stands in the page twice: for the worker, and for tests of single functions.
PAGE = """<!DOCTYPE html>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; script-src 'unsafe-inline'; worker-src blob:">
<title>engine</title>
<body>
<script type="text/plain" id="engine">ENGINE</script>
<script>ENGINE</script>
<script>
const source = document.getElementById("engine").textContent;
const worker = new Worker(URL.createObjectURL(new Blob([source], {type: "text/javascript"})));
const waiting = new Map();
let number = 0;
const plain = value => ArrayBuffer.isView(value) ? Array.from(value) : value;
worker.onmessage = ({data: {request, type, ...fields}}) => {
  const {messages, resolve, reject, watch} = waiting.get(request);
  if (type === "error") reject(new Error(fields.message));
  else if (type !== "result") messages.push(fields), watch(request);
  else resolve({...Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [name, plain(value)])), messages});
};
function ask(type, fields, watch = () => {}) {
  number++;
  worker.postMessage({request: number, type, ...(type === "load" ? {source} : {}), ...fields});
  return new Promise((resolve, reject) => {
    waiting.set(number, {resolve, reject, watch, messages: []});
  });
}
const cancel = target => worker.postMessage({type: "cancel", target});
document.body.dataset.state = "ready";
</script>
"""


@dataclass(frozen=True)
class Engine:
    """The worker of a page, which answers messages.

    Args:
        browser: the browser that has opened the page.
    """

    browser: object

    def call(self, function, *arguments):
        """Call a function of the engine in the page, outside the worker."""
        answer = self.browser.run(
            f"return JSON.stringify({function}(...JSON.parse(given[0])),"
            " (key, value) => plain(value));", json.dumps(arguments),
        )
        assert "error" not in answer, answer["error"]
        return json.loads(answer["value"])

    def ask(self, type_, **fields):
        """Send a message to the worker, and return its result.

        It travels as JSON, which can hold lone surrogates; the driver's messages cannot.
        """
        answer = self.browser.run(
            "return JSON.stringify(await ask(given[0], JSON.parse(given[1])));",
            type_, json.dumps(fields),
        )
        assert "error" not in answer, answer["error"]
        return json.loads(answer["value"])

    def load(self, model, weight_type="float16"):
        contents = describe_model(model, name="m", text="", weight_type=weight_type)
        return self.ask("load", contents=contents)


def open_engine(browser, path):
    """Write a page with the engine to a file, and open it."""
    scripts = read_scripts(FOLDER / "engine", ENGINE_SCRIPTS)
    path.write_text(PAGE.replace("ENGINE", scripts), "utf-8")
    browser.open(path)
    return Engine(browser)


def make_model(level="char", *, sentences=False, unknown_trained=False, **settings):
    """Make a small model of TRAINING_TEXT, with biases that matter."""
    config = TextConfig(
        level=level, min_count=2 if level in ("char", "word") else None,
        vocab_size=290 if level == "bpe" else None,
    )
    vocabulary = Vocabulary.build([TRAINING_TEXT], len(TRAINING_TEXT), config)
    network = tiny_network(
        vocab_size=len(vocabulary), unknown_trained=unknown_trained, **settings
    )
    with torch.no_grad():
        for name, weight in network.named_parameters():
            if "bias" in name:
                weight += torch.linspace(-1, 1, len(weight)).flip(0)
            if "weight_hh" in name and network.config.cell == "elman_relu":
                weight *= 0.5  # else its states grow, and their rounding errors with them
    return Model(network, vocabulary, sentences, "utf-8", {})


def round_weights(network, weight_type):
    """Return a network with the weights that a page has, decoded as their description says."""
    arrays = pack_weights(network, weight_type)["arrays"]
    return network.with_weights({
        name: decode_array(array, weight_type) for name, array in arrays.items()
    })


def decode_array(packed, weight_type):
    """Decode an array of a page."""
    data = base64.b64decode(packed["data"])
    if weight_type == "float16":
        numbers = np.frombuffer(data, "<f2").reshape(packed["shape"])
    elif "scales" in packed:
        scales = np.frombuffer(base64.b64decode(packed["scales"]), "<f4")
        numbers = np.frombuffer(data, "i1").reshape(packed["shape"]) * scales[:, None]
    else:
        numbers = np.frombuffer(data, "<f4").reshape(packed["shape"])
    return torch.from_numpy(numbers.astype(np.float32))


def round_model(model, weight_type="float16"):
    """Return the model that the page has."""
    return Model(
        round_weights(model.network, weight_type), model.vocabulary, model.sentences,
        model.encoding, model.training,
    )


def score_tokens(model, text):
    """Return the scores of all tokens of a text, as `rnnlm score --tokens` has them."""
    details = Details(tokens=True, distribution=True)
    scorer = LanguageModel(model)
    if not model.sentences:
        return scorer.score_document(text, details=details).tokens
    *lines, last = text.split("\n")
    scores = [*scorer.score_many(lines, closing=True, details=details),
              *scorer.score_many([last], closing=False, details=details)]
    return [token for score in scores for token in score.tokens]
