"""Module: registration, walks, state dicts, hooks, conversions, printing, as PyTorch has them."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import torch

import andon
from andon import nn
from andon.core.errors import DeviceError, DTypeError, MissingNameError, StateError


class Net(nn.Module):
    """A module with something of everything."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(3, 4)
        self.norm = nn.BatchNorm1d(4)
        self.gain = nn.Parameter(andon.ones(4))
        self.register_buffer("table", andon.zeros(2))
        self.register_buffer("cache", andon.zeros(2), persistent=False)
        self.rest = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 2))
        self.double_it = lambda x: x * 2

    def forward(self, x):
        return self.rest(self.double_it(self.norm(self.first(x))) * self.gain)


NAMES = ["gain", "first.weight", "first.bias", "norm.weight", "norm.bias", "rest.0.weight",
         "rest.0.bias", "rest.1.weight", "rest.1.bias"]  # fmt: skip


# Registration


def test_what_is_assigned_is_registered():
    net = Net()
    assert [name for name, _ in net.named_parameters()] == NAMES
    assert [name for name, _ in net.named_children()] == ["first", "norm", "rest"]
    assert [name for name, _ in net.named_modules()] == [
        "", "first", "norm", "rest", "rest.0", "rest.1",
    ]  # fmt: skip
    buffers = ["table", "cache", "norm.running_mean", "norm.running_var",
               "norm.num_batches_tracked"]  # fmt: skip
    assert [name for name, _ in net.named_buffers()] == buffers
    assert net.gain is net._parameters["gain"]
    assert "gain" in dir(net)


def test_parameters_of_this_module_only():
    assert [name for name, _ in Net().named_parameters(recurse=False)] == ["gain"]


def test_a_shared_parameter_is_counted_once():
    net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    net[1].weight = net[0].weight
    assert len(list(net.parameters())) == 3
    assert len(list(net.named_parameters(remove_duplicate=False))) == 4
    assert set(net.state_dict()) == {"0.weight", "0.bias", "1.weight", "1.bias"}


def test_a_shared_module_is_visited_once():
    layer = nn.Linear(2, 2)
    net = nn.Sequential(layer, layer)
    assert len(list(net.modules())) == 2
    assert len(list(net.children())) == 1
    assert len(list(net.named_modules(remove_duplicate=False))) == 3


def test_a_none_can_stand_where_a_parameter_was():
    layer = nn.Linear(2, 2)
    layer.bias = None
    assert [name for name, _ in layer.named_parameters()] == ["weight"]
    layer.bias = nn.Parameter(andon.zeros(2))
    assert list(layer.state_dict()) == ["weight", "bias"]


def test_an_attribute_gives_way_to_a_parameter_and_back():
    net = nn.Module()
    net.a = 3
    net.a = nn.Parameter(andon.ones(1))
    assert "a" not in net.__dict__
    del net.a
    assert not hasattr(net, "a")
    net.a = nn.Linear(1, 1)
    net.a = nn.Parameter(andon.ones(1))
    assert list(net.children()) == []


def test_a_plain_tensor_does_not_take_a_parameters_place():
    layer = nn.Linear(2, 2)
    with pytest.raises(DTypeError, match="weight is one of its parameters"):
        layer.weight = andon.ones(2, 2)
    with pytest.raises(DTypeError, match="modules"):
        nn.Sequential(layer).__setattr__("0", 3)


def test_a_tensor_takes_a_buffers_place():
    net = Net()
    net.table = andon.ones(2)
    assert net._buffers["table"].tolist() == [1, 1]
    with pytest.raises(DTypeError, match="buffers"):
        net.table = 3


def test_buffer_objects_register_themselves():
    net = nn.Module()
    net.kept, net.passing = nn.Buffer(andon.ones(1)), nn.Buffer(andon.ones(1), persistent=False)
    assert [name for name, _ in net.named_buffers()] == ["kept", "passing"]
    assert list(net.state_dict()) == ["kept"]


def test_assigning_before_init_is_told():
    class Hasty(nn.Module):
        def __init__(self):
            self.layer = nn.Linear(1, 1)

    with pytest.raises(AttributeError, match=r"super\(\).__init__\(\) must be called before"):
        Hasty()


def test_calling_before_init_is_told():
    class Lazy(nn.Module):
        def __init__(self):
            pass

        def forward(self, x):
            return x

    with pytest.raises(AttributeError, match=r"super\(\).__init__\(\) must be called first"):
        Lazy()(1)


def test_a_missing_attribute_is_told():
    with pytest.raises(MissingNameError, match="'Linear' object has no attribute 'wieght'"):
        nn.Linear(1, 1).wieght  # noqa: B018


def test_a_missing_forward_is_told():
    with pytest.raises(NotImplementedError, match="Module does not define forward"):
        nn.Module()(1)


def test_bad_names_are_told():
    net = nn.Module()
    for name in ("", "a.b"):
        with pytest.raises(StateError, match="must not be empty or contain a dot"):
            net.register_buffer(name, None)
    with pytest.raises(StateError, match="attribute of this name"):
        net.register_buffer("forward", None)
    with pytest.raises(DTypeError, match="must be a str"):
        net.add_module(3, None)
    with pytest.raises(DTypeError, match="expects a Parameter"):
        net.register_parameter("a", andon.ones(1))
    with pytest.raises(DTypeError, match="expects a tensor"):
        net.register_buffer("a", 3)
    with pytest.raises(DTypeError, match="expects a Module"):
        net.add_module("a", 3)
    with pytest.raises(TypeError, match="takes no arguments"):
        nn.Module(3)


def test_paths_lead_to_members():
    net = Net()
    assert net.get_submodule("rest.1") is net.rest[1]
    assert net.get_submodule("") is net
    assert net.get_parameter("rest.1.bias") is net.rest[1].bias
    assert net.get_buffer("norm.running_mean") is net.norm.running_mean
    with pytest.raises(MissingNameError, match="no module '7'"):
        net.get_submodule("rest.7.x")
    with pytest.raises(MissingNameError, match="none of this name"):
        net.get_parameter("rest.1.gain")


# Parameters


def test_a_parameter_is_a_leaf_on_the_memory_of_its_data():
    data = andon.ones(2)
    p = nn.Parameter(data)
    assert p.requires_grad and p.is_leaf and isinstance(p, andon.Tensor)
    with andon.no_grad():
        p.mul_(3)
    assert data.tolist() == [3, 3]


def test_what_is_computed_from_a_parameter_is_a_plain_tensor():
    p = nn.Parameter(andon.ones(2))
    for y in (p * 2, p.detach(), p.data, p[0], p.clone()):
        assert type(y) is andon.Tensor


def test_parameters_print_copy_and_pickle():
    p = nn.Parameter(andon.tensor([1.0, 2.0]))
    assert repr(p) == "Parameter containing:\ntensor([1., 2.], requires_grad=True)"
    frozen = nn.Parameter(andon.ones(1), requires_grad=False)
    for x in (p, frozen):
        for made in (copy.deepcopy(x), pickle.loads(pickle.dumps(x))):
            assert type(made) is nn.Parameter and made.requires_grad is x.requires_grad
            assert made.tolist() == x.tolist()
            made.data.fill_(7)
            assert x.tolist() != made.tolist()


def test_a_parameter_needs_a_floating_tensor():
    with pytest.raises(RuntimeError, match="only floats"):
        nn.Parameter(andon.arange(3))
    assert not nn.Parameter(andon.arange(3), requires_grad=False).requires_grad
    with pytest.raises(DTypeError, match="expects a tensor: list"):
        nn.Parameter([1.0])


# State dicts


def test_state_dicts_have_pytorchs_keys():
    assert list(Net().state_dict()) == [
        "gain", "table", "first.weight", "first.bias", "norm.weight", "norm.bias",
        "norm.running_mean", "norm.running_var", "norm.num_batches_tracked", "rest.0.weight",
        "rest.0.bias", "rest.1.weight", "rest.1.bias",
    ]  # fmt: skip


def test_state_dicts_share_memory_and_carry_a_prefix():
    net = nn.Linear(1, 1)
    state = net.state_dict(prefix="a.")
    assert list(state) == ["a.weight", "a.bias"]
    assert not state["a.weight"].requires_grad
    state["a.weight"].fill_(5)
    assert net.weight.item() == 5
    assert net.state_dict(keep_vars=True)["weight"] is net.weight


def test_loading_copies_in_place():
    net, other = Net(), Net()
    weight, array = net.first.weight, net.first.weight.array
    assert str(net.load_state_dict(other.state_dict())) == "<All keys matched successfully>"
    assert net.first.weight is weight and weight.array is array
    for name, value in net.state_dict().items():
        assert np.array_equal(value.numpy(), other.state_dict()[name].numpy())
    other.first.weight.data.fill_(9)
    assert (net.first.weight.detach().numpy() != 9).any()


def test_loading_casts_and_takes_arrays():
    net = nn.Linear(1, 1).double()
    net.load_state_dict({"weight": andon.full((1, 1), 2.0), "bias": np.float32([3])})
    assert net.weight.dtype is andon.float64
    assert (net.weight.item(), net.bias.item()) == (2, 3)


def test_wrong_keys_and_shapes_are_listed():
    net = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
    state = net.state_dict()
    state["0.weight"] = andon.ones(3, 3)
    state["2.extra"] = andon.ones(1)
    state["1.weigth"] = state.pop("1.weight")
    with pytest.raises(StateError) as caught:
        net.load_state_dict(state)
    assert str(caught.value) == (
        "Error(s) in loading state_dict for Sequential:\n"
        '\tMissing key(s) in state_dict: "1.weight".\n'
        '\tUnexpected key(s) in state_dict: "2.extra", "1.weigth".\n'
        "\tsize mismatch for 0.weight: the checkpoint has a tensor of shape [3, 3], "
        "the shape in the current model is [3, 2]."
    )


def test_loading_not_strictly_tells_what_was_left():
    net = nn.Linear(2, 2)
    missing, unexpected = net.load_state_dict({"bias": andon.ones(2), "x": 3}, strict=False)
    assert (missing, unexpected) == (["weight"], ["x"])
    assert net.bias.tolist() == [1, 1]
    with pytest.raises(StateError, match="size mismatch for bias"):
        net.load_state_dict({"bias": andon.ones(3)}, strict=False)
    with pytest.raises(StateError, match="has a str"):
        net.load_state_dict({"bias": "ones"}, strict=False)
    with pytest.raises(StateError, match="expects a dict"):
        net.load_state_dict([1])


def test_loading_can_assign_the_tensors_themselves():
    net, values = nn.Linear(1, 1), {"weight": andon.ones(1, 1), "bias": andon.ones(1)}
    net.load_state_dict(values, assign=True)
    assert isinstance(net.weight, nn.Parameter) and net.weight.requires_grad
    assert net.weight.array is values["weight"].array


def test_loading_is_noticed_by_backward():
    net = nn.Linear(2, 1)
    loss = net(net(andon.ones(1, 2)).expand(1, 2)).sum()
    net.load_state_dict(nn.Linear(2, 1).state_dict())
    with pytest.raises(RuntimeError, match="in-place"):
        loss.backward()


def test_state_hooks_see_the_dict():
    net = nn.Sequential(nn.Linear(1, 1))

    def rename(module, state, prefix, metadata):
        state["old"] = state.pop("0.bias")

    def restore(module, state, prefix, *rest):
        state["0.bias"] = state.pop("old")

    seen = []
    net.register_state_dict_post_hook(rename)
    net.register_load_state_dict_pre_hook(restore)
    net.register_load_state_dict_post_hook(lambda module, keys: seen.append(keys))
    state = net.state_dict()
    assert list(state) == ["0.weight", "old"]
    net.load_state_dict(state)
    assert seen == [([], [])]


def test_a_subclass_may_translate_old_names():
    class Renamed(nn.Linear):
        def _load_from_state_dict(self, state_dict, prefix, *rest):
            if prefix + "w" in state_dict:
                state_dict[prefix + "weight"] = state_dict.pop(prefix + "w")
            super()._load_from_state_dict(state_dict, prefix, *rest)

    net, state = nn.Sequential(Renamed(1, 1)), {"0.w": andon.ones(1, 1), "0.bias": andon.ones(1)}
    net.load_state_dict(state)
    assert net[0].weight.item() == 1
    assert "0.w" in state  # the caller's dict is left alone


# Modes and conversions


def test_train_and_eval_reach_every_module():
    net = Net()
    assert net.eval() is net
    assert not any(module.training for module in net.modules())
    net.train()
    assert all(module.training for module in net.modules())
    with pytest.raises(DTypeError, match="must be a bool"):
        net.train("yes")


def test_apply_visits_children_first():
    seen = []
    net = nn.Sequential(nn.Linear(1, 1), nn.Sequential(nn.ReLU()))
    net.apply(lambda module: seen.append(type(module).__name__))
    assert seen == ["Linear", "ReLU", "Sequential", "Sequential"]


def test_conversions_keep_the_parameter_objects():
    net = Net()
    before = list(net.parameters())
    net(andon.randn(5, 3)).sum().backward()
    assert net.double() is net
    assert all(a is b for a, b in zip(before, net.parameters(), strict=True))
    assert {p.dtype for p in net.parameters()} == {andon.float64}
    assert {p.grad.dtype for p in net.parameters()} == {andon.float64}
    assert net.norm.num_batches_tracked.dtype is andon.int64
    for method, dtype in (("half", "float16"), ("bfloat16", "bfloat16"), ("float", "float32")):
        assert getattr(net, method)().gain.dtype is getattr(andon, dtype)
    assert net.to(andon.float64).gain.dtype is andon.float64
    assert net.to("cpu", dtype=andon.float32).gain.dtype is andon.float32
    assert net.to(andon.zeros(1, dtype=andon.float64)).gain.dtype is andon.float64
    assert net.type(andon.float32).norm.num_batches_tracked.dtype is andon.float32
    assert net.cpu().share_memory() is net


def test_gradients_still_arrive_after_a_conversion():
    layer = nn.Linear(2, 1).double()
    layer(andon.ones(1, 2, dtype=andon.float64)).sum().backward()
    assert layer.weight.grad.tolist() == [[1, 1]]


def test_there_is_no_gpu_to_go_to():
    with pytest.raises(DeviceError):
        Net().cuda()
    with pytest.raises(DeviceError):
        Net().to("cuda")
    with pytest.raises(DTypeError, match="only floating"):
        Net().to(andon.int64)


def test_requires_grad_and_zero_grad_reach_every_parameter():
    net = Net()
    net(andon.randn(5, 3)).sum().backward()
    net.zero_grad(set_to_none=False)
    assert all((p.grad.numpy() == 0).all() for p in net.parameters())
    net.zero_grad()
    assert all(p.grad is None for p in net.parameters())
    net.requires_grad_(False)
    assert not any(p.requires_grad for p in net.parameters())
    assert not net(andon.randn(5, 3)).requires_grad


# Copies


def test_modules_can_be_copied():
    net = Net()
    other = copy.deepcopy(net)
    assert [n for n, _ in other.named_parameters()] == NAMES
    assert all(a is not b for a, b in zip(net.parameters(), other.parameters(), strict=True))
    net.gain.data.fill_(5)
    assert other.gain.tolist() == [1] * 4


def test_shared_parameters_are_shared_in_the_copy():
    net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    net[1].weight = net[0].weight
    for other in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert other[1].weight is other[0].weight
        assert other[1].weight is not net[1].weight


def test_modules_can_be_pickled():
    net = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.LSTM(4, 2))
    other = pickle.loads(pickle.dumps(net))
    for (a, x), (b, y) in zip(net.state_dict().items(), other.state_dict().items(), strict=True):
        assert a == b and np.array_equal(x.numpy(), y.numpy())


# Hooks


def test_forward_hooks_see_and_replace():
    layer, seen = nn.Linear(2, 2), []
    x = andon.ones(1, 2)
    plain = layer(x)
    first = layer.register_forward_pre_hook(lambda module, args: seen.append(args))
    second = layer.register_forward_pre_hook(lambda module, args: args[0] * 0)
    third = layer.register_forward_hook(lambda module, args, output: output + 1)
    y = layer(x)
    assert seen[0][0] is x
    np.testing.assert_allclose(y.detach().numpy()[0], layer.bias.detach().numpy() + 1, rtol=1e-6)
    for handle in (first, second, third):
        handle.remove()
    assert np.array_equal(layer(x).detach().numpy(), plain.detach().numpy())


def test_hooks_with_kwargs_see_them():
    class Scale(nn.Module):
        def forward(self, x, by=1):
            return x * by

    net, seen = Scale(), []
    net.register_forward_pre_hook(
        lambda module, args, kwargs: (args, {"by": kwargs["by"] + 1}), with_kwargs=True
    )
    net.register_forward_hook(
        lambda module, args, kwargs, output: seen.append(kwargs), with_kwargs=True
    )
    assert net(andon.ones(1), by=2).item() == 3
    assert seen == [{"by": 3}]


def test_hooks_can_go_first_and_be_called_after_a_failure():
    class Fails(nn.Module):
        def forward(self, x):
            raise KeyError(x)

    seen = []
    layer = nn.Identity()
    layer.register_forward_hook(lambda *given: seen.append("second"))
    with layer.register_forward_hook(lambda *given: seen.append("first"), prepend=True):
        layer(1)
    layer(1)
    assert seen == ["first", "second", "second"]
    net = Fails()
    net.register_forward_hook(lambda m, args, output: seen.append(output), always_call=True)
    with pytest.raises(KeyError):
        net(1)
    assert seen[-1] is None


def backward_hooks(t, change):
    """The gradients that hooks of a layer see, and those of its input and weight."""
    layer = t.nn.Linear(2, 3)
    layer.load_state_dict({"weight": t.ones(3, 2), "bias": t.zeros(3)})
    seen = []

    def before(module, grad_output):
        seen.append([g.tolist() for g in grad_output])
        return (grad_output[0] * 3,) if change else None

    def after(module, grad_input, grad_output):
        seen.append([g.tolist() for g in (*grad_input, *grad_output)])
        return (grad_input[0] + 1,) if change else None

    layer.register_full_backward_pre_hook(before)
    layer.register_full_backward_hook(after)
    x = t.ones(2, 2).requires_grad_()
    (layer(x * 1) * 2).sum().backward()
    return seen, x.grad.tolist(), layer.weight.grad.tolist()


@pytest.mark.parametrize("change", [False, True])
def test_backward_hooks_see_and_replace_gradients(change):
    assert backward_hooks(andon, change) == backward_hooks(torch, change)


def test_backward_hooks_run_where_no_input_has_a_gradient():
    layer, seen = nn.Linear(2, 1), []
    layer.register_full_backward_hook(lambda m, gi, go: seen.append((gi, go[0].tolist())))
    layer(andon.ones(1, 2)).sum().backward()
    assert seen == [((None,), [[1.0]])]
    with andon.no_grad():
        layer(andon.ones(1, 2))
    assert len(seen) == 1


def test_backward_hooks_see_several_inputs_and_outputs():
    class Both(nn.Module):
        def forward(self, a, label, b):
            return a * b, a + b

    net, seen = Both(), []
    net.register_full_backward_hook(lambda m, gi, go: seen.append((gi, go)))
    a, b = andon.tensor([2.0], requires_grad=True), andon.tensor([3.0], requires_grad=True)
    y, _ = net(a, "label", b)
    y.sum().backward()
    ((grad_input, grad_output),) = seen
    assert [g if g is None else g.item() for g in grad_input] == [3, None, 2]
    assert [g if g is None else g.item() for g in grad_output] == [1, None]
    assert (a.grad.item(), b.grad.item()) == (3, 2)


# Containers


def test_sequential_is_a_list_of_steps():
    net = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    assert len(net) == 3 and net[-1] is net[2]
    assert [type(m).__name__ for m in net[:2]] == ["Linear", "ReLU"]
    assert type(net[:2]) is nn.Sequential
    net.append(nn.Tanh()).insert(1, nn.Sigmoid())
    assert list(net._modules) == ["0", "1", "2", "3", "4"]
    del net[1]
    assert isinstance(net.pop(1), nn.ReLU)
    net[1] = nn.Identity()
    assert [type(m).__name__ for m in net] == ["Linear", "Identity", "Tanh"]
    assert len(net + net) == 6 and len(net * 2) == len(2 * net) == 6
    net += [nn.ReLU()]
    assert len(net) == 4
    for index in (4, -5):
        with pytest.raises(IndexError, match="out of range"):
            net[index]


def test_sequential_takes_names():
    net = nn.Sequential({"a": nn.Linear(1, 2), "b": nn.ReLU()})
    assert list(net.state_dict()) == ["a.weight", "a.bias"]
    assert net.b is net[1]
    assert list(net[:1]._modules) == ["a"]


def test_module_lists_and_dicts_register():
    net = nn.ModuleList([nn.Linear(1, 1) for _ in range(3)])
    assert len(list(net.parameters())) == 6
    assert len(net[1:]) == 2 and len(net + nn.ModuleList([nn.ReLU()])) == 4
    net.extend([nn.ReLU()])
    assert "3" not in dir(net)
    table = nn.ModuleDict({"a": nn.Linear(1, 1)})
    table["b"] = nn.ReLU()
    table.update([("c", nn.Tanh())])
    assert list(table) == ["a", "b", "c"] and "b" in table and len(table) == 3
    assert isinstance(table.pop("c"), nn.Tanh)
    assert [k for k, _ in table.items()] == list(table.keys()) == ["a", "b"]
    assert list(table.state_dict()) == ["a.weight", "a.bias"]
    table.clear()
    assert len(list(table.values())) == 0
    with pytest.raises(ValueError, match="pairs"):
        table.update([1])


def test_parameter_lists_and_dicts_register():
    plist = nn.ParameterList([andon.ones(1), nn.Parameter(andon.ones(2))])
    plist.append(andon.ones(3))
    assert [name for name, _ in plist.named_parameters()] == ["0", "1", "2"]
    assert len(plist[1:]) == 2 and plist[-1] is plist[2]
    plist[0] = andon.zeros(1)
    assert plist[0].requires_grad and list(plist.state_dict()) == ["0", "1", "2"]
    pdict = nn.ParameterDict({"a": andon.ones(1), "n": 3})
    pdict["b"] = andon.ones(2)
    assert list(pdict) == ["a", "n", "b"] and pdict["n"] == 3 and len(pdict) == 3
    assert [name for name, _ in pdict.named_parameters()] == ["a", "b"]
    assert pdict.pop("n") == 3 and pdict.get("n", 7) == 7 and "n" not in pdict
    with pytest.raises(KeyError):
        pdict["z"]
    with pytest.raises(StateError, match="name of a method"):
        pdict["items"] = andon.ones(1)
    for made in (plist, pdict):
        assert len(list(copy.deepcopy(made).parameters())) == len(list(made.parameters()))


# Printing

LINES = [
    lambda nn: nn.Sequential(nn.Linear(2, 3), nn.Sequential(nn.ReLU(), nn.ReLU(inplace=True))),
    lambda nn: nn.ModuleList([nn.Linear(2, 2), nn.Linear(2, 2), nn.Tanh(), nn.Linear(2, 2)]),
    lambda nn: nn.ModuleList([nn.Sequential(nn.Linear(1, 1), nn.ReLU())] * 3),
    lambda nn: nn.ModuleDict({"a": nn.Linear(1, 1), "b": nn.ModuleList()}),
    lambda nn: nn.Sequential(),
    lambda nn: nn.Module(),
]


@pytest.mark.parametrize("make", LINES)
def test_modules_print_as_pytorchs_do(make):
    assert repr(make(nn)) == repr(make(torch.nn))


def test_parameter_lists_print_as_pytorchs_do():
    ours = nn.ParameterList([andon.ones(2, 3), 3])
    theirs = torch.nn.ParameterList([torch.ones(2, 3), 3])
    assert repr(ours) == repr(theirs).replace("torch.", "andon.")


def test_extra_repr_may_have_several_lines():
    def make(base, layer):
        class Wordy(base):
            def extra_repr(self):
                return "one\ntwo"

        return Wordy(), Wordy

    for module in (nn, torch.nn):
        made, _ = make(module.Module, None)
        assert repr(made) == "Wordy(\n  one\n  two\n)"
        made.child = module.ReLU()
        assert repr(made) == "Wordy(\n  one\n  two\n  (child): ReLU()\n)"


# nn.utils


def clipped(t, norm, max_norm):
    params = [t.nn.Parameter(t.zeros(3)), t.nn.Parameter(t.zeros(2, 2)), t.nn.Parameter(t.ones(1))]
    params[0].grad = t.tensor([3.0, -4.0, 1.0])
    params[1].grad = t.tensor([[1.0, 2.0], [2.0, -5.0]])
    total = t.nn.utils.clip_grad_norm_(params, max_norm, norm)
    assert params[2].grad is None
    return [float(total), *[p.grad.tolist() for p in params[:2]]]


@pytest.mark.parametrize("norm", [2.0, 1.0, 3, float("inf"), 0.5])
@pytest.mark.parametrize("max_norm", [0.5, 100.0])
def test_gradients_are_clipped_by_norm_as_pytorchs_are(norm, max_norm):
    for a, b in zip(clipped(andon, norm, max_norm), clipped(torch, norm, max_norm), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5)


def test_norms_of_half_precision_do_not_overflow():
    p = nn.Parameter(andon.zeros(4).half())
    p.grad = andon.full((4,), 300.0).half()
    assert float(nn.utils.clip_grad_norm_(p, 1.0)) == 600
    np.testing.assert_allclose(p.grad.float().numpy(), 0.5, rtol=1e-3)


def test_a_norm_that_is_not_finite_can_raise():
    p = nn.Parameter(andon.zeros(2))
    p.grad = andon.tensor([float("inf"), 1.0])
    with pytest.raises(RuntimeError, match="not finite"):
        nn.utils.clip_grad_norm_([p], 1.0, error_if_nonfinite=True)
    assert p.grad.tolist() == [float("inf"), 1.0]


def test_clipping_nothing_gives_zero():
    assert float(nn.utils.clip_grad_norm_([], 1.0)) == 0
    assert float(nn.utils.clip_grad_norm_([nn.Parameter(andon.ones(1))], 1.0)) == 0


def test_gradients_are_clipped_by_value():
    p = nn.Parameter(andon.zeros(3))
    p.grad = andon.tensor([3.0, -4.0, 0.5])
    nn.utils.clip_grad_value_(p, 1.0)
    assert p.grad.tolist() == [1, -1, 0.5]


def test_parameters_become_a_vector_and_return():
    net = nn.Linear(2, 3)
    vector = nn.utils.parameters_to_vector(net.parameters())
    assert vector.shape == (9,) and vector.requires_grad
    nn.utils.vector_to_parameters(andon.arange(9.0), net.parameters())
    assert net.weight.tolist() == [[0, 1], [2, 3], [4, 5]] and net.bias.tolist() == [6, 7, 8]
    with pytest.raises(ValueError, match="8 elements"):
        nn.utils.vector_to_parameters(andon.ones(8), net.parameters())


@pytest.mark.filterwarnings("ignore:.*weight_norm.*:FutureWarning")
@pytest.mark.parametrize("dim", [0, 1, None])
def test_weight_norm_is_that_of_pytorch(dim):
    theirs = torch.nn.Linear(3, 2).double()
    ours = nn.Linear(3, 2).double()
    ours.load_state_dict({k: v.numpy() for k, v in theirs.state_dict().items()})
    x = np.random.default_rng(0).standard_normal((4, 3))
    a = nn.utils.weight_norm(ours, dim=dim)
    b = torch.nn.utils.weight_norm(theirs, dim=dim)
    assert set(a.state_dict()) == set(b.state_dict())
    for t, net in ((andon, a), (torch, b)):
        (net(t.tensor(x)) ** 2).sum().backward()
    for name in ("weight_g", "weight_v"):
        mine, its = getattr(a, name).grad.numpy(), getattr(b, name).grad.numpy()
        np.testing.assert_allclose(mine, its, rtol=1e-9, atol=1e-12)
    before = a(andon.tensor(x)).detach().numpy()
    nn.utils.remove_weight_norm(a)
    assert sorted(a.state_dict()) == ["bias", "weight"]
    np.testing.assert_allclose(a(andon.tensor(x)).detach().numpy(), before, rtol=1e-12)
    with pytest.raises(StateError, match="not normalised"):
        nn.utils.remove_weight_norm(a)
