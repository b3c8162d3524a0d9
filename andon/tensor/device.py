"""Devices: where a tensor's elements live. The CPU is always there."""

from __future__ import annotations

from typing import Any

from ..core.errors import DeviceError


class Device:
    """A kind of device and, where there can be several, its number."""

    def __init__(self, kind: str, index: int | None = None):
        self.type, self.index = kind, index

    def __eq__(self, other: object) -> bool:
        if isinstance(other, str):
            return str(self) == other
        return isinstance(other, Device) and (self.type, self.index) == (other.type, other.index)

    def __hash__(self) -> int:
        return hash((self.type, self.index))

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __repr__(self) -> str:
        number = "" if self.index is None else f", index={self.index}"
        return f"device(type='{self.type}'{number})"

    def __enter__(self) -> Device:
        return available(self)

    def __exit__(self, *error: Any) -> None:
        pass


def device(given: Any = "cpu", index: int | None = None) -> Device:
    """The Device that `given` names: a Device, or text such as "cpu" or "cuda:0"."""
    if isinstance(given, Device):
        return given
    if isinstance(given, int):
        return Device("cuda", given)
    kind, _, number = str(given).partition(":")
    if kind not in ("cpu", "cuda", "mps", "meta", "xpu") or (number and not number.isdigit()):
        raise DeviceError(f"device: not a device: {given!r}")
    return CPU if given == "cpu" else Device(kind, int(number) if number else index)


CPU = Device("cpu")


def available(given: Any) -> Device:
    """`given` as a Device, if tensors can live there."""
    found = CPU if given is None else device(given)
    if found.type != "cpu":
        raise DeviceError(f"device: not available here, tensors live on the cpu: {given}")
    return found
