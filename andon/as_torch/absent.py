"""Names that programs import at their top for what they may never do: using one is an error."""

from __future__ import annotations

from typing import Any, NoReturn

from andon.core.errors import MissingNameError


class AbsentType(type):
    """The class of what is absent: no instances, and nothing made of it."""

    reason: str

    def __call__(cls, *args: Any, **kwargs: Any) -> NoReturn:
        raise MissingNameError(cls.reason)

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise MissingNameError(f"{cls.reason} (asked for its {name})")


def absent(name: str, why: str) -> Any:
    """What stands for PyTorch's `name`: it can be imported, and nothing is an instance of it."""
    reason = f"{name}: {why}; docs/coverage.md lists what andon has"
    module, _, last = name.rpartition(".")
    return AbsentType(last, (), {"reason": reason, "__module__": module, "__doc__": reason})


def absent_names(module: str, names: str, why: str) -> dict[str, Any]:
    """The names of a module, with what stands for each."""
    return {name: absent(f"{module}.{name}", why) for name in names.split()}
