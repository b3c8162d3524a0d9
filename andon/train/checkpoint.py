"""Checkpoints of a training run: a folder per step, complete or not there at all.

    checkpoints/step-00000500/tensors.safetensors   parameters, buffers, optimizer moments
    checkpoints/step-00000500/state.json            the step, the random state, the groups

A checkpoint is written under another name and renamed when it is whole, so a run that is killed
at any moment, or whose disk is full, leaves the last one intact.
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..core.errors import FileFormatError, StateError
from ..core.files import replacing
from ..importers import safetensors
from ..optim import Combined, Optimizer
from ..tensor import Tensor, as_tensor

FOLDER = "checkpoints"
MOST_STEPS = 10**8  # what a folder's name has digits for


@dataclass
class Checkpoint:
    """What was read from a checkpoint's folder."""

    path: Path
    tensors: dict[str, Any]
    state: dict[str, Any]

    @classmethod
    def read(cls, path: Path) -> Checkpoint:
        """Load a checkpoint's folder. Raises: FileFormatError if a file is missing or damaged."""
        try:
            tensors = safetensors.load(path / "tensors.safetensors")
            state = json.loads((path / "state.json").read_text())
            if type(state["step"]) is not int or not 0 <= state["step"] < MOST_STEPS:
                raise FileFormatError(f"step {state['step']}")
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise FileFormatError(f"checkpoint: unreadable: {path}: {error}") from None
        return cls(path, tensors, state)

    def restore(self, model: Any, optimizer: Optimizer | Combined | None = None) -> None:
        """Put the parameters, buffers and moments back where they were."""
        prefix = "model."
        weights = {
            name.removeprefix(prefix): as_tensor(array)
            for name, array in self.tensors.items()
            if name.startswith(prefix)
        }
        try:
            model.load_state_dict(weights)
        except StateError as error:
            raise StateError(f"checkpoint: of another model: {self.path}: {error}") from None
        if optimizer is None:
            return
        try:
            state = unflatten(self.state["optimizer"], self.tensors)
        except (KeyError, TypeError, ValueError, RecursionError) as error:
            raise FileFormatError(
                f"checkpoint: no optimizer in it: {self.path}: {error!r}"
            ) from None
        optimizer.load_state_dict(state)


def save(
    run: Path,
    step: int,
    model: Any,
    optimizer: Optimizer | Combined,
    state: dict,
    keep: int = 2,
) -> Path:
    """Write the checkpoint of `step`, and drop all but the newest `keep`.

    Raises: OSError if the disk is full, say; the older checkpoints stay.
    """
    tensors = {f"model.{k}": v.detach().numpy() for k, v in model.state_dict().items()}
    described = flatten(optimizer.state_dict(), tensors)
    text = json.dumps({**state, "step": step, "optimizer": described}, indent=1)
    target = run / FOLDER / name_of(step)
    partial = target.with_name(f".{target.name}.partial")
    remove_leftovers(run)
    try:
        partial.mkdir(parents=True)
        safetensors.save(tensors, partial / "tensors.safetensors")
        with replacing(partial / "state.json", "w") as file:
            file.write(text)
        remove(target)
        os.replace(partial, target)
    except OSError as error:
        reason = error.strerror or error
        raise OSError(
            f"checkpoint: not written ({reason}), older ones are whole: {target}"
        ) from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    for old in found(run)[:-keep]:
        remove(old)
    return target


def name_of(step: int) -> str:
    return f"step-{step:08d}"


def remove(path: Path) -> None:
    """Delete a checkpoint, if there: out of sight first, since what can be seen must be whole."""
    if path.exists():
        hidden = path.with_name(f".{path.name}.removed")
        os.replace(path, hidden)
        shutil.rmtree(hidden, ignore_errors=True)


def remove_leftovers(run: Path) -> None:
    """Delete what a run that was killed left half written or half removed."""
    for path in (run / FOLDER).glob(".step-*"):
        shutil.rmtree(path, ignore_errors=True)


def found(run: Path) -> list[Path]:
    """The checkpoints of a run, oldest first."""
    return sorted((Path(run) / FOLDER).glob("step-" + 8 * "[0-9]"))


def latest(run: Path) -> Checkpoint:
    """The newest checkpoint of a run.

    Raises: StateError if there is none; FileFormatError if it is damaged, naming the one before.
    """
    paths = found(run)
    if not paths:
        raise StateError(f"checkpoint: there is none in this run yet: {run}")
    *older, newest = paths
    try:
        read = Checkpoint.read(newest)
        if newest.name != name_of(read.state["step"]):
            raise FileFormatError(f"checkpoint: of step {read.state['step']}: {newest}")
        return read
    except FileFormatError as error:
        if not older:
            raise
        raise FileFormatError(
            f"{error}; delete this folder to go on from the one before it: {older[-1]}"
        ) from None


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
