"""`torch.utils`: where PyTorch keeps data loading and checkpointing."""

import importlib

from andon import data

__path__: list[str] = []  # makes this a package to Python, which then asks for its modules
checkpoint = importlib.import_module("andon.autograd.checkpoint")  # not the function so named

__all__ = ["checkpoint", "data"]
