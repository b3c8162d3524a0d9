"""`torch.distributed`: there is none, and programs that ask are told so.

The names that training scripts import at their top are here, so that those parts of them run
that use one process. To call one is an error.
"""

from __future__ import annotations

from .absent import absent, absent_names

NAMES = """
    init_process_group destroy_process_group new_group get_rank get_world_size get_backend barrier
    monitored_barrier all_reduce all_gather all_gather_object all_gather_into_tensor all_to_all
    broadcast broadcast_object_list gather reduce reduce_scatter reduce_scatter_tensor scatter send
    recv isend irecv ReduceOp ProcessGroup nn rpc
"""
globals().update(absent_names("torch.distributed", NAMES, "andon trains in one process"))

DDP = absent("torch.nn.parallel.DistributedDataParallel", "andon trains in one process")


def is_available() -> bool:
    return False


def is_initialized() -> bool:
    return False


is_torchelastic_launched = is_nccl_available = is_mpi_available = is_gloo_available = is_available
