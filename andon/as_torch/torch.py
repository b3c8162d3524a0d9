"""The module that `import torch` gives: andon's names, and those that only PyTorch has."""

# ruff: noqa: F401 (this module is a list of names)

from __future__ import annotations

import math

from andon import *  # noqa: F403
from andon import amp, autograd, distributions, func, linalg, nn, optim
from andon.amp import GradScaler, autocast
from andon.autograd.anomaly import set_detect_anomaly as set_anomaly_enabled
from andon.core.dtype import (
    DType,
    bfloat16,
    bool_,
    float16,
    float32,
    float64,
    int8,
    int16,
    int32,
    int64,
    uint8,
)
from andon.core.mode import is_inference_mode_enabled
from andon.func import vmap
from andon.nn.functional import bilinear, celu, ctc_loss, rrelu, triplet_margin_loss
from andon.serialization import load, save
from andon.tensor import Device, Size, Tensor

from . import (
    accelerator,
    backends,
    compiler,
    cuda,
    distributed,
    hub,
    jit,
    multiprocessing,
    profiler,
    testing,
    utils,
    version,
)
from .cuda import OutOfMemoryError
from .legacy import (
    BFloat16Tensor,
    BoolTensor,
    ByteTensor,
    CharTensor,
    DoubleTensor,
    FloatTensor,
    HalfTensor,
    IntTensor,
    LongTensor,
    ShortTensor,
    set_default_tensor_type,
)
from .settings import (
    are_deterministic_algorithms_enabled,
    get_default_device,
    get_float32_matmul_precision,
    get_num_interop_threads,
    get_num_threads,
    is_autocast_enabled,
    set_default_device,
    set_float32_matmul_precision,
    set_flush_denormal,
    set_num_interop_threads,
    set_num_threads,
    use_deterministic_algorithms,
)
from .spellings import (
    adjoint,
    compile,
    conj,
    detach,
    fill,
    frombuffer,
    is_complex,
    is_floating_point,
    is_nonzero,
    is_same_size,
    is_storage,
    is_tensor,
    numel,
    range,
    real,
    scalar_tensor,
    spmm,
    svd,
    to_dlpack,
    triangular_solve,
    typename,
    unravel_index,
)

__path__: list[str] = []  # makes this a package to Python, which then asks for its modules
__version__ = version.__version__

bool = bool_
half, float, double = float16, float32, float64
short, int, long = int16, int32, int64
dtype, device = DType, Device
strided, contiguous_format, preserve_format, channels_last = "strided", None, None, None
inf, nan, pi, e = math.inf, math.nan, math.pi, math.e
newaxis = None
