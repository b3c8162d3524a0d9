"""The roofline of this machine: what it computes and what it moves in a second, as measured.

A kernel takes at least flops / peak and at least bytes / bandwidth; the larger of the two is its
roof. Both are what our own kernels reach on this machine: a product of matrices, and a triad
y = x + 3 z of arrays that no cache holds.

Source: Williams, Waterman, Patterson, "Roofline" (2009); McCalpin, STREAM (1995).
"""

from __future__ import annotations

import functools
import time
from typing import NamedTuple

import numpy as np

from ..graph.cost import Cost
from ..graph.text import parse
from .executable import Executable

SIDE = 1024  # of the matrices
LENGTH = 1 << 24  # of the arrays: 64 MB each
ROUNDS = 20  # of which the best counts: a busy machine has quiet moments

PRODUCT = f"""
graph(%a: float32[{SIDE}, {SIDE}], %b: float32[{SIDE}, {SIDE}], %y: float32[{SIDE}, {SIDE}]):
  %c = matmul(%a, %b)
  return %c"""
TRIAD = f"""
graph(%x: float32[{LENGTH}], %z: float32[{LENGTH}], %y: float32[{LENGTH}]):
  %scaled = mul(%z, 3.0)
  %sum = add(%x, %scaled)
  return %sum"""


class Roofline(NamedTuple):
    """Floating-point operations and bytes per second."""

    flops: float
    bytes: float

    def seconds(self, cost: Cost) -> float:
        """The least time for that."""
        return max(cost.flops / self.flops, cost.bytes / self.bytes)


@functools.cache
def roofline(threads: int) -> Roofline:
    """What `threads` threads reach, the pool having so many; measured once in a process."""
    return Roofline(2 * SIDE**3 / best(PRODUCT), 3 * 4 * LENGTH / best(TRIAD))


def best(text: str) -> float:
    """The shortest time of a graph whose result is written over its last input."""
    graph = parse(text)
    run = Executable(graph, {0: 2})
    arrays = [np.ones(x.shape, np.float32) for x in graph.inputs]
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        run(arrays)
        times.append(time.perf_counter() - start)
    return min(times)
