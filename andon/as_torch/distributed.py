"""`torch.distributed`: there is none, and programs that ask are told so."""

from __future__ import annotations


def is_available() -> bool:
    return False


def is_initialized() -> bool:
    return False


is_torchelastic_launched = is_nccl_available = is_mpi_available = is_gloo_available = is_available
