"""The life of a training run: request, start, resume, loop, checkpoints, history, report."""
