"""Devices: where a tensor's elements live. The CPU is always there."""

from __future__ import annotations

from typing import Any

from ..core.errors import DeviceError

TYPES = ("cpu", "cuda", "mps", "meta", "xpu")


class Device:
    """A type of device and, where there can be several, its number: "cpu", "cuda:0".

    PyTorch's `torch.device`, of which andon's tensors know only "cpu".
    """

    def __init__(self, type: Any = "cpu", index: int | None = None):
        if isinstance(type, Device):
            type, index = type.type, type.index
        if isinstance(type, int):
            type, index = "cuda", type
        kind, _, number = str(type).partition(":")
        if kind not in TYPES or (number and not number.isdecimal()):
            raise DeviceError(f"device: not a device: {type!r}")
        self.type: str = kind
        self.index = int(number) if number else index

    def __eq__(self, other: object) -> bool:
        if isinstance(other, str):
            return str(self) == other
        return isinstance(other, Device) and (self.type, self.index) == (other.type, other.index)

    def __hash__(self) -> int:
        return hash(str(self))

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __repr__(self) -> str:
        number = "" if self.index is None else f", index={self.index}"
        return f"device(type='{self.type}'{number})"

    def __enter__(self) -> Device:
        return available(self)

    def __exit__(self, *error: Any) -> None:
        pass


device = Device
CPU = Device("cpu")


def available(given: Any) -> Device:
    """`given` as a Device, if tensors can live there."""
    found = CPU if given is None else device(given)
    if found.type != "cpu":
        raise DeviceError(f"device: not available here, tensors live on the cpu: {given}")
    return found
