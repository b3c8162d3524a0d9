"""The examples run, and learn what they say they learn."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "COLUMNS": "100"}


def output_of(folder: Path, name: str, *arguments: str) -> str:
    """What an example prints, run in an empty folder as a user would."""
    process = subprocess.run(
        [sys.executable, str(ROOT / "examples" / f"{name}.py"), *arguments],
        cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert (process.returncode, process.stderr) == (0, ""), process.stderr
    return process.stdout


def shares(output: str) -> list[float]:
    """The percentages of the last line: of the training set, and held out."""
    return [float(number) for number in re.findall(r"([\d.]+)%", output.splitlines()[-1])]


@pytest.mark.slow
def test_a_gpt_learns_to_sort_lists_it_has_never_seen(tmp_path):
    train, held_out = shares(output_of(tmp_path, "sort", "--steps=250"))
    assert train > 95
    assert held_out > 95


@pytest.mark.parametrize("options", [("--length=1", "--values=2"), ("--length=8", "--values=5")])
def test_sorting_runs_from_the_shortest_lists_to_the_longest(tmp_path, options):
    assert len(shares(output_of(tmp_path, "sort", "--steps=2", *options))) == 2


@pytest.mark.slow
def test_a_gpt_learns_to_add(tmp_path):
    """Sums of one digit, all of them seen; the default is two digits and takes a minute."""
    output = output_of(tmp_path, "adder", "--digits=1", "--steps=500", "--batch-size=32")
    train, _ = shares(output)
    assert train > 95
    assert "step 500: loss" in output


def test_the_adder_runs_with_three_digits(tmp_path):
    assert len(shares(output_of(tmp_path, "adder", "--digits=3", "--steps=2"))) == 2


def test_a_character_gpt_trains_on_any_text(tmp_path):
    """Also on one without a line break, and with none of the prompt's characters."""
    text = tmp_path / "input.txt"
    text.write_text("日本語のテキスト" * 20, encoding="utf-8")
    options = ["--model=gpt-nano", "--block-size=8", "--steps=100", "--prompt=xyz"]
    output = output_of(tmp_path, "chargpt", str(text), *options)
    assert "step 100: loss" in output
    assert "日本語のテキスト" in output
