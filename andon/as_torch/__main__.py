"""`python -m andon.as_torch script.py args…` runs a PyTorch script on andon."""

import runpy
import sys
from pathlib import Path

from . import install

if len(sys.argv) < 2 or sys.argv[1] in ("-h", "--help"):
    print("usage: python -m andon.as_torch SCRIPT [ARGS…]   or   -m MODULE [ARGS…]")
    sys.exit(0 if len(sys.argv) > 1 else 2)

install()
del sys.argv[0]
if sys.argv[0] == "-m":
    del sys.argv[0]
    sys.path.insert(0, "")
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
else:
    if not Path(sys.argv[0]).is_file():
        sys.exit(f"as_torch: no such script: {sys.argv[0]}")
    sys.path.insert(0, str(Path(sys.argv[0]).resolve().parent))
    runpy.run_path(sys.argv[0], run_name="__main__")
