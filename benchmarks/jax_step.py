"""The training step of `compiled_step` beside jax: `jax.jit` of `value_and_grad` and AdamW.

The same model, weights and batch; forward, backward, clip by the global norm and AdamW are written
in jax.numpy as its users write them: a pytree of parameters, and one jitted function that is
donated its state. `pip install andon[bench]` brings jax; without it there is nothing to compare.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np

from .compiled_step import matmul_speed, step_and_model
from .gpt_step import SIZES, flops
from .timing import alternate, human, show

try:
    import jax
    import jax.numpy as jnp
except ImportError:
    jax = None

TARGET = 0.4
ROUNDS = ((15, 10), (5, 1))  # rounds, and calls of a round that are timed
STEPS, TOLERANCE = 5, 1e-4  # in which the losses of the two must agree
LR, BETAS, EPS, DECAY, CLIP = 3e-4, (0.9, 0.95), 1e-8, 0.1, 1.0


def parameters(model: Any) -> Any:
    """The weights of our model as a pytree of jax arrays: a dict by module, blocks in a list."""
    tree: dict = {}
    for name, value in model.state_dict().items():
        *path, leaf = name.split(".")
        if leaf != "mask":
            node = tree
            for part in path:
                node = node.setdefault(part, {})
            node[leaf] = jnp.array(value.numpy())
    tree["h"] = [tree["h"][str(i)] for i in range(len(tree["h"]))]
    return tree


# ---- the model


def linear(p: Any, x: Any) -> Any:
    return x @ p["weight"].T + p["bias"]


def layer_norm(p: Any, x: Any) -> Any:
    mean = jnp.mean(x, -1, keepdims=True)
    variance = jnp.var(x, -1, keepdims=True)
    return (x - mean) * jax.lax.rsqrt(variance + 1e-5) * p["weight"] + p["bias"]


def attention(p: Any, x: Any, heads: int) -> Any:
    B, T, C = x.shape
    q, k, v = jnp.split(linear(p["c_attn"], x), 3, axis=-1)
    q, k, v = (z.reshape(B, T, heads, C // heads) for z in (q, k, v))
    scores = jnp.einsum("bthd,bshd->bhts", q, k) / math.sqrt(C // heads)
    seen = jnp.tril(jnp.ones((T, T), bool))
    weights = jax.nn.softmax(jnp.where(seen, scores, -jnp.inf), axis=-1)
    return linear(p["c_proj"], jnp.einsum("bhts,bshd->bthd", weights, v).reshape(B, T, C))


def block(p: Any, x: Any, heads: int) -> Any:
    x = x + attention(p["attn"], layer_norm(p["ln_1"], x), heads)
    h = jax.nn.gelu(linear(p["c_fc"], layer_norm(p["ln_2"], x)), approximate=True)
    return x + linear(p["c_proj"], h)


def loss_of(params: Any, x: Any, y: Any, heads: int) -> Any:
    h = params["wte"]["weight"][x] + params["wpe"]["weight"]
    for p in params["h"]:
        h = block(p, h, heads)
    logits = layer_norm(params["ln_f"], h) @ params["lm_head"]["weight"].T
    log_p = jax.nn.log_softmax(logits)
    return -jnp.mean(jnp.take_along_axis(log_p, y[..., None], axis=-1))


# ---- the step


def adamw(p: Any, g: Any, m: Any, v: Any, t: Any) -> tuple:
    b1, b2 = BETAS
    m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g * g
    step = m / (1 - b1**t) / (jnp.sqrt(v / (1 - b2**t)) + EPS)
    return p * (1 - LR * DECAY) - LR * step, m, v


def train_step(params: Any, state: Any, x: Any, y: Any, heads: int) -> tuple:
    loss, grads = jax.value_and_grad(loss_of)(params, x, y, heads)
    norm = jnp.sqrt(sum(jnp.vdot(g, g) for g in jax.tree.leaves(grads)))
    scale = jnp.minimum(1.0, CLIP / (norm + 1e-6))
    m, v, t = state
    update = partial(adamw, t=t + 1)
    scaled = jax.tree.map(lambda g: g * scale, grads)
    found = jax.tree.map(update, params, scaled, m, v)
    params, m, v = jax.tree.transpose(jax.tree.structure(params), None, found)
    return params, (m, v, t + 1), loss


def jax_step(model: Any, x: np.ndarray, y: np.ndarray, heads: int) -> Any:
    """A function that takes one step, from the weights that `model` has now."""
    run = jax.jit(partial(train_step, heads=heads), donate_argnums=(0, 1))
    params = parameters(model)
    zeros = partial(jax.tree.map, jnp.zeros_like)
    kept = [params, (zeros(params), zeros(params), jnp.zeros(()))]
    x, y = jnp.array(x), jnp.array(y)

    def step() -> float:
        *kept[:], loss = run(*kept, x, y)
        return float(loss)

    return step


def main() -> None:
    if jax is None:
        print("jax_step: left out, as there is no jax: pip install andon[bench]")
        return
    import andon

    results, speed = [], matmul_speed()
    for (name, sizes), (rounds, repeats) in zip(SIZES.items(), ROUNDS, strict=True):
        ours, model, x, y = step_and_model(andon, *sizes)
        theirs = jax_step(model, x.numpy(), y.numpy(), heads=sizes[1])
        pairs = [(ours(), theirs()) for _ in range(STEPS)]
        np.testing.assert_allclose(*zip(*pairs, strict=True), rtol=TOLERANCE)
        floor = f"{human(flops(*sizes) / speed)} at {speed / 1e9:.0f} GFLOP/s"
        results.append(alternate(name, ours, theirs, rounds, repeats, TARGET, floor, between=1))
    show("training step, compiled", results, "jax.jit")
