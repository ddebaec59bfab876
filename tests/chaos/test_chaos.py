"""Random commands under random troubles: nothing of the user's changes, nothing is lost."""

import os
import subprocess
import sys

import pytest

from tests.chaos import PROJECT_FOLDER

NUM_RUNS = int(os.environ.get("RNNLM_CHAOS_RUNS", "300"))
SEED = os.environ.get("RNNLM_CHAOS_SEED", "0")
NUM_JOBS = int(os.environ.get("RNNLM_CHAOS_JOBS", os.cpu_count() or 1))


def can_have_own_disk():
    """Return whether users may make namespaces, and mount a disk in them."""
    command = [sys.executable, "-m", "tests.chaos", "--own-disk", "--runs", "0:0"]
    return subprocess.run(command, cwd=PROJECT_FOLDER, capture_output=True).returncode == 0


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="needs /dev/full, namespaces and pidfd")
def test_chaos_changes_no_file_of_the_user_and_loses_no_run():
    own_disk = ["--own-disk"] if can_have_own_disk() else []
    jobs = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.chaos", "--seed", SEED, *own_disk,
             "--runs", f"{first}:{NUM_RUNS}:{NUM_JOBS}"],
            cwd=PROJECT_FOLDER, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )
        for first in range(NUM_JOBS)
    ]
    outputs = [job.communicate()[0] for job in jobs]
    print(f"\n{NUM_RUNS} runs of seed {SEED}, {'with' if own_disk else 'without'} full disks")
    assert [job.returncode for job in jobs] == [0] * NUM_JOBS, "\n".join(outputs)
