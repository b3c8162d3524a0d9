"""Run programs that say `import torch` on andon.

    python -m andon.as_torch script.py args…
    python -m andon.as_torch -m package.module args…

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
from types import ModuleType
from typing import Any

from ..core.dtype import DType
from ..core.errors import MissingNameError, StateError
from .keywords import rename_operands
from .modules import MODULES, found_elsewhere

SEE = "docs/coverage.md lists what it has"


def install() -> ModuleType:
    """Make `import torch`, and imports of its submodules, mean andon. Returns the module."""
    present = sys.modules.get("torch")
    if present is not None and present.__name__ != MODULES["torch"]:
        raise StateError(
            "as_torch: PyTorch itself is imported already, so that its classes and andon's would "
            f"be mixed: install() must come before the first import: {present.__name__}"
        )
    DType.package = "torch"
    for name, ours in MODULES.items():
        module = importlib.import_module(ours)
        sys.modules[name] = module
        if "__getattr__" not in vars(module):
            module.__getattr__ = missing(name)  # type: ignore[method-assign]
    for name in ("torch", "torch.nn.functional", "torch.special", "torch.linalg"):
        rename_operands(vars(sys.modules[name]))
    if not any(isinstance(finder, Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, Finder())
    return sys.modules["torch"]


def missing(module: str) -> Callable[[str], Any]:
    """A module's `__getattr__`, for names that it does not have."""

    def lookup(name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        found = found_elsewhere(module, name)
        if found is not None:
            return found
        message = f"{module}.{name}: andon has no such name; {SEE}"
        if being_imported(sys._getframe(1)):
            raise ImportError(message)  # Python would replace an AttributeError's text here
        raise MissingNameError(message)

    return lookup


def being_imported(frame: Any) -> bool:
    """Whether `frame` is at `from module import name`."""
    return dis.opname[frame.f_code.co_code[frame.f_lasti]] == "IMPORT_FROM"


class Finder:
    """Answers imports of PyTorch's modules that andon lacks.

    When only asked whether there is such a module, as by `importlib.util.find_spec`, it says no.
    """

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        top = name.partition(".")[0]
        if top not in ("torch", "torchvision", "torchaudio", "functorch") or not importing():
            return
        if top == "torch":
            raise ModuleNotFoundError(f"{name}: andon has no such module; {SEE}", name=name)
        raise ModuleNotFoundError(f"{name}: not a part of andon, and needs PyTorch", name=name)


def importing() -> bool:
    """Whether the finder is asked for the sake of an import."""
    return sys._getframe(3).f_code.co_name == "_find_and_load_unlocked"
