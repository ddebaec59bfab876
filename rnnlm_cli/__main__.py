"""python -m rnnlm_cli"""

import sys

from rnnlm_cli.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
