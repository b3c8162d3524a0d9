"""Optimizer: parameter groups, a state per parameter, and the way through a step.

A subclass says which state tensors it keeps (`slots`) and how to update a flat block of a
parameter in place (`update`). Its class docstring is its update rule. In all of them g is the
gradient, or its negative under `maximize`; t counts steps; λ is the weight decay.

`foreach`, `fused`, `capturable` and `differentiable` choose among PyTorch's implementations.
They are accepted, and change nothing: there is one implementation here.
"""

from __future__ import annotations

import copy
import inspect
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import numpy as np

from ..core.errors import ArgumentError, DTypeError, GradientError, ShapeError, StateError
from ..core.mode import enable_grad, no_grad
from ..core.op import Symbolic, interpreters
from ..tensor.tensor import Handle, Tensor, wrap
from .blocks import scratch, sweep

SWITCHES = {"foreach": None, "capturable": False, "differentiable": False, "fused": None}
Group = dict[str, Any]


class Optimizer:
    """The base of all optimizers.

    `params` are tensors, (name, tensor) pairs, or dicts: groups with hyperparameters of their own.
    `state` holds, for each parameter, what the optimizer remembers, by PyTorch's names.
    """

    def __init__(self, params: Iterable[Any], defaults: dict[str, Any], switches: Any = None):
        unknown = set(switches or ()) - set(SWITCHES)
        if unknown:
            raise TypeError(f"{type(self).__name__}: unknown arguments: {sorted(unknown)}")
        if isinstance(params, Tensor):
            raise DTypeError(f"{type(self).__name__}: expects several tensors: a single one")
        self.defaults = defaults if switches is None else {**defaults, **SWITCHES, **switches}
        self.state: dict[Tensor, dict[str, Any]] = defaultdict(dict)
        self.param_groups: list[Group] = []
        self.loaded = 0  # how often the state was exchanged for another
        self.cycles_momentum = False  # whether a schedule changes it, as all do the rate
        self._step_pre_hooks: list[Callable] = []
        self._step_post_hooks: list[Callable] = []
        given = list(params)
        if not given:
            raise ArgumentError(f"{type(self).__name__}: there are no parameters to optimize")
        groups = given if isinstance(given[0], dict) else [{"params": given}]
        for group in groups:
            self.add_param_group(group)

    def __init_subclass__(cls, **options: Any):
        super().__init_subclass__(**options)
        signature = with_switches(cls.__init__)  # programs look there for `fused`
        cls.__signature__ = signature  # type: ignore[attr-defined]

    # What a subclass defines

    def slots(self, group: Group) -> tuple[str, ...]:
        """The names of the state tensors that `update` is given, in its order."""
        return ()

    def update(self, group: Group, t: Any, p: np.ndarray, g: np.ndarray, *state: Any) -> None:
        """Step number `t` of a flat block of a parameter: change `p` and its state in place."""
        raise NotImplementedError(f"Optimizer: {type(self).__name__} does not define update")

    def start(self, p: Tensor, group: Group) -> dict[str, Tensor]:
        """The state of a parameter before its first step: no steps, and zeros in its shape."""
        zeros = {name: wrap(np.zeros(p.array.shape, p.array.dtype)) for name in self.slots(group)}
        return {"step": wrap(np.zeros((), np.float32)), **zeros}

    def begin(self, p: Tensor, group: Group) -> Any:
        """Count the step of one parameter; gives the number that `update` is handed."""
        self.prepare(p, group)
        counter = self.state[p]["step"].elements()
        counter += 1
        return number(counter)

    # A step

    def step(self, closure: Callable | None = None) -> Any:
        """Update every parameter that has a gradient.

        `closure`, if given, computes the loss and its gradients first; the loss is returned.
        """
        for hook in list(self._step_pre_hooks):
            hook(self, (closure,), {})
        loss = evaluate(closure)
        for group in self.param_groups:
            self.update_group(group)
        for hook in list(self._step_post_hooks):
            hook(self, (closure,), {})
        return loss

    def update_group(self, group: Group) -> None:
        """Update the parameters of a group, those of one dtype and age together."""
        group = self.in_force(group)
        names = self.slots(group)
        batches: dict[tuple, list] = {}
        times: Counter = Counter()  # a parameter that is given twice is updated twice
        for p in group["params"]:
            if p.grad is not None:
                times[p] += 1
                g = gradient_of(p)
                t = self.begin(p, group)
                arrays = [self.state[p][name].elements() for name in names]
                row = (p.elements(), g, *arrays)
                self.guard_state(p)
                batches.setdefault((row[0].dtype, t, times[p]), []).append(row)
                p.memory.touch()
        for (_, t, _), rows in batches.items():
            sweep(partial(self.update, group, t), rows)

    def guard_state(self, p: Tensor) -> None:
        """A recording holds as long as the state of a parameter is not made anew."""
        if interpreters.recorder is not None and p is self.param_groups[0]["params"][0]:
            own = self.state[p]
            interpreters.recorder.guard(lambda: self.state.get(p) is own, "an optimizer's state")

    def prepare(self, p: Tensor, group: Group) -> None:
        """See that there is a state; in a recorded program it is called after its parameter."""
        state = self.state[p]
        if not state:
            state.update(self.start(p, group))
        if interpreters.recorder is not None:
            p.elements()
            for name, tensor in state.items():
                if isinstance(tensor, Tensor):
                    interpreters.recorder.label(tensor, name, p)

    def in_force(self, group: Group) -> Group:
        """The group as a step reads it. What schedules move may change between recorded calls."""
        recorder = interpreters.recorder
        if recorder is None:
            return group
        moving = {"lr": recorder.number(lambda: float(group["lr"]), "lr")}
        recorder.guard(lambda: (self.loaded, self.cycles_momentum), "an optimizer's state")
        recorder.guard(
            lambda: [len(g["params"]) for g in self.param_groups], "an optimizer's groups"
        )
        if self.cycles_momentum and "betas" in group:
            recorder.guard(lambda: group["betas"][1:], "an optimizer's hyperparameters")
            beta = recorder.number(lambda: float(group["betas"][0]), "beta")
            moving["betas"] = (beta, *group["betas"][1:])
        elif self.cycles_momentum and group["momentum"]:
            recorder.guard(lambda: group["momentum"] > 0, "whether there is momentum")
            moving["momentum"] = recorder.number(lambda: float(group["momentum"]), "momentum")
        fixed = [name for name in group if name not in ("params", *moving)]
        recorder.guard(lambda: [group[name] for name in fixed], "an optimizer's hyperparameters")
        return {**group, **moving}

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all parameters, or set them to zero."""
        for group in self.param_groups:
            for p in group["params"]:
                if set_to_none:
                    p.grad = None
                elif p.grad is not None:
                    p.grad = p.grad.detach()
                    with no_grad():
                        p.grad.zero_()

    def register_step_pre_hook(self, hook: Callable) -> Handle:
        """Call `hook(optimizer, args, kwargs)` before each step."""
        self._step_pre_hooks.append(hook)
        return Handle(self._step_pre_hooks, hook)

    def register_step_post_hook(self, hook: Callable) -> Handle:
        """Call `hook(optimizer, args, kwargs)` after each step."""
        self._step_post_hooks.append(hook)
        return Handle(self._step_post_hooks, hook)

    # Groups and state

    def add_param_group(self, param_group: Group) -> None:
        """Add parameters, with hyperparameters where they differ from the defaults."""
        if not isinstance(param_group, dict) or "params" not in param_group:
            raise DTypeError(f"add_param_group: expects a dict with 'params': {param_group!r}")
        group = {**self.defaults, **param_group}
        group["params"] = as_parameters(param_group["params"], type(self).__name__)
        names = [pair[0] for pair in group["params"] if isinstance(pair, tuple)]
        if names:
            group["params"] = [p for _, p in group["params"]]
            group["param_names"] = names
        for p in group["params"]:
            check_parameter(p, type(self).__name__)
        known = {id(p) for other in self.param_groups for p in other["params"]}
        own = {id(p) for p in group["params"]}
        if known & own:
            raise StateError(f"{type(self).__name__}: a parameter is in more than one group")
        if len(own) < len(group["params"]):  # PyTorch allows it, and so some programs do it
            warnings.warn(f"{type(self).__name__}: a parameter is given twice", stacklevel=3)
        self.param_groups.append(group)

    def state_dict(self) -> dict[str, Any]:
        """State and hyperparameters, the parameters being numbered through all groups."""
        groups: list[Group] = []
        numbers: dict[int, int] = {}
        for group in self.param_groups:
            own = [numbers.setdefault(id(p), len(numbers)) for p in group["params"]]
            packed = {name: value for name, value in group.items() if name != "params"}
            groups.append({**packed, "params": own})
        state = {numbers[id(p)]: own for p, own in self.state.items()}
        return {"state": state, "param_groups": groups}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over a copy of a `state_dict`, of an optimizer with groups of the same sizes."""
        given = checked_state(state_dict, self.param_groups)
        params = [p for group in self.param_groups for p in group["params"]]
        numbers = [n for group in given["param_groups"] for n in group["params"]]
        owner = dict(zip(numbers, params, strict=True))
        state = {owner[n]: restored(own, owner[n]) for n, own in given["state"].items()}
        groups = []
        for group, loaded in zip(self.param_groups, given["param_groups"], strict=True):
            changed = {name: value for name, value in loaded.items() if name != "params"}
            groups.append({**group, **copy.deepcopy(changed)})
            self.check_state(groups[-1], state)
        for group, new in zip(self.param_groups, groups, strict=True):
            group.update(new)
        self.state = defaultdict(dict, state)
        self.loaded += 1

    def check_state(self, group: Group, state: dict[Tensor, dict[str, Any]]) -> None:
        """Raise unless what is kept of each parameter is there and of its shape."""
        for p in group["params"]:
            own = state.get(p, {})
            for name in self.slots(group) if own else ():
                kept = own.get(name, 0)  # None is a buffer that no step has needed yet
                if kept is not None and getattr(kept, "shape", None) != p.shape:
                    kind = kept.spec if isinstance(kept, Tensor) else type(kept).__name__
                    raise StateError(f"load_state_dict: {name} does not fit: {kind} for {p.spec}")

    def __repr__(self) -> str:
        lines = [f"{type(self).__name__} ("]
        for i, group in enumerate(self.param_groups):
            lines.append(f"Parameter Group {i}")
            lines += [f"    {name}: {group[name]}" for name in sorted(group) if name != "params"]
        return "\n".join([*lines, ")"])


def with_switches(init: Callable) -> inspect.Signature:
    """The signature of an optimizer's constructor, `**switches` spelled out."""
    _, *given = inspect.signature(init).parameters.values()
    named = [p for p in given if p.name != "switches"]
    if len(named) < len(given):
        keyword = inspect.Parameter.KEYWORD_ONLY
        named += [inspect.Parameter(k, keyword, default=v) for k, v in SWITCHES.items()]
    return inspect.Signature(named)


def evaluate(closure: Callable | None) -> Any:
    """The loss that a closure computes, its gradients being recorded."""
    if closure is None:
        return None
    with enable_grad():
        return closure()


def gradient_of(p: Tensor) -> np.ndarray:
    """The array of p's gradient, if it fits p."""
    g: Any = p.grad
    if g.array.shape != p.array.shape:
        raise ShapeError(f"step: the gradient does not fit: {g.spec} for {p.spec}")
    return g.elements()


def number(array: Any) -> Any:
    """The one element of an array as a number, or what stands for it in a recorded program."""
    return array.astype(np.float64) if isinstance(array, Symbolic) else array.item()


def rate(group: Group) -> Any:
    """The learning rate of a group, as a number."""
    lr = group["lr"]
    return lr if isinstance(lr, Symbolic) else float(lr)


def has_momentum(group: Group) -> bool:
    """Whether there is momentum. One that a schedule moves stands in a recording if there is."""
    return isinstance(group["momentum"], Symbolic) or group["momentum"] > 0


def descent(group: Group, p: np.ndarray, g: np.ndarray, decay: float) -> np.ndarray:
    """The gradient to descend along: -g under `maximize`, plus decay p. Leaves g as it is."""
    if group["maximize"]:
        g = np.negative(g, out=scratch(p, 1))
    if decay:
        pulled = np.multiply(p, decay, out=scratch(p, 2))
        pulled += g
        g = pulled
    return g


def as_parameters(given: Any, name: str) -> list:
    """The parameters of a group as a list, in an order that can be relied on."""
    if isinstance(given, Tensor):
        return [given]
    if isinstance(given, (set, frozenset)):
        raise DTypeError(f"{name}: expects parameters in an order: a set")
    return list(given)


def check_parameter(p: Any, name: str) -> None:
    if not isinstance(p, Tensor):
        raise DTypeError(f"{name}: expects tensors: {type(p).__name__}")
    if not p.is_leaf:
        raise GradientError(f"{name}: only leaves can be optimized: {p.grad_fn} made this one")


def check_range(name: str, **values: tuple) -> None:
    """Raise unless each value, given as (value, low, high), lies in [low, high)."""
    for key, (value, low, high) in values.items():
        if not low <= float(value) < high:
            limits = f">= {low}" if high == np.inf else f"in [{low}, {high})"
            raise ArgumentError(f"{name}: {key} must be {limits}: {value}")


def checked_state(state_dict: Any, groups: list[Group]) -> dict[str, Any]:
    """`state_dict`, if it describes groups of these sizes."""
    if not isinstance(state_dict, dict) or not {"state", "param_groups"} <= set(state_dict):
        raise StateError("load_state_dict: expects a dict with 'state' and 'param_groups'")
    have = [len(group["params"]) for group in groups]
    try:
        given = [len(group["params"]) for group in state_dict["param_groups"]]
        numbers = {n for group in state_dict["param_groups"] for n in group["params"]}
        stray = set(state_dict["state"]) - numbers
        strange = [n for n, own in state_dict["state"].items() if not isinstance(own, dict)]
    except (TypeError, KeyError, AttributeError) as error:
        raise StateError(f"load_state_dict: not the state of an optimizer: {error!r}") from None
    if have != given:
        raise StateError(f"load_state_dict: groups of sizes {given} for an optimizer with {have}")
    if stray or strange or len(numbers) < sum(given):
        raise StateError(f"load_state_dict: state of parameters in no group: {stray or strange}")
    return state_dict


def restored(own: dict[str, Any], p: Tensor) -> dict[str, Any]:
    """A copy of one parameter's state; what has its shape takes its dtype."""
    made = {}
    for name, value in own.items():
        if name == "step" and isinstance(value, (int, float)):  # PyTorch's, before 1.12
            value = wrap(np.array(value, np.float32))
        if not isinstance(value, Tensor):
            made[name] = copy.deepcopy(value)
            continue
        if value.ndim and value.shape != p.shape and value.numel() == p.numel() > 1:
            raise StateError(f"load_state_dict: {name} does not fit: {value.spec} for {p.spec}")
        moved = name != "step" and value.dtype.is_floating_point
        made[name] = wrap(value.array.astype(p.array.dtype if moved else value.array.dtype))
    return made
