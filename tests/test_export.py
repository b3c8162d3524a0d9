"""export_c: the C file does what the jitted function does, built by any C compiler."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import andon
import andon.nn.functional as F
from andon import nn
from andon.core.errors import GraphError

ROOT = Path(__file__).parent.parent
CC = shutil.which("gcc") or shutil.which("cc")
pytestmark = pytest.mark.skipif(CC is None, reason="no C compiler beside andon's own")

MAIN = """
#include <stdio.h>
#include "step.h"

int main(int count, char **arguments)
{
    float x[24], y[12], loss;
    const double lr = 0.01;
    FILE *file = fopen("data.bin", "rb");
    if (fread(x, 4, 24, file) != 24 || fread(y, 4, 12, file) != 12) return 2;
    fclose(file);
    step_model *model = step_open(arguments[1]);
    if (model == NULL) {
        perror("open");
        return 3;
    }
    for (int i = 0; i < 5; i++) {
        if (step_run(model, x, y, &lr, &loss) != 0) return 4;
        printf("%.9g\\n", loss);
    }
    printf("%.9g\\n", *(float *)step_state(model, "model_0_bias"));
    const int failed = step_save(model, "after.weights");
    step_close(model);
    return count + failed - 2;
}
"""


def training_step():
    andon.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Dropout(0.2), nn.Linear(8, 2))
    optimizer = andon.optim.AdamW(model.parameters(), lr=0.01)

    @andon.jit
    def step(x, y):
        optimizer.zero_grad()
        loss = F.mse_loss(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return step, model


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A folder with a built program, and what Python finds of the same five steps."""
    folder = tmp_path_factory.mktemp("exported")
    step, model = training_step()
    x, y = andon.randn(6, 4), andon.randn(6, 2)
    path = step.export_c(folder, x, y)
    assert path == folder / "step.c"
    (folder / "main.c").write_text(MAIN)
    (folder / "data.bin").write_bytes(x.numpy().tobytes() + y.numpy().tobytes())
    command = [CC, "-O2", "-Wall", "-Werror", "main.c", "step.c", "-o", "main", "-lm",
               "-lpthread"]  # fmt: skip
    subprocess.run(command, cwd=folder, check=True)
    losses = [step(x, y).item() for _ in range(5)]
    return folder, losses, model


def run(folder, weights):
    return subprocess.run(["./main", weights], cwd=folder, capture_output=True, text=True)


def test_an_exported_training_step_trains_as_in_python(exported):
    folder, losses, model = exported
    done = run(folder, "step.weights")
    assert done.returncode == 0, done.stderr
    *found, bias = map(float, done.stdout.split())
    np.testing.assert_allclose(found, losses, rtol=1e-6)
    assert bias == pytest.approx(model[0].bias[0].item(), rel=1e-5)
    assert (folder / "after.weights").stat().st_size == (folder / "step.weights").stat().st_size
    goes_on = run(folder, "after.weights")
    assert float(goes_on.stdout.split()[0]) != found[0]


@pytest.mark.parametrize("damage", [b"", b"andon 0000", None])
def test_weights_of_another_model_are_refused(exported, damage):
    folder, _, _ = exported
    whole = (folder / "step.weights").read_bytes()
    (folder / "bad.weights").write_bytes(whole[:-1] if damage is None else damage)
    done = run(folder, "bad.weights")
    assert done.returncode == 3 and "open" in done.stderr


def test_the_header_says_what_the_model_takes(exported):
    folder, _, _ = exported
    text = (folder / "step.h").read_text()
    assert "const float *x /* [6, 4] */" in text
    assert "const double *lr /* [] */" in text
    assert "model_0_weight_exp_avg: float32[8, 4]" in text


def test_a_graph_is_exported_as_well(tmp_path):
    graph = andon.parse("""
    graph twice(%x: float32[3]):
      %y = mul(%x, 2.0)
      return %y
    """)
    path = andon.export_c(graph, tmp_path)
    assert "int twice_run(twice_model *model" in (tmp_path / "twice.h").read_text()
    subprocess.run([CC, "-c", "-Wall", "-Werror", path.name], cwd=tmp_path, check=True)


NAMED = {  # the name of a function or of a parameter that C, or andon's C, has for something else
    "a parameter": "def f(int, float, model, path, c, arena, EOF): return int + float + model + c",
    "a header": "def conv(x): return x * 2",
    "a function": "def call(run): return run.exp()",
    "other letters": "def größe(é): return é * 2",
}


@pytest.mark.parametrize("standard", ["c11", "gnu17"])
@pytest.mark.parametrize("name", NAMED)
def test_names_that_mean_something_in_c_are_no_obstacle(name, standard, tmp_path):
    namespace: dict = {}
    exec(NAMED[name], namespace)
    function = list(namespace.values())[-1]
    arguments = [andon.ones(2) * i for i in range(function.__code__.co_argcount)]
    path = andon.export_c(function, tmp_path, *arguments)
    strict = ["-c", "-Wall", "-Wextra", "-Werror", f"-std={standard}"]
    subprocess.run([CC, *strict, path.name], cwd=tmp_path, check=True)


def test_an_op_without_a_kernel_is_named(tmp_path):
    with pytest.raises(GraphError, match="no kernel in C for: inv"):
        andon.export_c(lambda x: andon.linalg.inv(x), tmp_path, andon.eye(3))
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_the_example_trains_a_gpt_in_c(tmp_path):
    text = tmp_path / "text.txt"
    text.write_text("the quick brown fox jumps over the lazy dog. " * 50)
    script = ROOT / "examples" / "exported_gpt" / "export.py"
    command = [sys.executable, str(script), str(text), "--folder", str(tmp_path), "--steps", "10"]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "CC": str(CC)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout.split()[-1]) < 1e-4
