"""Nats of given text."""
