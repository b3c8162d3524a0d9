"""Saver: the variables of a session in a safetensors file, by their names."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ..core.errors import StateError
from ..importers import safetensors
from .define import Variable, get_default_graph
from .session import Session


class Saver:
    """Saves and restores variables: those of the default graph, or of a list."""

    def __init__(self, var_list: Iterable[Variable] | None = None):
        self.variables = list(var_list or get_default_graph().variables)

    def save(self, session: Session, path: str | Path) -> Path:
        """Write the variables to `path`; the file appears complete or not at all."""
        missing = [v.name for v in self.variables if v not in session.variables]
        if missing:
            raise StateError(f"Saver: not initialised: {', '.join(missing)}")
        safetensors.save({v.name: session.variables[v].array for v in self.variables}, path)
        return Path(path)

    def restore(self, session: Session, path: str | Path) -> None:
        """Give the variables the values that `path` has for them."""
        found = safetensors.load(path)
        missing = [v.name for v in self.variables if v.name not in found]
        if missing:
            raise StateError(f"Saver: not in {path}: {', '.join(missing)}")
        for variable in self.variables:
            session.set_variable(variable, found[variable.name])
