"""Run every program of this folder and write what their `main()` returned, as JSON.

python run_programs.py OUT.json                          # on PyTorch
python -m andon.as_torch run_programs.py OUT.json        # on andon
"""

import importlib
import json
import sys
from pathlib import Path

import torch


def plain(value):
    """Tensors as nested lists, so that JSON can hold them."""
    if isinstance(value, torch.Tensor):
        return plain(value.detach().tolist())
    if isinstance(value, dict):
        return {str(key): plain(x) for key, x in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(x) for x in value]
    return value


def run_all() -> dict:
    names = sorted(p.stem for p in Path(__file__).parent.glob("*.py"))
    found = {}
    for name in names:
        module = importlib.import_module(name)
        if hasattr(module, "main"):
            found[name] = plain(module.main())
    return found


if __name__ == "__main__":
    torch.set_num_threads(1)
    Path(sys.argv[1]).write_text(json.dumps(run_all()))
