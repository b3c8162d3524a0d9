"""GPT-2 as Hugging Face keeps it: a folder of `config.json` and `model.safetensors`.

`load(folder)` gives the sizes and the weights as `andon.models.gpt.GPT` calls them. A folder of
another model, or of a GPT-2 that computes something else, is an error and not a wrong result.
"""

from __future__ import annotations

import json
import operator
from pathlib import Path
from typing import Any

import numpy as np

from andon.core.errors import FileFormatError
from andon.importers import safetensors

SIZES = {  # ours: theirs
    "vocab_size": "vocab_size",
    "block_size": "n_positions",
    "n_layer": "n_layer",
    "n_head": "n_head",
    "n_embd": "n_embd",
}
FIXED = {  # what others may set, and GPT-2 does not
    "model_type": "gpt2",
    "activation_function": "gelu_new",
    "layer_norm_epsilon": 1e-5,
    "scale_attn_weights": True,
    "scale_attn_by_inverse_layer_idx": False,
}
TRANSPOSED = ("c_attn.weight", "c_proj.weight", "c_fc.weight")  # (in, out); Linear has (out, in)


def load(folder: str | Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The sizes of the model, and its weights by name.

    Raises: FileFormatError for a missing or damaged file, or one of another kind of model.
    """
    folder = Path(folder)
    sizes = read_config(folder / "config.json")
    try:
        arrays = safetensors.load_sharded(folder)
    except OSError as error:
        raise FileFormatError(f"GPT-2: no weights: {folder}: {error}") from None
    weights = {}
    for name, array in arrays.items():
        if not name.endswith((".attn.bias", ".attn.masked_bias")):  # no weights, but the mask
            whole = name if name.startswith(("transformer.", "lm_head.")) else f"transformer.{name}"
            weights[whole] = array.T if name.endswith(TRANSPOSED) else array
    if not fits(weights, **sizes):
        raise FileFormatError(f"GPT-2: config.json and the weights differ in sizes: {folder}")
    if sizes["tied"]:
        weights["lm_head.weight"] = weights["transformer.wte.weight"]
    return sizes, weights


def read_config(path: Path) -> dict[str, Any]:
    """The sizes that config.json says, and whether the output layer is that of the input."""
    try:
        given = json.loads(path.read_text())
        sizes = {ours: operator.index(given[theirs]) for ours, theirs in SIZES.items()}
        other = {k: given[k] for k, usual in FIXED.items() if given.get(k, usual) != usual}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise FileFormatError(
            f"GPT-2: no configuration of one: {path}: {type(error).__name__}: {error}"
        ) from None
    if other:
        raise FileFormatError(f"GPT-2: settings of another model: {path}: {other}")
    return {**sizes, "tied": bool(given.get("tie_word_embeddings", True))}


def fits(
    weights: dict[str, np.ndarray],
    vocab_size: int,
    block_size: int,
    n_layer: int,
    n_embd: int,
    **other: Any,
) -> bool:
    """Whether the weights are of these sizes, so that nothing larger than the file is made."""
    tables = [weights.get(f"transformer.{name}.weight") for name in ("wte", "wpe")]
    shapes = [None if table is None else table.shape for table in tables]
    layers = sum(name.endswith(".ln_1.weight") for name in weights)
    return [*shapes, layers] == [(vocab_size, n_embd), (block_size, n_embd), n_layer]
