"""What the tests of the C kernels share: drivers built for several targets, and comparison."""

from __future__ import annotations

import ctypes
import os
import platform
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from andon.devices import compiler
from andon.devices.headers import expanded

STRICT = ("-Wall", "-Wextra", "-Werror")
X86 = platform.machine() in ("x86_64", "AMD64")


def has_avx2() -> bool:
    cpuinfo = Path("/proc/cpuinfo")
    return X86 and cpuinfo.exists() and "avx2" in cpuinfo.read_text(errors="replace")


TARGETS = {  # what runs here: how wide the vectors are, and whose compiler it is
    "native": ((), True),
    "haswell": (("-mcpu=haswell",), has_avx2() and "CC" not in os.environ),
    "gcc": (("-O1",), shutil.which("gcc") is not None),
}


def built(driver: str, target: str) -> ctypes.CDLL:
    """The driver's library for one of the TARGETS; a warning is an error."""
    flags, here = TARGETS[target]
    if not here or not compiler.available():
        pytest.skip(f"{target} does not run here")
    with pytest.MonkeyPatch.context() as patch:
        if target == "gcc":
            patch.setenv("CC", "gcc")
        return compiler.load(driver, name="driver", flags=(*STRICT, *flags))


def check_arm(driver: str, folder: Path) -> None:
    """The driver compiles for 64-bit ARM, without a warning."""
    zig = compiler.zig_of_wheel()
    if zig is None:
        pytest.skip("only zig compiles for other machines")
    (folder / "driver.c").write_text(expanded(driver))
    flags = ["-O0", "-std=gnu11", "-fno-sanitize=all", "-fno-math-errno", "-g0"]
    command = [zig, "cc", "-target", "aarch64-linux-gnu", *flags, *STRICT, "-c", "driver.c"]
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


def call(function, *given, result=None):
    """Call a C function: arrays as pointers, None as NULL, int as long, float as double."""
    function.restype = result
    return function(*map(as_argument, given))


def as_argument(x):
    if isinstance(x, np.ndarray):
        return ctypes.c_void_p(x.ctypes.data)
    if x is None:
        return ctypes.c_void_p()
    return ctypes.c_long(x) if isinstance(x, int) else ctypes.c_double(x)


def aligned(count: int) -> np.ndarray:
    """Zeros as float32, at an address that is a multiple of 64."""
    buffer = np.zeros(count * 4 + 64, np.uint8)
    start = -buffer.ctypes.data % 64
    return buffer[start : start + count * 4].view(np.float32)


GUARD = 12345.0


def guarded(*shape: int) -> np.ndarray:
    """An array full of GUARD, for results: what a kernel must not touch is seen to be untouched."""
    return np.full(shape, GUARD, np.float32)


def assert_close(got, wanted, tolerance=2e-6, least=1e-3):
    """Equal to `tolerance` of the largest element, or of `least`; NaN and ∞ in the same places."""
    got, wanted = np.asarray(got), np.asarray(wanted)
    assert got.shape == wanted.shape
    finite = np.isfinite(wanted)
    np.testing.assert_array_equal(got[~finite], wanted[~finite])
    scale = np.abs(wanted[finite]).max(initial=least)
    np.testing.assert_allclose(got[finite], wanted[finite], rtol=0, atol=tolerance * scale)
