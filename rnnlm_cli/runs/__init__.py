"""The life of a training run: start, resume, checkpoints, history, report."""

import time

STARTED = time.monotonic()  # the clock of `train --minutes` starts with the process
