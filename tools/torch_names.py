"""docs/coverage.md: which of PyTorch's names andon has. `python tools/torch_names.py` rewrites it.

Needs PyTorch installed, to know its names.
"""

from __future__ import annotations

import importlib
import re
import sys
import textwrap
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "coverage.md"

NAMESPACES = (
    "torch", "torch.Tensor", "torch.nn", "torch.nn.functional", "torch.nn.init", "torch.nn.utils",
    "torch.nn.utils.parametrizations", "torch.nn.utils.parametrize", "torch.nn.utils.rnn",
    "torch.optim", "torch.optim.lr_scheduler", "torch.optim.swa_utils", "torch.utils.data",
    "torch.linalg", "torch.special", "torch.autograd", "torch.autograd.functional", "torch.func",
    "torch.distributions", "torch.amp",
)  # fmt: skip

INTRODUCTION = """\
# Which of PyTorch's names andon has

A program that says `import torch` runs on andon by `python -m andon.as_torch script.py`. This page
lists, for each of PyTorch's namespaces, the names that it will find there and those that it will
not. A name that is missing raises an error that says so when it is used; it is never a silent
stand-in.

What is left out on purpose: sparse, quantised and complex tensors (with them `torch.fft`),
TorchScript, `torch.fx`, distributed training, and devices other than the CPU. `torch.compile` is
`andon.jit`, and what that cannot record runs eagerly; `torch.jit.script` returns what it is given.
`torch.save` writes tensors in containers, not whole modules, and `torch.load` makes nothing else of
a file.

(`python tools/torch_names.py` writes this page.)
"""

# Parts of names that belong to what is left out
LEFT_OUT = (
    "sparse", "spmm", "smm", "ddmm", "coalesce", "dense", "quant", "^q_", "^qscheme", "int_repr",
    "complex", "^c(double|float)$", "^chalf$", "conj", "angle", "^imag$", "^polar$", "resolve_",
    "view_as_real", "stft", "^(row|col|crow|ccol)_", "^(indices|values)$", "Script", "import_ir",
    "^parse_", "vulkan", "xpu", "mtia", "maia", "hpu", "ipu", "xla", "mkl", "cudnn", "miopen",
    "fbgemm", "Stream", "^Event$", "record_stream", "memory_format", "nested", "Sync", "^fork$",
    "^wait$", "share_memory", "is_shared", "device_module", "autocast_", "_autocast",
)  # fmt: skip
# ... and to the inside of PyTorch, though they do not begin with an underscore
INTERNAL = (
    "^sym_", "^Sym", "^Dispatch", "^Tag$", "Aggregation", "_copy$", "^native_", "batch_norm_",
    "with_indices$", "has_torch", "handle_torch", "unsafe_", "slice_inverse", "_storage$",
    "Storage", "[dD]ata_?[pP]ipe", "DataChunk", "determinis", "^runtime_", "^argument_", "paque",
    "traceable", "boolean_dispatch", "assert_int_or_pair", "factory_kwargs", "^Container$",
    "NLLLoss2d", "debug_unwrap", "inear_?[cC]ross_?[eE]ntropy", "_multithreading", "view_replay",
    "grad_layout", "kineto", "Nested", "[uU]ninitialized", "UNINIT", "swap_", "module_load",
    "reinforce", "const_data_ptr", "thread_safe", "unify_", "merge_type", "warn_always", "cxx11",
    "init_num_threads", "nonzero_static", "dim_order", "is_set_to", "as_subclass", "AcceleratorE",
    "is_tensor_like", "transfer_param",
    "while_loop", "hash_tensor", "PackedSequence_", "copy_method", "invert_perm", "SwizzleType",
    "ScalingType", "OutOfMemory", "functionalize", "linearize", "^_",
)  # fmt: skip
BEYOND = re.compile("|".join(LEFT_OUT + INTERNAL))


def public(namespace: object) -> set[str]:
    """The names of a namespace, without underscores and what it only imports from elsewhere."""
    names = {name for name in dir(namespace) if not name.startswith("_")}
    return {name for name in names if not imported(getattr(namespace, name, None))}


def imported(value: object) -> bool:
    """Whether it is of the standard library: a module, or a name of `typing`."""
    home = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", "")
    return str(home).split(".")[0] in ("typing", "collections", *sys.stdlib_module_names) and (
        isinstance(value, ModuleType) or str(home).startswith(("typing", "collections.abc"))
    )


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


def documented(path: str) -> set[str]:
    """The functions and classes of a namespace that PyTorch's users are told of."""
    from andon.as_torch import MODULES

    found = set()
    for name in public(resolve(path)):
        value = getattr(resolve(path), name, None)
        home = getattr(value, "__module__", None) or path
        internal = not home.startswith("torch") or "._C" in home or isinstance(value, ModuleType)
        elsewhere = home != path and home in MODULES and has(home, name)
        if callable(value) and value.__doc__ and not internal and not elsewhere:
            found.add(name)
    return {name for name in found if not BEYOND.search(name)}


def has(path: str, name: str) -> bool:
    """Whether `path.name` is found on andon."""
    from andon.as_torch.modules import found_elsewhere

    return name in public(ours_of(path)) or found_elsewhere(path, name) is not None


def is_hidden_module(path: str, name: str) -> bool:
    """Whether it is a module without a section: some are there only once they are imported."""
    value = getattr(resolve(path), name, None)
    return isinstance(value, ModuleType) and f"{path}.{name}" not in NAMESPACES


def listed(names: list[str], title: str = "") -> str:
    text = title + " · ".join(f"`{name}`" for name in names)
    return textwrap.fill(text, 100, break_on_hyphens=False, break_long_words=False)


def section(path: str) -> str:
    """What the page says of one namespace."""
    theirs = resolve(path)
    names = sorted(n for n in public(theirs) if has(path, n) and not is_hidden_module(path, n))
    missing = sorted(documented(path) - set(names))
    text = f"## {path}\n\n{listed(names)}\n"
    if missing:
        text += f"\n{listed(missing, 'Not there: ')}\n"
    return text


def page() -> str:
    """The text of the page."""
    sys.path.insert(0, str(ROOT))
    try:
        return "\n".join([INTRODUCTION, *map(section, NAMESPACES)])
    finally:
        sys.path.remove(str(ROOT))


if __name__ == "__main__":
    PAGE.write_text(page())
