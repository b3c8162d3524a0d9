"""docs/coverage.md: which of PyTorch's names andon has. `python tools/torch_names.py` rewrites it.

Needs PyTorch installed, to know its names.
"""

from __future__ import annotations

import importlib
import textwrap
from pathlib import Path

PAGE = Path(__file__).parent.parent / "docs" / "coverage.md"

NAMESPACES = (
    "torch", "torch.Tensor", "torch.nn", "torch.nn.functional", "torch.nn.init", "torch.nn.utils",
    "torch.optim", "torch.optim.lr_scheduler", "torch.utils.data", "torch.linalg",
    "torch.autograd", "torch.autograd.functional",
)  # fmt: skip

INTRODUCTION = """\
# Which of PyTorch's names andon has

A program that says `import torch` runs on andon by `python -m andon.as_torch script.py`. This page
lists, for each namespace, the names of PyTorch that it will find. A name that is missing raises
an error that says so when it is used; it is never a silent stand-in.

What is left out on purpose: sparse, quantised and complex tensors, TorchScript, `torch.fx`,
distributed training, and devices other than the CPU.

(`python tools/torch_names.py` writes this page.)
"""


def public(namespace: object) -> set[str]:
    return {name for name in dir(namespace) if not name.startswith("_")}


def resolve(path: str) -> object:
    """The module or class of that dotted path."""
    if path.endswith(".Tensor"):
        return importlib.import_module(path.removesuffix(".Tensor")).Tensor
    return importlib.import_module(path)


def ours_of(path: str) -> object:
    """andon's side of a PyTorch namespace."""
    from andon.as_torch import MODULES

    if path.endswith(".Tensor"):
        return importlib.import_module("andon").Tensor
    return importlib.import_module(MODULES[path])


def page() -> str:
    """The text of the page."""
    parts = [INTRODUCTION]
    for path in NAMESPACES:
        names = sorted(public(resolve(path)) & public(ours_of(path)))
        text = textwrap.fill(" · ".join(f"`{n}`" for n in names), 100, break_on_hyphens=False)
        parts.append(f"## {path} ({len(names)})\n\n{text}\n")
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page())
