"""`torch.backends.cudnn`: not there."""

enabled = benchmark = allow_tf32 = False
deterministic = True


def is_available() -> bool:
    return False


def version() -> None:
    return None
