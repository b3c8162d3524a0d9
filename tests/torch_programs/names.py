"""Every way in which scripts import: one class and one module, whatever the path to them."""

import inspect

import torch
import torch as th
import torch.backends.cudnn as cudnn
import torch.nn as nn
import torch.nn.functional as F
import torch.optim
import torch.utils.data as data
from torch import FloatTensor, Tensor, device, no_grad, optim
from torch import nn as nn2
from torch.autograd import Variable
from torch.nn import Parameter
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.loss import _Loss
from torch.nn.modules.module import Module as DeepModule
from torch.nn.modules.utils import _pair
from torch.nn.parameter import Parameter as DeepParameter
from torch.optim.lr_scheduler import _LRScheduler
from torch.utils.data.dataloader import DataLoader as DeepLoader
from torch.utils.data.dataset import Dataset as DeepDataset


class Distance(_Loss):
    def forward(self, a, b):
        d = (a - b).abs()
        return d.mean() if self.reduction == "mean" else d.sum()


class Halving(_LRScheduler):
    def get_lr(self):
        return [base * 0.5**self.last_epoch for base in self.base_lrs]


def identities():
    return [
        torch is th,
        torch.nn is nn is nn2,
        torch.nn.functional is F is nn.functional,
        torch.optim is optim,
        nn.Module is DeepModule is torch.nn.modules.Module,
        Parameter is DeepParameter is torch.nn.Parameter,
        data.DataLoader is DeepLoader,
        torch.utils.data.Dataset is DeepDataset,
        torch.no_grad is no_grad,
        isinstance(nn.Linear(1, 1), DeepModule),
        isinstance(nn.BatchNorm2d(1), _BatchNorm),
        isinstance(torch.ones(1), (Tensor, FloatTensor)),
        isinstance(torch.ones(1), torch.FloatTensor),
        isinstance(torch.ones(1), torch.LongTensor),
        isinstance(torch.ones(1), Variable),
        issubclass(nn.CrossEntropyLoss, _Loss),
        isinstance(torch.float32, torch.dtype),
        torch.device("cpu") == device("cpu"),
        "fused" in inspect.signature(torch.optim.AdamW).parameters,
        hasattr(torch, "no_such_thing"),
        hasattr(F, "scaled_dot_product_attention"),
    ]


def old_names():
    a = FloatTensor([[1, 2], [3, 4]])
    b = Variable(torch.LongTensor([1, 2]).float(), requires_grad=True)
    (a * b).sum().backward()
    w = torch.empty(2, 2)
    nn.init.constant_(w, 0.5)
    return [a.type(torch.DoubleTensor).dtype == torch.float64, b.grad, w, torch.relu_(-a), _pair(3)]


def switches():
    cudnn.benchmark = True
    torch.backends.cudnn.deterministic = True
    torch.manual_seed(1)
    torch.cuda.manual_seed_all(1)
    used = "cuda" if torch.cuda.is_available() else "cpu"
    net = torch.compile(nn.Linear(2, 2).to(used))
    optimizer = torch.optim.SGD(net.parameters(), lr=1.0)
    schedule = Halving(optimizer)
    optimizer.step()
    schedule.step()
    out = torch.empty(3)
    torch.add(torch.ones(3), 2, out=out)
    return [used, optimizer.param_groups[0]["lr"], Distance()(torch.ones(2), torch.zeros(2)), out]


def main():
    return {"identities": identities(), "old_names": old_names(), "switches": switches()}
