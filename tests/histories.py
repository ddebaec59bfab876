"""Histories of training runs to test with."""

import json


def make_history(size, *, seconds=120.0, every=5, start=4.0, end=1.5):
    """Return records with a falling loss, and a validation 0.25 nats above it in some of them.

    Args:
        every: number of records from one validation to the next; None for no validation.
    """
    return [
        {
            "step": 20 * n, "seconds": seconds * n / size, "tokens": 64_000 * n, "perplexity": "-",
            "loss": (loss := end + (start - end) * 0.9**n),
            "valid_nats": loss + 0.25 if every and n % every == 0 else None,
        }
        for n in range(1, size + 1)
    ]


def write_history(path, records):
    path.write_text("".join(json.dumps(record) + "\n" for record in records), "utf-8")
    return path
