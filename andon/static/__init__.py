"""Define, then run: graphs with placeholders and variables, and sessions that run them.

    from andon import static

    x = static.placeholder("float32", [None, 784])
    y = static.placeholder("int64", [None])
    w = static.Variable(andon.zeros(784, 10))
    loss = static.nn.cross_entropy(x @ w, y)
    train = static.train.GradientDescentOptimizer(0.5).minimize(loss)

    with static.Session() as session:
        session.run(static.global_variables_initializer())
        session.run(train, {x: images, y: labels})

Every function of andon is here too, on graph values: `static.tanh(x)` adds a value to the default
graph. TensorFlow's names for some of them are in `spellings`. What a session runs is recorded on
the specs that are fed, and from there on it is the graph that `jit` records: the same passes, the
same executable.
"""

from __future__ import annotations

from typing import Any

from ..core.errors import MissingNameError
from . import train
from .define import (
    Graph,
    Placeholder,
    StaticValue,
    Variable,
    assign,
    assign_add,
    assign_sub,
    constant,
    control_dependencies,
    get_default_graph,
    global_variables,
    global_variables_initializer,
    gradients,
    group,
    name_scope,
    no_op,
    placeholder,
    reset_default_graph,
    trainable_variables,
)
from .saver import Saver
from .session import Session
from .spellings import deferred_function, nn
from .tensorflow import clip_by_global_norm


def __getattr__(name: str) -> Any:
    """Any function of andon, on graph values."""
    function = None if name.startswith("_") else deferred_function(name)
    if function is None:
        raise MissingNameError(f"andon.static.{name}: andon has no such function")
    return function
