"""`torch.onnx`: models that ask whether they are being exported are told that they are not."""

from __future__ import annotations

from .absent import absent_names

globals().update(absent_names("torch.onnx", "export dynamo_export", "andon exports no ONNX"))


def is_in_onnx_export() -> bool:
    return False
