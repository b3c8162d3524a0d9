"""`python -m benchmarks [NAME…]`."""

import importlib
import os
import sys

os.environ.setdefault("OMP_NUM_THREADS", "2")  # both sides; read when the libraries are loaded

NAMES = (
    "import_time", "small_ops", "matmul", "kernels", "gpt_step", "compiled_step", "jax_step",
    "nets", "session",
)  # fmt: skip

for name in sys.argv[1:] or NAMES:
    importlib.import_module(f"benchmarks.{name}").main()
