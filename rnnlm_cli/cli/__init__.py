"""The commands: parse, load, call, print. torch is imported inside their bodies."""

import time

STARTED = time.monotonic()  # the clock of `train --minutes` starts with the process
