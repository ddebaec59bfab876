"""Random commands under random troubles, some runs or one of them.

Each run has a folder of user files for itself; its choices follow from the seed and its number.
Full disks need an own disk: `--own-disk` makes one in memory, in a namespace of its own.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.chaos.processes import prepare
from tests.chaos.references import References
from tests.chaos.run import ChaosRun

DISK_BYTES = 16 << 20
# Inside the namespace this user is nobody special, so that permissions hold.
OWN_DISK = (
    'mount -t tmpfs -o size=$1,mode=777 none "$2" && shift 2 && '
    "exec unshare --user --map-user=1000 --map-group=1000 -- \"$@\""
)


def main():
    options = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--runs", help="numbers of runs: 17, or 0:300, or 0:300:2", default="0:10")
    options.add_argument("--own-disk", action="store_true")
    options.add_argument("--disk", help=argparse.SUPPRESS)
    options.add_argument("--verbose", action="store_true", help="tell the story of every run")
    given = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="chaos-") as work:
        if given.own_disk and given.disk is None:
            return subprocess.run(on_own_disk(Path(work), sys.argv[1:])).returncode
        return play(given, Path(work), given.disk and Path(given.disk))


def on_own_disk(folder, arguments):
    """Return the command that runs this module on a disk of its own."""
    disk = folder / "disk"
    disk.mkdir()
    return [
        "unshare", "--user", "--map-root-user", "--mount", "sh", "-c", OWN_DISK, "sh",
        str(DISK_BYTES), str(disk), sys.executable, "-m", "tests.chaos", *arguments,
        "--disk", str(disk),
    ]


def play(given, work, disk):
    """Play some runs. Returns: the exit code, 1 if something is wrong."""
    os.environ.setdefault("MPLCONFIGDIR", str(work))
    prepare()
    for name in ("logs", "references"):
        (work / name).mkdir()
    references, failed = References(work / "references"), 0
    first, *more = map(int, given.runs.split(":"))
    for number in range(first, *(more or [first + 1])):
        folder = (disk or work) / "folder"
        run = ChaosRun(
            given.seed, number, folder, work / "logs", references, fills_disk=disk is not None
        )
        run.play()
        if run.problems or given.verbose:
            print(f"run {number} of seed {given.seed}:", *run.story, sep="\n", flush=True)
        if run.problems:
            failed += 1
            print(*(f"PROBLEM: {each}" for each in dict.fromkeys(run.problems)), sep="\n")
            print(
                f"To repeat it: python -m tests.chaos --seed {given.seed} --runs {number}"
                f"{' --own-disk' if disk else ''}\n", flush=True,
            )
    print(f"{failed} runs with problems")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
