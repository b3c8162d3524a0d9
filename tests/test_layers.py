"""The architecture, as a table: what each layer may import. See docs/architecture.md."""

from __future__ import annotations

import ast
from pathlib import Path

import andon

ROOT = Path(andon.__file__).parent

EAGER = {"core", "ops", "autograd", "tensor"}
NN = EAGER | {"nn", "optim", "data", "text", "packages"}
MAY_IMPORT = {
    "core": set(),
    "ops": {"core"},
    "autograd": {"core", "ops"},
    "graph": {"core", "ops", "drawing"},  # drawing: when a graph is asked to draw itself
    "codegen": {"core", "ops", "graph"},
    "devices": {"core", "ops", "cuda"},
    "tensor": {"core", "ops", "autograd"},
    "engine": EAGER | {"graph", "codegen", "devices"},
    "static": EAGER | {"engine", "importers"},
    "linalg": {"core", "ops"},
    "importers": {"core", "ops", "tensor"},
    "serialization": {"core", "tensor", "importers"},
    "nn": EAGER,
    "optim": EAGER,
    "amp": EAGER,
    "distributions": EAGER,
    "func": EAGER | {"nn"},
    "packages": {"core"},
    "text": {"core", "packages"},
    "data": EAGER | {"packages", "text"},
    "models": NN | {"importers"},
    "train": NN | {"devices", "engine", "importers"},
    "drawing": EAGER | {"graph", "scalar"},
    "scalar": set(),
    "as_torch": NN
    | {"engine", "amp", "distributions", "func", "importers", "linalg", "serialization"},
    "cli": NN | {"models", "train", "importers"},
}
# Imports within a function that keep `import andon` quick or break a circle of files
PLAIN = {"__init__", "__main__"}


def imported(path: Path):
    """The layers that a file imports: relative imports, and absolute ones of andon."""
    package = ("andon", *path.relative_to(ROOT).parent.parts)
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            full = ".".join((*base, node.module)) if node.module else ".".join(base)
            names = [full] if full != "andon" else [f"andon.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        yield from (name.split(".")[1] for name in names if name.startswith("andon."))


def layer_of(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def test_layers_import_only_what_their_row_allows():
    layers = {p.stem for p in ROOT.iterdir() if p.suffix == ".py" or (p / "__init__.py").exists()}
    for path in ROOT.rglob("*.py"):
        layer = layer_of(path)
        if layer in PLAIN:
            continue
        for target in set(imported(path)) & layers - {layer}:
            assert target in MAY_IMPORT[layer], f"{path}: {layer} may not import {target}"


def test_every_layer_has_a_row():
    assert {layer_of(path) for path in ROOT.rglob("*.py")} - PLAIN == set(MAY_IMPORT)


def test_no_file_is_named_after_nothing():
    vague = {"utils", "helpers", "common", "base", "misc", "internal", "util", "helper"}
    named = {path.stem for path in ROOT.rglob("*.py")} & vague
    assert named <= {"utils"}, named
    # PyTorch has `torch.utils` and `torch.nn.utils`: the alias and nn keep that one name
    for path in ROOT.rglob("utils*"):
        assert layer_of(path) in ("as_torch", "nn"), path


def test_the_scalar_engine_imports_nothing_of_andon():
    assert list(imported(ROOT / "scalar.py")) == []


def test_torch_is_never_imported():
    for path in ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [a.name for a in node.names] if isinstance(node, ast.Import) else []
            level = getattr(node, "level", 0)
            assert level or not any(n.split(".")[0] == "torch" for n in names), path


def raised(path: Path):
    """The names of the exceptions that a file raises, with their lines."""
    for node in ast.walk(ast.parse(path.read_text())):
        called = node.exc if isinstance(node, ast.Raise) else None
        name = called.func if isinstance(called, ast.Call) else called
        if isinstance(name, ast.Name):
            yield name.id, node.lineno


def test_what_is_raised_on_purpose_is_of_the_error_tree():
    files = [path for path in ROOT.rglob("*.py") if layer_of(path) != "scalar"]
    strays = [
        f"{path.relative_to(ROOT)}:{line} {name}"
        for path in files
        for name, line in raised(path)
        if name in {"ValueError", "RuntimeError", "IndexError", "Exception"}
    ]
    assert not strays
