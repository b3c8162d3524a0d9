"""`torch.backends.mps`: not there."""


def is_available() -> bool:
    return False


is_built = is_macos13_or_newer = is_available
