"""Randomness as a function of (seed, purpose, step), not of history.

The numbers drawn at step 1000 do not depend on those drawn before it. So a run that was
interrupted, or that printed samples, draws the same numbers as an undisturbed run.
"""

import hashlib

import torch


def make_generator(seed: int, purpose: str, step: int) -> torch.Generator:
    """Return a generator (on the CPU) seeded with 63 bits of SHA-256 of "seed/purpose/step"."""
    digest = hashlib.sha256(f"{seed}/{purpose}/{step}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)
