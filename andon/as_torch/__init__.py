"""Run programs that say `import torch` on andon.

    python -m andon.as_torch script.py args…

or, at the top of a program, `from andon import as_torch; as_torch.install()`.

`install` enters andon's modules into `sys.modules` under PyTorch's names, each of them: were only
the top one entered, `import torch.nn` would load a second copy of `andon.nn`, whose classes
would not be the same. A name that andon lacks raises an error that says which, and where to look.
"""

from __future__ import annotations

import dis
import importlib
import sys
from collections.abc import Callable
from importlib.abc import MetaPathFinder
from types import ModuleType
from typing import Any

from ..core.errors import MissingNameError

# PyTorch's module: where it is in andon
MODULES = {
    "torch": "andon.as_torch.torch",
    "torch.amp": "andon.as_torch.amp",
    "torch.autograd": "andon.autograd",
    "torch.autograd.function": "andon.autograd.function",
    "torch.autograd.functional": "andon.autograd.functional",
    "torch.backends": "andon.as_torch.backends",
    "torch.backends.cuda": "andon.as_torch.backends",
    "torch.backends.cudnn": "andon.as_torch.backends",
    "torch.backends.mps": "andon.as_torch.backends",
    "torch.cuda": "andon.as_torch.cuda",
    "torch.cuda.amp": "andon.as_torch.amp",
    "torch.distributions": "andon.as_torch.distributions",
    "torch.func": "andon.as_torch.func",
    "torch.linalg": "andon.linalg",
    "torch.nn": "andon.nn",
    "torch.nn.functional": "andon.nn.functional",
    "torch.nn.init": "andon.nn.init",
    "torch.nn.modules": "andon.nn",
    "torch.nn.modules.module": "andon.nn.module",
    "torch.nn.parameter": "andon.nn.parameter",
    "torch.nn.utils": "andon.nn.utils",
    "torch.nn.utils.parametrizations": "andon.nn.utils.parametrizations",
    "torch.nn.utils.parametrize": "andon.nn.utils.parametrize",
    "torch.nn.utils.rnn": "andon.nn.utils.rnn",
    "torch.optim": "andon.optim",
    "torch.optim.lr_scheduler": "andon.optim.lr_scheduler",
    "torch.optim.optimizer": "andon.optim.optimizer",
    "torch.random": "andon.tensor.random",
    "torch.utils": "andon.as_torch.utils",
    "torch.utils.checkpoint": "andon.autograd.checkpoint",
    "torch.utils.data": "andon.data",
    "torch.utils.data.dataloader": "andon.data.loader",
    "torch.utils.data.dataset": "andon.data.dataset",
    "torch.utils.data.sampler": "andon.data.sampler",
    "torch.utils.dlpack": "andon.as_torch.torch",
}


def install() -> ModuleType:
    """Make `import torch`, and imports of its submodules, mean andon. Returns the module."""
    present = sys.modules.get("torch")
    if present is not None and present.__name__ != MODULES["torch"]:
        raise MissingNameError("as_torch: PyTorch itself is imported already: install() first")
    for name, ours in MODULES.items():
        module = importlib.import_module(ours)
        sys.modules[name] = module
        if "__getattr__" not in vars(module):
            module.__getattr__ = missing(name)  # type: ignore[method-assign]
    if not any(isinstance(finder, Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, Finder())
    return sys.modules["torch"]


def missing(module: str) -> Callable[[str], Any]:
    """A module's `__getattr__`, for names that it does not have."""

    def lookup(name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        message = f"{module}.{name}: andon has no such name; docs/coverage.md lists what it has"
        if being_imported(sys._getframe(1)):
            raise ImportError(message)  # Python would replace an AttributeError's text here
        raise MissingNameError(message)

    return lookup


def being_imported(frame: Any) -> bool:
    """Whether `frame` is at `from module import name`."""
    return dis.opname[frame.f_code.co_code[frame.f_lasti]] == "IMPORT_FROM"


class Finder(MetaPathFinder):
    """Answers imports of PyTorch's modules that andon lacks."""

    def find_spec(self, name: str, path: Any, target: Any = None) -> None:
        if name.startswith("torch.") and name not in MODULES:
            raise ModuleNotFoundError(
                f"{name}: andon has no such module; docs/coverage.md lists what it has", name=name
            )
        if name.partition(".")[0] in ("torchvision", "torchaudio"):
            raise ModuleNotFoundError(f"{name}: not a part of andon, and needs PyTorch", name=name)
