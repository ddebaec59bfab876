"""Random commands under random troubles. `python -m tests.chaos --help` says how to repeat one."""
