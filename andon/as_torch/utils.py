"""`torch.utils`: where PyTorch keeps data loading and checkpointing."""

import importlib

from andon import data

checkpoint = importlib.import_module("andon.autograd.checkpoint")  # not the function so named

__all__ = ["checkpoint", "data"]
