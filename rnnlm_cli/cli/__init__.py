"""The commands: parse, load, call, print. torch is imported inside their bodies."""
