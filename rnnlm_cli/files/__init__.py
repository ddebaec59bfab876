"""Atomic writes, locks, and the layout of the files that rnnlm writes."""
