"""Fitting a model to a text."""
