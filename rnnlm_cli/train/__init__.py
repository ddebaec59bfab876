"""Fitting a network: steps, optimizers, the schedule and the time budget. No files, no terminal."""
