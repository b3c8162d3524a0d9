"""Checkpoints of a training run: a folder per step, complete or not there at all.

    checkpoints/step-00000500/tensors.safetensors   parameters, buffers, optimizer moments
    checkpoints/step-00000500/state.json            the step, the random state, the groups

A checkpoint is written under another name and renamed when it is whole, so a run that is killed
at any moment leaves the last one intact.
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..core.errors import FileFormatError, StateError
from ..importers import safetensors
from ..optim import Optimizer
from ..tensor import Tensor, as_tensor

FOLDER = "checkpoints"


@dataclass
class Checkpoint:
    """What was read from a checkpoint's folder."""

    path: Path
    tensors: dict[str, Any]
    state: dict[str, Any]

    @classmethod
    def read(cls, path: Path) -> Checkpoint:
        """Load a checkpoint's folder, which must be whole."""
        tensors = safetensors.load(path / "tensors.safetensors")
        try:
            state = json.loads((path / "state.json").read_text())
            int(state["step"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise FileFormatError(f"checkpoint: unreadable state: {path}: {error}") from None
        return cls(path, tensors, state)

    def restore(self, model: Any, optimizer: Optimizer | None = None) -> None:
        """Put the parameters, buffers and moments back where they were."""
        prefix = "model."
        model.load_state_dict(
            {
                name.removeprefix(prefix): as_tensor(array)
                for name, array in self.tensors.items()
                if name.startswith(prefix)
            }
        )
        if optimizer is not None:
            optimizer.load_state_dict(unflatten(self.state["optimizer"], self.tensors))


def save(
    run: Path, step: int, model: Any, optimizer: Optimizer, state: dict, keep: int = 2
) -> Path:
    """Write the checkpoint of `step`, and drop all but the newest `keep`."""
    tensors = {f"model.{k}": v.detach().numpy() for k, v in model.state_dict().items()}
    described = flatten(optimizer.state_dict(), tensors)
    target = run / FOLDER / f"step-{step:08d}"
    partial = target.with_name(f".{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        safetensors.save(tensors, partial / "tensors.safetensors")
        text = json.dumps({**state, "step": step, "optimizer": described}, indent=1)
        (partial / "state.json").write_text(text)
        shutil.rmtree(target, ignore_errors=True)
        os.replace(partial, target)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    for old in found(run)[:-keep]:
        shutil.rmtree(old, ignore_errors=True)
    return target


def found(run: Path) -> list[Path]:
    """The checkpoints of a run, oldest first."""
    return sorted((run / FOLDER).glob("step-*"))


def latest(run: Path) -> Checkpoint:
    """The newest checkpoint of a run."""
    paths = found(Path(run))
    if not paths:
        raise StateError(f"checkpoint: there is none in this run yet: {run}")
    return Checkpoint.read(paths[-1])


def flatten(value: Any, tensors: dict[str, Any], name: str = "optimizer") -> Any:
    """`value` for JSON: its tensors move to `tensors`, and their names stay in their place."""
    if isinstance(value, Tensor):
        tensors[name] = value.detach().numpy()
        return {"tensor": name}
    if isinstance(value, dict):
        pairs = [[k, flatten(v, tensors, f"{name}.{k}")] for k, v in value.items()]
        return {"dict": pairs}  # pairs, since keys may be ints
    if isinstance(value, (list, tuple)):
        return [flatten(v, tensors, f"{name}.{i}") for i, v in enumerate(value)]
    return value


def unflatten(value: Any, tensors: dict[str, Any]) -> Any:
    """The inverse of `flatten`; tuples come back as lists."""
    if isinstance(value, list):
        return [unflatten(v, tensors) for v in value]
    if not isinstance(value, dict):
        return value
    if "tensor" in value:
        return as_tensor(tensors[value["tensor"]])
    return {k: unflatten(v, tensors) for k, v in value["dict"]}
