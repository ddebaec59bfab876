"""Train eight small models and print the SHA-256 of each model file: `make sums`.

A change that is not meant to change results leaves all eight sums as they are, on the same
machine, with the same PyTorch and the same number of threads. The runs cover every cell, the
levels char, word and bpe, the sampled softmax, dropout, a run that is interrupted, resumed and
extended, and a warm start.
"""

import hashlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PACKAGE_FOLDER = Path(__file__).parents[1]
SMALL = "--hidden-size 48 --embedding-size 24 --batch-size 16 --bptt 32 --threads 2"
RUNS = {
    "elman-tanh": f"text --cell elman {SMALL} --steps 60 --min-count 1",
    "elman-relu": f"text --cell elman --nonlinearity relu --layers 2 {SMALL} --steps 60",
    "gru-dropout": f"text --cell gru --dropout 0.2 --layers 2 {SMALL} --steps 60",
    "lstm-wide": "text --cell lstm --hidden-size 512 --batch-size 8 --bptt 16 --threads 2"
    " --steps 12 --accumulate 2",
    "word-sampled": "text --level word --softmax sampled --softmax-samples 64 --hidden-size 48"
    " --batch-size 8 --dropout 0.1 --threads 2 --steps 60",
    "bpe-tied": f"text --level bpe --vocab-size 400 --tied --cell lstm {SMALL} --steps 40"
    " --embedding-size 48",
    "resumed": f"text {SMALL} --steps 1500 --dropout 0.1 --save-every 0.002",
    "warm-start": "other --init gru-dropout --threads 2 --steps 30",
}


def random_text(num_lines: int, seed: int, letters: str) -> str:
    """Return lines of random words, with a few words and letters more frequent than others."""
    draw = random.Random(seed)
    words = ["".join(draw.choices(letters, k=draw.randint(1, 7))) for _ in range(400)]
    weights = [1 / (rank + 1) for rank in range(len(words))]
    return "".join(
        " ".join(draw.choices(words, weights, k=draw.randint(1, 12))) + "\n"
        for _ in range(num_lines)
    )


def train(flags: str, folder: Path) -> subprocess.Popen[bytes]:
    """Start `rnnlm train` with these flags in a folder."""
    environment = os.environ | {
        "PYTHONPATH": str(PACKAGE_FOLDER), "RNNLM_CACHE_DIR": str(folder / "cache")
    }
    return subprocess.Popen(
        [sys.executable, "-m", "rnnlm_cli", "train", *flags.split()],
        cwd=folder, env=environment, stderr=subprocess.PIPE,
    )


def finish(process: subprocess.Popen[bytes]) -> None:
    """Wait for a run; exit with its message if it failed."""
    _, message = process.communicate()
    if process.returncode:
        sys.exit(message.decode())


def interrupt(process: subprocess.Popen[bytes], checkpoint: Path) -> None:
    """Kill a run once it has written its checkpoint a second time."""
    while not checkpoint.exists():
        time.sleep(0.01)
    first = checkpoint.stat().st_mtime_ns
    while checkpoint.stat().st_mtime_ns == first and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()


def main() -> None:
    """Run all eight and print their sums, in order."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "text").write_text(random_text(2500, 1, "abcdefghijklmnopqrstuvwxyz"), "utf-8")
        (folder / "other").write_text(random_text(800, 2, "abcdefgh\u00e9!"), "utf-8")
        for out, flags in RUNS.items():
            process = train(f"{flags} --out {out}", folder)
            if out == "resumed":
                interrupt(process, folder / f"{out}.state")
                finish(train(f"--resume --out {out}", folder))
                process = train(f"--resume --steps 40 --out {out}", folder)
            finish(process)
            print(f"{hashlib.sha256((folder / out).read_bytes()).hexdigest()}  {out}", flush=True)


if __name__ == "__main__":
    main()
