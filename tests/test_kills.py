"""A thousand kills over all cells and levels, at random moments: nothing is lost."""

import os
import subprocess
import sys

import pytest

from tests.chaos import PROJECT_FOLDER

NUM_KILLS = int(os.environ.get("RNNLM_KILLS", "1000"))
SEED = os.environ.get("RNNLM_CHAOS_SEED", "0")
NUM_JOBS = int(os.environ.get("RNNLM_CHAOS_JOBS", os.cpu_count() or 1))
NUM_RECIPES = 32  # four cells, four levels, two texts


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="needs pidfd")
def test_runs_that_are_killed_and_resumed_end_in_the_bytes_of_uninterrupted_ones():
    kills = str(-(-NUM_KILLS // NUM_RECIPES))
    jobs = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.kills", "--seed", SEED, "--kills", kills,
             "--recipes", f"{first}:{NUM_RECIPES}:{NUM_JOBS}"],
            cwd=PROJECT_FOLDER, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )
        for first in range(NUM_JOBS)
    ]
    outputs = [job.communicate()[0] for job in jobs]
    print("", *outputs, sep="\n")
    assert [job.returncode for job in jobs] == [0] * NUM_JOBS, "\n".join(outputs)
