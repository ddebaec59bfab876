"""Scores of given text: the evaluator, and the formats of its results."""
