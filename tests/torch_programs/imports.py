"""What training scripts import at their top, for many GPUs and machines, and do not use on one."""

import torch
import torch._dynamo
import torch.distributed as dist
import torch.multiprocessing as mp
import torch.nn as nn
from torch.distributed import ReduceOp, destroy_process_group, init_process_group
from torch.hub import load_state_dict_from_url
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.parallel import DistributedDataParallel as DDP
from torch.profiler import ProfilerActivity, profile
from torch.utils._pytree import tree_flatten, tree_map, tree_unflatten

NOT_USED = (ReduceOp, destroy_process_group, init_process_group, load_state_dict_from_url, profile)


class Rounded(torch.jit.ScriptModule):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(2, 2)

    @torch.jit.script_method
    def forward(self, x):
        return self.linear(x).round()


def asked():
    """What a script asks before it chooses one process and the CPU."""
    try:
        ddp = dist.is_initialized() and mp.get_start_method()
    except torch.cuda.OutOfMemoryError:
        ddp = True
    return {
        "ddp": [ddp, isinstance(nn.Linear(1, 1), DDP)],
        "cuda": torch.cuda.is_available() or isinstance(torch.ones(1), torch.cuda.FloatTensor),
        "accelerator": torch.accelerator.is_available(),
        "device": str(torch.accelerator.current_accelerator()),
        "not used": len(NOT_USED) + (ProfilerActivity is None),
        "states": torch.cuda.get_rng_state_all(),
    }


def printed():
    x = torch.arange(6.0).reshape(2, 3)
    texts = [x.shape, x.dtype, x.type(), x.double(), torch.finfo(torch.float32)]
    return [str(text) for text in [*texts, torch.iinfo(torch.int8), [x.dtype, x.size()]]]


def trees():
    tree = {"a": [torch.ones(2), (torch.zeros(1), 3)], "b": 4}
    leaves, spec = tree_flatten(tree)
    doubled = tree_unflatten([leaf * 2 for leaf in leaves], spec)
    summed = tree_map(lambda a, b: a + b, tree, doubled)
    return [doubled["a"][0].tolist(), summed["a"][1][0].tolist(), summed["a"][1][1], summed["b"]]


def attention():
    q = torch.linspace(-1, 1, 12).reshape(1, 1, 3, 4)
    with sdpa_kernel([SDPBackend.MATH]):
        y = nn.functional.scaled_dot_product_attention(q, q, q, is_causal=True)
    return y.tolist()


def lists():
    xs = [torch.ones(2), torch.arange(3.0)]
    torch._foreach_mul_(xs, 2.0)
    torch._foreach_add_(xs, [torch.ones(2), torch.ones(3)], alpha=0.5)
    return [list(xs), list(torch._foreach_sqrt(xs))]


@torch.compiler.disable
def steered():
    torch._dynamo.config.suppress_errors = True
    return [torch.compiler.is_compiling(), torch._dynamo.disable(len)([1])]


def main():
    x = torch.ones(2, 3, dtype=torch.float64)
    news = [x.new(2, 2).shape, x.new([1, 2]).tolist(), x.new().shape, str(x.new([1]).dtype)]
    fans = nn.init._calculate_fan_in_and_fan_out(torch.ones(3, 4, 2, 2))
    scripted = list(Rounded()(torch.zeros(2)).shape)
    dense = [torch.fill(x, 2.0).tolist(), torch.spmm(x.T, x).tolist()]
    return {
        "asked": asked(), "printed": printed(), "trees": trees(), "attention": attention(),
        "old": [[list(n) if isinstance(n, tuple) else n for n in news], list(fans)],
        "scripted": scripted, "dense": dense, "lists": lists(), "steered": steered(),
    }  # fmt: skip
