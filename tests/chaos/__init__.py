"""Random commands under random troubles, and runs that are killed again and again.

`python -m tests.chaos --help` and `python -m tests.chaos.kills --help` say how to repeat one. The
tests read the environment: RNNLM_CHAOS_RUNS, RNNLM_KILLS and RNNLM_MUTATIONS are numbers of runs,
kills and mutations, RNNLM_CHAOS_SEED is the seed, RNNLM_CHAOS_JOBS the number of processes.
"""

from pathlib import Path

PROJECT_FOLDER = Path(__file__).parents[2]
