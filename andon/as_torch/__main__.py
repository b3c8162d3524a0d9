"""`python -m andon.as_torch script.py args…` runs a PyTorch script on andon."""

import sys

from .run import run

run(sys.argv[1:])
