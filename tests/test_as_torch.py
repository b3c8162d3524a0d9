"""Programs that say `import torch`: on andon they compute what they compute on PyTorch.

The programs are in torch_programs/. All of them run in one process per framework.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from andon import as_torch
from andon.core.errors import StateError

HERE = Path(__file__).parent
PROGRAMS = HERE / "torch_programs"
NAMES = sorted(p.stem for p in PROGRAMS.glob("*.py") if "def main(" in p.read_text())
RTOL, ATOL = 2e-4, 2e-5


def python(*args, cwd=None, check=True):
    """Run Python with andon on its path, one thread, and no PyTorch bytecode written."""
    env = os.environ | {"PYTHONPATH": str(HERE.parent), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, *map(str, args)], cwd=cwd, env=env, capture_output=True, text=True
    )
    if check:
        assert done.returncode == 0, done.stderr
    return done


def alias(*args, **options):
    return python("-m", "andon.as_torch", *args, **options)


@pytest.fixture
def script(tmp_path):
    """Write a script; what is returned runs it on andon, in its folder."""

    def write(text, name="script.py"):
        (tmp_path / name).write_text(text)
        return lambda *args, **options: alias(name, *args, cwd=tmp_path, **options)

    return write


# What programs compute


@pytest.fixture(scope="session")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("torch_programs")
    python(PROGRAMS / "run_programs.py", folder / "torch.json")
    alias(PROGRAMS / "run_programs.py", folder / "andon.json")
    return [json.loads((folder / f"{name}.json").read_text()) for name in ("torch", "andon")]


@pytest.mark.parametrize("name", NAMES)
def test_a_program_computes_what_it_does_on_pytorch(name, results):
    theirs, ours = (found[name] for found in results)
    assert differences(theirs, ours, name) == []


def differences(theirs, ours, where):
    """The places where two nested results differ: floats by more than rounding."""
    if isinstance(theirs, dict) and isinstance(ours, dict) and theirs.keys() == ours.keys():
        pairs = [(theirs[k], ours[k], k) for k in theirs]
    elif isinstance(theirs, list) and isinstance(ours, list) and len(theirs) == len(ours):
        pairs = list(zip(theirs, ours, range(len(ours)), strict=True))
    elif isinstance(theirs, float) and isinstance(ours, float):
        close = np.isclose(ours, theirs, rtol=RTOL, atol=ATOL, equal_nan=True)
        return [] if close else [f"{where}: {ours} instead of {theirs}"]
    else:
        same = type(theirs) is type(ours) and theirs == ours
        return [] if same else [f"{where}: {ours} instead of {theirs}"]
    return [line for a, b, key in pairs for line in differences(a, b, f"{where}.{key}")]


# What is missing

MISSING = """
import importlib.util, json

def message(action):
    try:
        action()
    except (AttributeError, ImportError) as error:
        return [type(error).__mro__[0].__name__, str(error)]

import torch, torch.nn.functional

def attribute():
    torch.no_such_function(1)

def nested():
    torch.nn.functional.no_such_loss

def from_import():
    from torch.nn import NoSuchLayer

def submodule():
    import torch.no_such_module

def deep_submodule():
    from torch.nn.no_such_module import something

def method():
    torch.ones(2).no_such_method()

def other_package():
    import torchvision

print(json.dumps({
    action.__name__: message(action)
    for action in (attribute, nested, from_import, submodule, deep_submodule, method, other_package)
} | {
    "found": importlib.util.find_spec("torch.no_such_module") is not None,
    "has": [hasattr(torch, "no_such_function"), hasattr(torch.ones(1), "no_such_method")],
    "cuda": torch.cuda.is_available(),
}))
"""


@pytest.fixture(scope="module")
def messages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("missing")
    (folder / "script.py").write_text(MISSING)
    return json.loads(alias("script.py", cwd=folder).stdout)


@pytest.mark.parametrize(
    ("how", "name", "kind"),
    [
        ("attribute", "torch.no_such_function", "MissingNameError"),
        ("nested", "torch.nn.functional.no_such_loss", "MissingNameError"),
        ("from_import", "torch.nn.NoSuchLayer", "ImportError"),
        ("submodule", "torch.no_such_module", "ModuleNotFoundError"),
        ("deep_submodule", "torch.nn.no_such_module", "ModuleNotFoundError"),
        ("method", "Tensor.no_such_method", "MissingNameError"),
    ],
)
def test_a_missing_name_is_an_error_that_tells_it_and_where_to_look(messages, how, name, kind):
    found, text = messages[how]
    assert found == kind
    assert text.startswith(f"{name}: andon has no such")
    assert "docs/coverage.md" in text


def test_programs_can_ask_whether_a_name_is_there(messages):
    assert messages["found"] is False
    assert messages["has"] == [False, False]
    assert messages["cuda"] is False


ABSENT = """
import torch, torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel
try:
    {use}
except AttributeError as error:
    print(type(error).__name__, error)
"""


@pytest.mark.parametrize(
    ("use", "name"),
    [
        ("dist.init_process_group('nccl')", "torch.distributed.init_process_group"),
        ("dist.ReduceOp.SUM", "torch.distributed.ReduceOp"),
        ("DistributedDataParallel(torch.nn.Linear(1, 1))",
         "torch.nn.parallel.DistributedDataParallel"),
        ("torch.cuda.FloatTensor(2)", "torch.cuda.FloatTensor"),
        ("torch.hub.load('a', 'b')", "torch.hub.load"),
        ("torch.profiler.profile()", "torch.profiler.profile"),
        ("dist.no_such_name", "torch.distributed.no_such_name"),
    ],
)  # fmt: skip
def test_what_can_only_be_imported_is_an_error_when_used(script, use, name):
    said = script(ABSENT.format(use=use))().stdout
    assert said.startswith(f"MissingNameError {name}: andon") and "docs/coverage.md" in said


EVENTS = """
import torch
from torch.utils.tensorboard import SummaryWriter
with SummaryWriter("logs") as writer:
    writer.add_scalar("loss/train", torch.tensor(1.5), 3)
    writer.add_text("note", "hello", 1)
    writer.add_histogram("weights", torch.arange(5.0), 2)
"""


def test_tensorboard_event_files_are_checksummed_records(script, tmp_path):
    from andon.as_torch.tensorboard import masked_crc

    script(EVENTS)()
    (path,) = (tmp_path / "logs").iterdir()
    data, records = path.read_bytes(), []
    while data:
        size = int.from_bytes(data[:8], "little")
        body = data[12 : 12 + size]
        assert data[8:12] == masked_crc(data[:8]) and data[12 + size : 16 + size] == masked_crc(
            body
        )
        records.append(body)
        data = data[16 + size :]
    assert masked_crc(b"123456789") == ((0xE3069283 >> 15 | 0xE3069283 << 17) + 0xA282EAD8
                                        & 0xFFFFFFFF).to_bytes(4, "little")  # fmt: skip
    assert [b"brain.Event:2" in records[0], b"loss/train" in records[1]] == [True, True]
    assert b"hello" in records[2] and b"weights" in records[3]


SPAWN = """
import torch.multiprocessing as mp

def work(rank, text):
    print(rank, text, flush=True)
    if text == "fail":
        raise SystemExit(3)

if __name__ == "__main__":
    mp.spawn(work, args=("hello",), nprocs=2)
    try:
        mp.spawn(work, args=("fail",), nprocs=1)
    except RuntimeError as error:
        print(error)
"""


def test_processes_are_spawned_and_their_failure_is_an_error(script):
    lines = script(SPAWN)().stdout.splitlines()
    assert sorted(lines[:2]) == ["0 hello", "1 hello"]
    assert lines[2:] == ["0 fail", "spawn: process 0 failed: exit code 3"]


def test_packages_that_need_pytorch_are_not_imported(messages):
    kind, text = messages["other_package"]
    assert kind == "ModuleNotFoundError" and text.startswith("torchvision: not a part of andon")


def test_no_name_of_pytorch_stands_for_nothing():
    """Every alias leads to a module that is there, and every renamed thing to a thing."""
    from andon.as_torch.modules import RENAMED, found_elsewhere

    for name in RENAMED:
        module, _, last = name.rpartition(".")
        assert found_elsewhere(module, last) is not None, name


# Installing


def test_installing_twice_gives_the_same_module():
    code = (
        "from andon import as_torch; a = as_torch.install(); b = as_torch.install(); "
        "import torch, torch.nn, sys; "
        "print(a is b is torch, sum(f.__class__.__name__ == 'Finder' for f in sys.meta_path))"
    )
    assert python("-c", code).stdout.split() == ["True", "1"]


def test_installing_beside_pytorch_itself_is_an_error():
    import torch  # noqa: F401

    with pytest.raises(StateError, match="PyTorch itself is imported already"):
        as_torch.install()


# Running


def test_a_script_sees_what_it_would_under_python(script, tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "neighbour.py").write_text("VALUE = 7\n")
    text = (
        "import json, os, sys, neighbour\n"
        "import __main__\n"
        "print(json.dumps([__name__, os.path.basename(__file__), sys.argv[1:], neighbour.VALUE,\n"
        "    os.path.basename(sys.path[0]), __main__.__dict__ is globals(), __doc__,\n"
        "    sorted(n for n in globals() if not n.startswith('__'))]))\n"
    )
    script(text, "folder/script.py")
    ours = alias("folder/script.py", "a", "--b=1", "-m", cwd=tmp_path)
    theirs = python("folder/script.py", "a", "--b=1", "-m", cwd=tmp_path)
    assert json.loads(ours.stdout) == json.loads(theirs.stdout)


def test_a_module_of_a_package_runs_with_relative_imports(tmp_path):
    package = tmp_path / "tool"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "part.py").write_text("import torch\nX = torch.arange(3).sum().item()\n")
    (package / "train.py").write_text(
        "import sys\nfrom .part import X\nprint(X, sys.argv[1:], __name__, __package__)\n"
    )
    done = alias("-m", "tool.train", "--lr=1", cwd=tmp_path)
    assert done.stdout == "3 ['--lr=1'] __main__ tool\n"


def test_the_exit_code_is_the_scripts(script):
    assert script("import sys\nsys.exit(3)\n")(check=False).returncode == 3
    assert script("raise SystemExit\n")().returncode == 0


def test_a_traceback_ends_at_the_scripts_own_line(script):
    text = "import torch\n\ndef f(x):\n    return x @ torch.ones(4)\n\nf(torch.ones(3))\n"
    done = script(text)(check=False)
    lines = done.stderr.splitlines()
    frames = [line.strip() for line in lines if line.lstrip().startswith("File ")]
    assert done.returncode == 1
    assert [frame.rsplit("/", 1)[1] for frame in frames] == [
        'script.py", line 6, in <module>',
        'script.py", line 4, in f',
    ]
    assert lines[-1].startswith("andon.core.errors.ShapeError: matmul:")


def test_an_error_of_the_script_shows_all_its_frames(script):
    done = script("def f():\n    return {}['key']\n\nf()\n")(check=False)
    assert done.stderr.count("script.py") == 2 and done.stderr.endswith("KeyError: 'key'\n")


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        ([], 2, "usage: python -m andon.as_torch"),
        (["--help"], 0, "usage: python -m andon.as_torch"),
        (["absent.py"], 1, "as_torch: no such script: absent.py"),
    ],
)
def test_wrong_command_lines_are_answered_in_a_line(args, code, said, tmp_path):
    done = alias(*args, cwd=tmp_path, check=False)
    assert done.returncode == code
    assert (done.stdout + done.stderr).strip().startswith(said)
    assert "Traceback" not in done.stderr


WORKERS = """
import sys
import torch
from torch.utils.data import DataLoader, Dataset, get_worker_info

class Rows(Dataset):
    def __len__(self):
        return 6

    def __getitem__(self, i):
        return torch.full((2,), float(i)), get_worker_info().id

if __name__ == "__main__":
    loader = DataLoader(Rows(), 2, num_workers=2, multiprocessing_context=sys.argv[1])
    for x, worker in loader:
        print(x.tolist(), worker.tolist())
"""


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_workers_load_a_data_set_of_the_script(script, start):
    assert script(WORKERS)(start).stdout.splitlines() == [
        "[[0.0, 0.0], [1.0, 1.0]] [0, 0]",
        "[[2.0, 2.0], [3.0, 3.0]] [1, 1]",
        "[[4.0, 4.0], [5.0, 5.0]] [0, 0]",
    ]


def test_pytorch_itself_is_never_loaded(script):
    text = (
        "import torch, torch.nn, einops.layers.torch, sys\n"
        "files = [str(getattr(m, '__file__', '')) for m in sys.modules.values()]\n"
        "print([f for f in files if 'site-packages/torch/' in f])\n"
    )
    assert script(text)().stdout == "[]\n"


# torch.compile

COMPILED = """
import torch, json

torch.manual_seed(0)
model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1))
fast = torch.compile(model)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
x = torch.linspace(-1, 1, 24).reshape(6, 4)
for _ in range(3):
    optimizer.zero_grad()
    loss = fast(x).pow(2).mean()
    loss.backward()
    optimizer.step()
same = torch.allclose(fast(x), model(x), atol=1e-6)

@torch.compile
def branches(x):
    return x if x.sum().item() > 0 else -x

print(json.dumps([bool(same), loss.item() < 1, branches(-torch.ones(2)).tolist()]))
"""


def test_torch_compile_is_jit_and_what_it_cannot_record_runs_eagerly(script):
    done = script(COMPILED)()
    assert json.loads(done.stdout) == [True, True, [1.0, 1.0]]
    assert "branches runs eagerly" in done.stderr
