"""Reordering along dims: flips, rolls and quarter turns. Unlike movement, these copy."""

from __future__ import annotations

import math

import numpy as np

from ..core.errors import ShapeError
from ..core.op import op
from ..core.spec import normal_dim, normal_dims, sizes_from
from .movement import clone, reshape, transpose


@op
def flip(x, *, dims):
    """x with the order of its elements reversed along `dims`."""
    return np.flip(x, dims).copy()


@flip.signature
def flip_call(x, *order, dims=None):
    order = sizes_from(order if dims is None else (dims,))
    return flip.apply(x, dims=normal_dims(order, x.ndim, "flip"))


@flip.spec
def flip_spec(x, *, dims):
    return x


@flip.grad(keeps=())
def flip_grad(g, y, x, *, dims):
    return (flip.apply(g, dims=dims),)


def fliplr(x):
    """x with its columns (dim 1) reversed."""
    if x.ndim < 2:
        raise ShapeError(f"fliplr: at least 2 dims expected: {list(x.shape)}")
    return flip.apply(x, dims=(1,))


def flipud(x):
    """x with its rows (dim 0) reversed."""
    if x.ndim < 1:
        raise ShapeError(f"flipud: at least 1 dim expected: {list(x.shape)}")
    return flip.apply(x, dims=(0,))


@op
def roll(x, *, shifts, dims):
    """x shifted by shifts[i] along dims[i]; what falls off one end comes in at the other."""
    return np.roll(x, shifts, dims)


@roll.signature
def roll_call(x, shifts, dims=None):
    shifts = sizes_from((shifts,))
    if dims is None or dims == ():
        if len(shifts) != 1:
            raise ShapeError(f"roll: without dims there is one shift: {list(shifts)}")
        flat = reshape.apply(x, shape=(math.prod(x.shape),))
        rolled = roll.apply(flat, shifts=shifts, dims=(0,))
        return reshape.apply(rolled, shape=tuple(x.shape))
    dims = tuple(normal_dim(d, x.ndim, "roll") for d in sizes_from((dims,)))
    if len(dims) != len(shifts):
        raise ShapeError(f"roll: a shift for each dim expected: {list(shifts)}, {list(dims)}")
    return roll.apply(x, shifts=shifts, dims=dims) if x.ndim else clone.apply(x)


@roll.spec
def roll_spec(x, *, shifts, dims):
    return x


@roll.grad(keeps=())
def roll_grad(g, y, x, *, shifts, dims):
    return (roll.apply(g, shifts=tuple(-n for n in shifts), dims=dims),)


def rot90(x, k=1, dims=(0, 1)):
    """x turned by k quarter turns, from the first of `dims` towards the second."""
    dims = normal_dims(dims, x.ndim, "rot90")
    if len(dims) != 2:
        raise ShapeError(f"rot90: two different dims expected: {list(dims)}")
    if k % 4 == 0:
        return clone.apply(x)
    if k % 4 == 2:
        return flip.apply(x, dims=dims)
    turned = flip.apply(x, dims=dims[1:] if k % 4 == 1 else dims[:1])
    return transpose(turned, *dims)
