"""Special functions: the error function and its kin, the gamma function's, Bessel's, sinc.

Computed in float64, to about 1e-15 (erf, erfc) and 1e-13 (the rest) of the value, and then rounded
to the dtype of x. There are no tables: each method is a series whose terms have a formula. The
float32 `erf` that GELU needs has a faster way of its own.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import numpy as np

from ..core.dtype import float64
from ..core.errors import DTypeError
from ..core.op import elementwise, to_floating
from .arithmetic import mul
from .elementwise import cos, exp, log, log1p, sigmoid, sqrt
from .extremes import abs, clamp, sign
from .logic import eq, gt, isnan, logical_and, lt, ne, where
