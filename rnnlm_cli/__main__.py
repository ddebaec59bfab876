"""The `rnnlm` command, and `python -m rnnlm_cli`."""

import sys


def run() -> int:
    """Run one command.

    Returns: the exit code; 130 also for Ctrl-C while the program is still loading.
    """
    try:
        from rnnlm_cli.cli.main import main

        return main()
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(run())
