"""Where PyTorch's modules are in andon, and the names that they have under another name here."""

from __future__ import annotations

import functools
import importlib
import inspect
from typing import Any

# PyTorch's module: where it is in andon
MODULES = {
    "torch": "andon.as_torch.torch",
    "torch._dynamo": "andon.as_torch.compiler",
    "torch.accelerator": "andon.as_torch.accelerator",
    "torch.amp": "andon.amp",
    "torch.amp.autocast_mode": "andon.amp",
    "torch.amp.grad_scaler": "andon.amp",
    "torch.autograd": "andon.autograd",
    "torch.autograd.anomaly_mode": "andon.autograd.anomaly",
    "torch.autograd.function": "andon.autograd.function",
    "torch.autograd.functional": "andon.autograd.functional",
    "torch.autograd.grad_mode": "andon.core.mode",
    "torch.autograd.gradcheck": "andon.autograd.gradcheck",
    "torch.autograd.profiler": "andon.as_torch.profiler",
    "torch.autograd.variable": "andon.as_torch.legacy",
    "torch.backends": "andon.as_torch.backends",
    "torch.backends.cuda": "andon.as_torch.backends.cuda",
    "torch.backends.cudnn": "andon.as_torch.backends.cudnn",
    "torch.backends.mps": "andon.as_torch.backends.mps",
    "torch.compiler": "andon.as_torch.compiler",
    "torch.cuda": "andon.as_torch.cuda",
    "torch.cuda.amp": "andon.as_torch.cuda.amp",
    "torch.cuda.amp.autocast_mode": "andon.as_torch.cuda.amp",
    "torch.cuda.amp.grad_scaler": "andon.as_torch.cuda.amp",
    "torch.distributed": "andon.as_torch.distributed",
    "torch.distributions": "andon.distributions",
    "torch.distributions.bernoulli": "andon.distributions.discrete",
    "torch.distributions.categorical": "andon.distributions.discrete",
    "torch.distributions.distribution": "andon.distributions.distribution",
    "torch.distributions.independent": "andon.distributions.distribution",
    "torch.distributions.kl": "andon.distributions.divergence",
    "torch.distributions.multivariate_normal": "andon.distributions.multivariate",
    "torch.distributions.normal": "andon.distributions.continuous",
    "torch.distributions.uniform": "andon.distributions.continuous",
    "torch.func": "andon.func",
    "torch.hub": "andon.as_torch.hub",
    "torch.jit": "andon.as_torch.jit",
    "torch.linalg": "andon.linalg",
    "torch.multiprocessing": "andon.as_torch.multiprocessing",
    "torch.nn": "andon.nn",
    "torch.nn.attention": "andon.nn.attention",
    "torch.nn.functional": "andon.nn.functional",
    "torch.nn.init": "andon.nn.init",
    "torch.nn.modules": "andon.nn",
    "torch.nn.modules.activation": "andon.nn.activation",
    "torch.nn.modules.batchnorm": "andon.nn.norm",
    "torch.nn.modules.container": "andon.nn.container",
    "torch.nn.modules.conv": "andon.nn.conv",
    "torch.nn.modules.distance": "andon.nn.shape",
    "torch.nn.modules.dropout": "andon.nn.dropout",
    "torch.nn.modules.flatten": "andon.nn.shape",
    "torch.nn.modules.fold": "andon.nn.shape",
    "torch.nn.modules.instancenorm": "andon.nn.norm",
    "torch.nn.modules.lazy": "andon.nn.lazy",
    "torch.nn.modules.linear": "andon.nn.linear",
    "torch.nn.modules.loss": "andon.nn.loss",
    "torch.nn.modules.module": "andon.nn.module",
    "torch.nn.modules.normalization": "andon.nn.norm",
    "torch.nn.modules.padding": "andon.nn.shape",
    "torch.nn.modules.pixelshuffle": "andon.nn.shape",
    "torch.nn.modules.pooling": "andon.nn.pooling",
    "torch.nn.modules.rnn": "andon.nn.rnn",
    "torch.nn.modules.sparse": "andon.nn.sparse",
    "torch.nn.modules.transformer": "andon.nn.transformer",
    "torch.nn.modules.upsampling": "andon.nn.shape",
    "torch.nn.modules.utils": "andon.as_torch.tuples",
    "torch.nn.parallel": "andon.nn.parallel",
    "torch.nn.parallel.data_parallel": "andon.nn.parallel",
    "torch.nn.parallel.distributed": "andon.as_torch.distributed",
    "torch.nn.parameter": "andon.nn.parameter",
    "torch.nn.utils": "andon.nn.utils",
    "torch.nn.utils.clip_grad": "andon.nn.utils.clip_grad",
    "torch.nn.utils.convert_parameters": "andon.nn.utils.convert_parameters",
    "torch.nn.utils.parametrizations": "andon.nn.utils.parametrizations",
    "torch.nn.utils.parametrize": "andon.nn.utils.parametrize",
    "torch.nn.utils.rnn": "andon.nn.utils.rnn",
    "torch.nn.utils.stateless": "andon.func",
    "torch.onnx": "andon.as_torch.onnx",
    "torch.optim": "andon.optim",
    "torch.optim.adam": "andon.optim.adam",
    "torch.optim.adamw": "andon.optim.adam",
    "torch.optim.lr_scheduler": "andon.optim.lr_scheduler",
    "torch.optim.optimizer": "andon.optim.optimizer",
    "torch.optim.sgd": "andon.optim.sgd",
    "torch.optim.swa_utils": "andon.as_torch.swa_utils",
    "torch.profiler": "andon.as_torch.profiler",
    "torch.random": "andon.tensor.generator",
    "torch.serialization": "andon.serialization",
    "torch.special": "andon.ops.special",
    "torch.testing": "andon.as_torch.testing",
    "torch.utils": "andon.as_torch.utils",
    "torch.utils._pytree": "andon.as_torch.pytree",
    "torch.utils.checkpoint": "andon.autograd.checkpoint",
    "torch.utils.cpp_extension": "andon.as_torch.cpp_extension",
    "torch.utils.data": "andon.data",
    "torch.utils.data._utils": "andon.data",
    "torch.utils.data._utils.collate": "andon.data.collate",
    "torch.utils.data.dataloader": "andon.data.loader",
    "torch.utils.data.dataset": "andon.data.dataset",
    "torch.utils.data.distributed": "andon.data.sampler",
    "torch.utils.data.sampler": "andon.data.sampler",
    "torch.utils.dlpack": "andon.as_torch.torch",
    "torch.utils.tensorboard": "andon.as_torch.tensorboard",
    "torch.utils.tensorboard.writer": "andon.as_torch.tensorboard",
    "torch.version": "andon.as_torch.version",
}

# Names that PyTorch has in a module: where they are in andon
RENAMED = {
    "torch.autograd.Variable": "andon.as_torch.legacy.Variable",
    "torch.nn.modules.batchnorm._BatchNorm": "andon.nn.norm.BatchNorm",
    "torch.nn.modules.batchnorm._InstanceNorm": "andon.nn.norm.InstanceNorm",
    "torch.nn.modules.batchnorm._NormBase": "andon.nn.norm.ChannelNorm",
    "torch.nn.modules.conv._ConvNd": "andon.nn.conv.Convolution",
    "torch.nn.modules.dropout._DropoutNd": "andon.nn.dropout.Probability",
    "torch.nn.modules.linear.NonDynamicallyQuantizableLinear": (
        "andon.nn.attention.OutputProjection"
    ),
    "torch.nn.modules.loss._Loss": "andon.nn.loss.Loss",
    "torch.nn.modules.loss._WeightedLoss": "andon.nn.loss.WeightedLoss",
    "torch.nn.init._calculate_correct_fan": "andon.nn.init.fan",
    "torch.nn.init._calculate_fan_in_and_fan_out": "andon.nn.init.fans",
    "torch.nn.parallel.DistributedDataParallel": "andon.as_torch.distributed.DDP",
    "torch.nn.utils.clip_grad_norm": "andon.nn.utils.clip_grad_norm_",
    "torch.optim.lr_scheduler._LRScheduler": "andon.optim.lr_scheduler.LRScheduler",
    "torch.random.manual_seed_all": "andon.tensor.generator.manual_seed",
}


def found_elsewhere(module: str, name: str) -> Any:
    """What PyTorch's `module.name` is, where it is not a name of andon's module; or None."""
    full = f"{module}.{name}"
    if full in MODULES:
        return importlib.import_module(MODULES[full])
    if full in RENAMED:
        where, _, other = RENAMED[full].rpartition(".")
        return getattr(importlib.import_module(where), other)
    if module.startswith("torch.nn.modules") and not name.startswith("_"):
        return vars(importlib.import_module("andon.nn")).get(name)
    if module == "torch.nn.init":  # PyTorch's old names, without the underscore
        return vars(importlib.import_module("andon.nn.init")).get(f"{name}_")
    if module == "torch" and name.startswith("_foreach_"):
        return over_lists(name.removeprefix("_foreach_"))
    if module in ("torch", "torch.nn.functional") and name.endswith("_") and name[0] != "_":
        return in_place_function(name)
    return None


def in_place_function(name: str) -> Any:
    """`relu_(x)`: the in-place method of that name, or the function with `inplace=True`."""
    from andon.nn import functional
    from andon.tensor import Tensor

    function = vars(functional).get(name[:-1])
    if inspect.isfunction(function) and "inplace" in inspect.signature(function).parameters:
        return functools.partial(function, inplace=True)
    return getattr(Tensor, name, None)


def over_lists(name: str) -> Any:
    """`_foreach_add_(xs, ys)`: the method of that name, of each tensor in a list; or None."""
    from andon.tensor import Tensor

    method = getattr(Tensor, name, None)
    if method is None:
        return None

    def each(xs: Any, *others: Any, **options: Any) -> Any:
        rows = [o if isinstance(o, (list, tuple)) else [o] * len(xs) for o in others]
        results = [method(x, *row, **options) for x, *row in zip(xs, *rows, strict=True)]
        return None if name.endswith("_") else results

    return each
