"""Rows for andon/ops/special.py, error_function.py and gamma_function.py."""

import numpy as np

from cases import Case

HALF = ("float64", "float32", "float16", "bfloat16")
EDGES = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, -1.0, 2.5, -2.5])

DOMAINS = {
    "erf": (-3, 3), "erfc": (-3, 5), "erfcx": (-2, 9), "erfinv": (-0.95, 0.95),
    "ndtr": (-4, 4), "ndtri": (0.02, 0.98), "log_ndtr": (-9, 3),
    "gammaln": (0.1, 9), "digamma": (0.1, 9), "psi": (-3.9, -3.1),
    "i0": (-5, 5), "i0e": (0.1, 5), "i1": (-5, 5), "i1e": (0.1, 5),
    "sinc": (0.1, 3), "entr": (0.1, 3), "expit": (-2, 2), "logit": (0.1, 0.9),
}  # fmt: skip
ONCE = ("log_ndtr",)  # torch has no second derivative of these


def call(name):
    return lambda t, *xs: getattr(t.special, name)(*xs)


CASES = [
    *[Case(f"special.{name}", call(name), [(3, 4)], *range_, second=name not in ONCE)
      for name, range_ in DOMAINS.items()],
    *[Case(f"special.{name} at the edges", call(name), [EDGES], grad=False)
      for name in DOMAINS if name not in ("ndtri", "logit", "i0", "i1")],
    *[Case(f"special.{name} of integers", call(name), [np.array([1, 2])], grad=False, rtol=1e-6)
      for name in DOMAINS if name not in ("erfinv", "ndtri", "logit", "sinc")],
    *[Case(f"{name} of narrow floats", lambda t, x, name=name: getattr(t, name)(x), [(9,)],
           0.1, 0.9, dtypes=HALF)
      for name in ("erf", "erfc", "erfinv", "lgamma", "digamma", "i0", "sinc")],
    Case("lgamma of negative numbers", lambda t, x: t.lgamma(x), [(9,)], -4.9, -4.1),
    Case("erf of 0-dim", lambda t, x: x.erf(), [()], dtypes=HALF),
    Case("erf of nothing", lambda t, x: x.erf(), [(0, 2)], dtypes=HALF),
    Case("polygamma", lambda t, x: (t.polygamma(1, x), t.polygamma(2, x)), [(5,)], 0.5, 9),
    Case("polygamma of order 0", lambda t, x: t.polygamma(0, x), [(5,)], 0.5, 9),
    Case("polygamma as a method", lambda t, x: x.polygamma(3), [(5,)], 0.5, 9),
    Case("trigamma of negative numbers", lambda t, x: t.polygamma(1, x), [(5,)], -2.9, -2.1),
    Case("mvlgamma", lambda t, x: t.mvlgamma(x, 3), [(4,)], 1.5, 5),
    Case("zeta", lambda t, x: t.special.zeta(t.full_like(x, 2.5), x), [(5,)], 0.5, 9),
    Case("xlogy", lambda t, a, b: t.xlogy(a, b), [(3, 1), (4,)], 0.2, 3, dtypes=HALF),
    Case("xlogy at 0", lambda t, a: t.xlogy(a * 0, a), [EDGES], grad=False),
    Case("xlogy of numbers", lambda t, a: t.xlogy(2, a), [(3,)], 0.2, 3),
    Case("xlog1py", lambda t, a, b: t.special.xlog1py(a, b), [(3, 1), (4,)], 0.2, 3),
    Case("logit with eps", lambda t, x: t.logit(x, eps=0.2), [(9,)], 0.05, 0.95),
    Case("logit beyond its domain", lambda t, x: t.logit(x), [np.array([-1.0, 0.0, 1.0, 2.0])],
         grad=False),
    Case("sinc at 0", lambda t, x: t.sinc(x), [np.array([0.0, 1.0, 0.5])], second=False),
]  # fmt: skip
