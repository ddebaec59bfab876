"""Random commands under random troubles. `python -m tests.chaos --help` says how to repeat one."""

from pathlib import Path

PROJECT_FOLDER = Path(__file__).parents[2]
