"""Randomness as a function of (seed, purpose, step), not of history.

What is drawn at step 1000 does not depend on what was drawn before it, so a run that was
interrupted, or that printed samples on the way, draws what an undisturbed one draws.
"""

import hashlib

import torch


def make_generator(seed: int, purpose: str, step: int) -> torch.Generator:
    """A generator (on the CPU) seeded with 63 bits of SHA-256 of "seed/purpose/step"."""
    digest = hashlib.sha256(f"{seed}/{purpose}/{step}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)
