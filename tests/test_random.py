"""Random numbers: functions of a key, with the distributions they claim."""

from __future__ import annotations

import copy
import json
import math
import pickle

import numpy as np
import pytest
import torch

import andon
from andon.core.errors import DataError, DTypeError, ShapeError, StateError
from andon.nn import functional as F
from andon.ops.random import half_words, random_uniform, words

FLOATS = [andon.float16, andon.bfloat16, andon.float32, andon.float64]
N = 20000


@pytest.fixture(autouse=True)
def seeded():
    with andon.random.fork_rng():
        andon.manual_seed(1234)
        yield


def generator(seed=7):
    return andon.Generator().manual_seed(seed)


def assert_near(value, expected, std):
    """Within six standard deviations of a mean over N draws."""
    assert abs(value - expected) < 6 * std / math.sqrt(N), (value, expected)


# The stream


def philox_block(counter, key):
    """One block of Philox4x64-10, as the paper describes it, in Python's integers."""
    mask = 2**64 - 1
    x, k = list(counter), list(key)
    for _ in range(10):
        first, second = x[0] * 0xD2E7470EE14C6C93, x[2] * 0xCA5A826395121157
        x = [(second >> 64) ^ x[1] ^ k[0], second & mask, (first >> 64) ^ x[3] ^ k[1], first & mask]
        k = [(k[0] + 0x9E3779B97F4A7C15) & mask, (k[1] + 0xBB67AE8584CAA73B) & mask]
    return x


def test_words_are_philox_blocks_of_seed_and_offset():
    key = np.array([-5, 3])
    expected = [w for block in (1, 2) for w in philox_block([block, 0, 3, 0], [2**64 - 5, 0])]
    assert words(key, 8).tolist() == expected


def test_half_words_are_the_halves_of_words_low_half_first():
    key = np.array([1, 2])
    whole = words(key, 2).tolist()
    halves = [w >> shift & 0xFFFFFFFF for w in whole for shift in (0, 32)]
    assert half_words(key, 3).tolist() == halves[:3]


def test_uniform_numbers_are_the_top_digits_of_the_words():
    key = andon.tensor([1, 2])
    single = random_uniform.apply(key, shape=(3,), dtype=andon.float32)
    double = random_uniform.apply(key, shape=(3,), dtype=andon.float64)
    assert single.tolist() == [w / 2**24 for w in (half_words(key.numpy(), 3) >> 8).tolist()]
    assert double.tolist() == [w / 2**53 for w in (words(key.numpy(), 3) >> 11).tolist()]


def test_a_draw_depends_on_its_key_alone_and_a_longer_one_begins_with_a_shorter():
    for draw in (andon.rand, andon.randn):
        long, short = draw(100, generator=generator()), draw(7, generator=generator())
        assert long[:7].tolist() == short.tolist()


# Generators


def test_every_draw_takes_one_offset():
    g = generator(3)
    for draws, draw in enumerate((andon.rand, andon.randn, andon.randperm), 1):
        draw(5, generator=g)
        assert g.state() == {"seed": 3, "offset": draws}


def test_the_same_seed_gives_the_same_numbers():
    andon.manual_seed(5)
    first = [andon.rand(3), andon.randn(2), andon.randint(0, 9, (4,))]
    andon.manual_seed(5)
    again = [andon.rand(3), andon.randn(2), andon.randint(0, 9, (4,))]
    assert [x.tolist() for x in first] == [x.tolist() for x in again]
    assert andon.initial_seed() == 5


@pytest.mark.parametrize("seed", [0, -1, 2**63, 2**64 - 1])
def test_any_64_bit_seed_will_do(seed):
    assert generator(seed).initial_seed() == seed % 2**64
    assert len(set(andon.rand(8, generator=generator(seed)).tolist())) > 6


def test_seeds_that_are_no_64_bit_integers_are_refused():
    with pytest.raises(ShapeError, match="64 bits"):
        andon.manual_seed(2**64)
    with pytest.raises(DTypeError, match="int"):
        andon.manual_seed("1")


def test_a_state_can_be_saved_as_a_tensor_as_json_and_as_a_pickle():
    g = generator()
    andon.rand(3, generator=g)
    restored = [
        generator(1).set_state(g.get_state()),
        generator(1).load_state(json.loads(json.dumps(g.state()))),
        pickle.loads(pickle.dumps(g)),
        copy.deepcopy(g),
        g.clone_state(),
    ]
    expected = andon.rand(5, generator=g).tolist()
    for other in restored:
        assert andon.rand(5, generator=other).tolist() == expected


def test_wrong_states_are_refused():
    with pytest.raises(StateError, match="int64"):
        andon.set_rng_state(andon.zeros(2))
    with pytest.raises(StateError, match="seed and offset"):
        generator().load_state({"seed": 1})
    with pytest.raises(StateError, match="seed and offset"):
        generator().load_state({"seed": 2**70, "offset": 0})


def test_what_is_drawn_within_fork_rng_leaves_no_trace():
    before = andon.get_rng_state().tolist()
    with andon.random.fork_rng():
        andon.manual_seed(0)
        andon.rand(3)
    assert andon.get_rng_state().tolist() == before


def test_spawned_generators_are_unlike_their_parent_and_one_another():
    streams = [generator(), *(generator().spawn(i) for i in range(20))]
    draws = np.array([andon.randn(500, generator=g).numpy() for g in streams])
    between = np.corrcoef(draws) - np.eye(len(draws))
    assert np.abs(between).max() < 0.25
    assert generator().spawn(3).state() == generator().spawn(3).state()


def test_generators_seeded_afresh_differ():
    assert andon.Generator().seed() != andon.Generator().seed()


# Distributions


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_rand_is_uniform_and_below_one(dtype):
    x = andon.rand(N, dtype=dtype).double().numpy()
    step = float(andon.finfo(dtype).eps) / 2
    assert x.min() >= 0 and x.max() < 1
    assert_near(x.mean(), 0.5 - step / 2, math.sqrt(1 / 12))
    counts = np.histogram(x, 16, (0, 1))[0]
    assert ((counts - N / 16) ** 2 / (N / 16)).sum() < 50  # chi-square, 15 degrees of freedom


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_randn_is_normal(dtype):
    x = andon.randn(N, dtype=dtype).double().numpy()
    assert_near(x.mean(), 0, 1)
    assert_near((x**2).mean(), 1, math.sqrt(2))
    assert_near((x**4).mean(), 3, math.sqrt(96))
    pairs = x.reshape(-1, 2)
    assert_near((pairs[:, 0] * pairs[:, 1]).mean() * math.sqrt(0.5), 0, 1)
    inside = (np.abs(x) < 1).mean()
    assert_near(inside, math.erf(math.sqrt(0.5)), 0.5)


def test_randint_is_uniform_over_its_range():
    x = andon.randint(-3, 5, (N,)).numpy()
    values, counts = np.unique(x, return_counts=True)
    assert values.tolist() == list(range(-3, 5))
    assert ((counts - N / 8) ** 2 / (N / 8)).sum() < 35
    assert andon.randint(10, (2, 3), dtype=andon.uint8).dtype is andon.uint8
    assert set(andon.randint(2**63 - 2, 2**63, (50,)).tolist()) == {2**63 - 2, 2**63 - 1}
    assert andon.randint(high=4, size=(2,)).shape == (2,)


def test_randperm_is_a_permutation_and_all_are_as_likely():
    assert sorted(andon.randperm(100).tolist()) == list(range(100))
    assert andon.randperm(0).shape == (0,)
    seen: dict = {}
    for _ in range(1200):
        order = tuple(andon.randperm(3).tolist())
        seen[order] = seen.get(order, 0) + 1
    assert len(seen) == 6 and sum((n - 200) ** 2 / 200 for n in seen.values()) < 25


def test_draws_like_a_tensor_have_its_shape_and_dtype():
    x = andon.zeros(2, 3, dtype=andon.float64)
    for y in (andon.rand_like(x), andon.randn_like(x), andon.randint_like(x, 9)):
        assert y.shape == (2, 3) and y.dtype is andon.float64
    assert andon.rand().shape == () and andon.rand((2, 0)).shape == (2, 0)
    assert andon.randn(2, requires_grad=True).requires_grad


def test_normal_takes_numbers_and_tensors():
    assert_near(andon.normal(3.0, 2.0, (N,)).mean().item(), 3, 2)
    mean = andon.arange(4).float().expand(N, 4)
    assert andon.normal(mean, 0.0).tolist() == mean.tolist()
    assert andon.normal(0.0, andon.ones(5, dtype=andon.float64)).dtype is andon.float64


def test_bernoulli_draws_ones_with_the_given_probabilities():
    p = andon.tensor([0.0, 0.25, 1.0]).expand(N, 3)
    x = andon.bernoulli(p)
    assert set(np.unique(x.numpy())) == {0.0, 1.0}
    never, sometimes, always = x.mean(0).tolist()
    assert never == 0 and always == 1
    assert_near(sometimes, 0.25, 0.5)
    assert andon.zeros(3, dtype=andon.int64).bernoulli_(1.0).tolist() == [1, 1, 1]


def test_poisson_has_its_rate_as_mean_and_variance():
    x = andon.poisson(andon.full((N,), 4.0)).numpy()
    assert_near(x.mean(), 4, 2)
    assert_near(((x - 4) ** 2).mean(), 4, 6)


def test_multinomial_with_replacement_goes_by_the_weights():
    weights = andon.tensor([[1.0, 0.0, 3.0, 0.0], [0.0, 2.0, 0.0, 2.0]])
    x = andon.multinomial(weights, N, replacement=True).numpy()
    counts = np.array([np.bincount(row, minlength=4) for row in x])
    assert (counts[weights.numpy() == 0] == 0).all()
    assert_near(counts[0, 2] / N, 0.75, 0.5)
    assert_near(counts[1, 3] / N, 0.5, 0.5)


def test_multinomial_without_replacement_draws_each_once_the_first_by_the_weights():
    weights = andon.tensor([5.0, 0.0, 1.0, 4.0]).expand(N, 4)
    x = andon.multinomial(weights, 3).numpy()
    assert (np.sort(x, axis=1) == [0, 2, 3]).all()
    first = np.bincount(x[:, 0], minlength=4) / N
    for share, expected in zip(first, [0.5, 0.0, 0.1, 0.4], strict=True):
        assert_near(share, expected, 0.5)


@pytest.mark.parametrize(
    "row", [[-1.0, 1.0], [0.0, 0.0], [float("nan"), 1.0], [float("inf"), 1.0]], ids=str
)
def test_multinomial_refuses_what_is_no_distribution(row):
    with pytest.raises(DataError, match="multinomial"):
        andon.multinomial(andon.tensor(row), 1)


def test_multinomial_refuses_to_draw_more_than_there_are():
    with pytest.raises(ShapeError, match="cannot draw 3 of 2"):
        andon.multinomial(andon.ones(2), 3)
    with pytest.raises(DataError, match="replacement=True"):
        andon.multinomial(andon.tensor([1.0, 0.0]), 2)
    with pytest.raises(ShapeError, match="expects floats"):
        andon.multinomial(andon.ones(2, 2, 2), 1)


def test_in_place_fills_follow_their_distributions():
    x = andon.empty(N, dtype=andon.float64)
    assert_near(x.uniform_(-2, 4).mean().item(), 1, math.sqrt(3))
    assert x.min() >= -2 and x.max() < 4
    assert_near(x.normal_(5, 2).mean().item(), 5, 2)
    assert_near(x.exponential_(0.5).mean().item(), 2, 2)
    assert_near((x.log_normal_(0.0, 0.5).log() ** 2).mean().item(), 0.25, 0.4)
    assert_near(x.geometric_(0.25).mean().item(), 4, math.sqrt(12))
    assert_near((x.cauchy_() < 0).double().mean().item(), 0.5, 0.5)
    assert_near(x.bernoulli_(0.3).mean().item(), 0.3, 0.5)
    x.random_(3)
    assert set(x.tolist()) == {0.0, 1.0, 2.0}
    assert set(andon.zeros(99, dtype=andon.int32).random_(-1, 1).tolist()) == {-1, 0}


def test_in_place_fills_change_the_memory_itself_and_are_no_part_of_the_tape():
    x = andon.zeros(4, 4)
    row = x[1]
    assert row.normal_() is row
    assert x[1].abs().sum() > 0 and x[0].abs().sum() == 0
    w = andon.zeros(3, requires_grad=True)
    with andon.no_grad():
        w.uniform_()
    assert w.is_leaf and w.requires_grad


@pytest.mark.parametrize(
    ("error", "call"),
    [
        (DTypeError, lambda: andon.rand(3, dtype=andon.int64)),
        (DTypeError, lambda: andon.zeros(3, dtype=andon.int64).uniform_()),
        (ShapeError, lambda: andon.rand(-1)),
        (ShapeError, lambda: andon.randint(5, 5, (2,))),
        (ShapeError, lambda: andon.randint(0, 300, (2,), dtype=andon.uint8)),
        (ShapeError, lambda: andon.randint(5)),
        (DTypeError, lambda: andon.randint(0.5, 2.5, (2,))),
        (ShapeError, lambda: andon.randperm(-1)),
        (ShapeError, lambda: andon.normal(0.0, -1.0, (2,))),
        (ShapeError, lambda: andon.zeros(2).normal_(0, -1)),
        (ShapeError, lambda: andon.zeros(2).uniform_(1, 0)),
        (ShapeError, lambda: andon.zeros(2).exponential_(0)),
        (DataError, lambda: andon.poisson(andon.tensor([-1.0]))),
        (DTypeError, lambda: andon.bernoulli(andon.zeros(2, dtype=andon.int64))),
        (ValueError, lambda: F.dropout(andon.ones(2), 1.5)),
        (ValueError, lambda: F.dropout(andon.ones(2), -0.1, training=False)),
        (ShapeError, lambda: F.dropout2d(andon.ones(2))),
        (ShapeError, lambda: F.dropout1d(andon.ones(2, 2, 2, 2))),
    ],
)
def test_bad_input_is_refused(error, call):
    with pytest.raises(error, match=": "):
        call()


# Dropout


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_dropout_keeps_elements_with_probability_one_minus_p_and_scales_them(p, dtype):
    x = andon.ones(N, dtype=dtype)
    y = F.dropout(x, p).double().numpy()
    kept = y != 0
    assert_near(kept.mean(), 1 - p, math.sqrt(p * (1 - p)))
    np.testing.assert_allclose(y[kept], 1 / (1 - p), rtol=5e-3)


def test_the_gradient_of_dropout_is_zero_where_its_result_is():
    x = andon.ones(50, requires_grad=True)
    y = F.dropout(x, 0.4)
    y.sum().backward()
    assert x.grad.tolist() == y.tolist()


def test_dropout_within_a_checkpoint_draws_the_same_again():
    x = andon.randn(6, 5, requires_grad=True)
    y = andon.autograd.checkpoint(lambda x: F.dropout(x * x, 0.5), x)
    y.sum().backward()
    assert (x.grad != 0).tolist() == (y != 0).tolist()


def test_dropout_draws_anew_each_time():
    x = andon.ones(100)
    assert F.dropout(x).tolist() != F.dropout(x).tolist()


def test_dropout_when_not_training_is_its_input():
    x = andon.ones(3)
    for drop in (F.dropout, F.alpha_dropout, F.dropout1d, F.feature_alpha_dropout):
        assert drop(x, 0.5, training=False) is x
        assert drop(x, 0.0, training=True) is x


def test_dropout_in_place_changes_its_input():
    x = andon.ones(100)
    assert F.dropout(x, 0.5, inplace=True) is x
    assert set(x.tolist()) == {0.0, 2.0}


def test_dropout_of_channels_drops_whole_ones():
    y = F.dropout2d(andon.ones(40, 10, 3, 3), 0.5).numpy().reshape(400, 9)
    assert (y == y[:, :1]).all() and set(y[:, 0]) == {0.0, 2.0}
    y = F.feature_alpha_dropout(andon.ones(40, 10, 3), 0.5, True).numpy().reshape(400, 3)
    assert (y == y[:, :1]).all() and len(set(y[:, 0])) == 2


@pytest.mark.parametrize(
    ("name", "shape", "channels"),
    [
        ("dropout1d", (30, 4), (30, 1)),
        ("dropout1d", (30, 5, 4), (30, 5, 1)),
        ("dropout2d", (30, 4), (30, 4)),
        ("dropout2d", (30, 5, 4), (30, 5, 1)),
        ("dropout2d", (9, 5, 2, 2, 2), (9, 5, 1, 1, 1)),
        ("dropout3d", (30, 4), (30, 1)),
        ("dropout3d", (30, 2, 2, 2), (30, 1, 1, 1)),
    ],
)
@pytest.mark.filterwarnings("ignore:dropout")
def test_what_a_channel_is_depends_on_the_dims_as_in_pytorch(name, shape, channels):
    y = getattr(F, name)(andon.ones(shape), 0.5).numpy()
    theirs = getattr(torch.nn.functional, name)(torch.ones(shape), 0.5).numpy()
    first = tuple(slice(n) for n in channels)
    for found in (y, theirs):
        assert (found == found[first]).all() and set(found[first].ravel()) == {0.0, 2.0}


def test_alpha_dropout_keeps_mean_and_variance():
    y = F.alpha_dropout(andon.randn(N), 0.3, training=True)
    assert_near(y.mean().item(), 0, 1)
    assert_near((y**2).mean().item(), 1, 2)


def test_attention_drops_weights():
    q = andon.randn(2, 6, 4)
    v = andon.eye(6).expand(2, 6, 6)
    p = F.scaled_dot_product_attention(q, q, v, dropout_p=0.5)
    full = F.scaled_dot_product_attention(q, q, v)
    kept = p != 0
    assert 0 < kept.double().mean().item() < 1
    np.testing.assert_allclose(p[kept].numpy(), 2 * full[kept].numpy(), rtol=1e-5)


def test_rrelu_draws_slopes_between_its_bounds():
    y = F.rrelu(-andon.ones(N), 0.2, 0.4, training=True)
    assert y.min() >= -0.4 and y.max() <= -0.2
    assert_near(y.mean().item(), -0.3, 0.06)


# Gumbel softmax


def test_hard_gumbel_softmax_draws_one_hot_by_the_logits():
    logits = andon.tensor([0.2, 0.8]).log().expand(N, 2)
    y = F.gumbel_softmax(logits, hard=True)
    np.testing.assert_allclose(y.sum(-1).numpy(), 1, rtol=1e-6)
    assert_near(y.round().mean(0)[1].item(), 0.8, 0.4)


def test_gumbel_softmax_has_the_gradient_of_the_soft_draw():
    logits = andon.randn(4, 5, requires_grad=True)
    grads = []
    for hard in (False, True):
        y = F.gumbel_softmax(logits, tau=0.7, hard=hard, dim=0, generator=generator())
        grads.append(andon.autograd.grad((y * andon.arange(20).reshape(4, 5)).sum(), logits)[0])
    np.testing.assert_allclose(grads[0].numpy(), grads[1].numpy(), rtol=1e-5)
