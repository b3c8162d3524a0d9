"""What `import andon` costs beyond `import numpy`, in time and memory, each in a new process."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys

from rich.console import Console

PROGRAM = """
import time
start = time.perf_counter()
import {module}
seconds = time.perf_counter() - start
status = open("/proc/self/status").read()  # Linux's own count, which starts anew with a program
print(seconds, int(status.split("VmHWM:")[1].split()[0]) / 1024)
"""


def measure(module: str) -> tuple[float, float]:
    """(seconds, peak MB) of a process that imports `module`, its bytecode being cached."""
    command = [sys.executable, "-c", PROGRAM.format(module=module)]
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    run = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    seconds, megabytes = map(float, run.stdout.split())
    return seconds, megabytes


def main() -> None:
    measure("andon")
    pairs = [(measure("numpy"), measure("andon")) for _ in range(11)]
    beyond = statistics.median(a[0] - n[0] for n, a in pairs)
    memory = statistics.median(a[1] for _, a in pairs)
    Console().print(
        f"import andon: {beyond * 1e3:.0f} ms beyond import numpy (target ≤ 60 ms), "
        f"{memory:.0f} MB in all (target < 45 MB)"
    )
