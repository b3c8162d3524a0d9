"""Tensors: the eager face of andon. Importing this puts the eager interpreter in force."""

from ..core.op import Interpreters, interpreters
from .creation import (
    arange,
    as_tensor,
    asarray,
    empty,
    empty_like,
    eye,
    from_dlpack,
    from_numpy,
    full,
    full_like,
    linspace,
    logspace,
    ones,
    ones_like,
    tensor,
    zeros,
    zeros_like,
)
from .device import Device, device
from .eager import eager
from .generator import (
    Generator,
    default_generator,
    get_rng_state,
    initial_seed,
    manual_seed,
    seed,
    set_rng_state,
)
from .inplace import copy_ as _installs_in_place_methods
from .printing import set_printoptions
from .random import normal, rand, rand_like, randint, randint_like, randn, randn_like, randperm
from .tensor import Size, Tensor, broadcast_shapes

Interpreters.default = staticmethod(eager)
interpreters.run = interpreters.tensors = eager

__all__ = [
    "Device",
    "Generator",
    "Size",
    "Tensor",
    "arange",
    "as_tensor",
    "asarray",
    "broadcast_shapes",
    "default_generator",
    "device",
    "empty",
    "empty_like",
    "eye",
    "from_dlpack",
    "from_numpy",
    "full",
    "full_like",
    "get_rng_state",
    "initial_seed",
    "linspace",
    "logspace",
    "manual_seed",
    "normal",
    "ones",
    "ones_like",
    "rand",
    "rand_like",
    "randint",
    "randint_like",
    "randn",
    "randn_like",
    "randperm",
    "seed",
    "set_printoptions",
    "set_rng_state",
    "tensor",
    "zeros",
    "zeros_like",
]
