"""The command line as a user meets it: help, errors in one line, the same text for a seed."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from andon.cli.train_gpt import read_run
from andon.core.errors import FileFormatError

ROOT = Path(__file__).parent.parent
ENVIRONMENT = {
    **os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "COLUMNS": "100",
    "TERM": "dumb", "NO_COLOR": "1",
}  # fmt: skip
SMALL = [
    "--steps=6", "--every=3", "--layers=1", "--heads=2", "--width=16", "--block-size=8",
    "--batch-size=4",
]  # fmt: skip
TEXT = "To be, or not to be: that is the question.\n" * 20


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory):
    """A cache of these tests' own: what they compile is there, and no package is."""
    ENVIRONMENT["ANDON_CACHE"] = str(tmp_path_factory.mktemp("cache"))


def run_andon(folder: Path, *arguments: str, **options) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "andon", *arguments],
        cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, timeout=60, **options,
    )  # fmt: skip


def error_of(process: subprocess.CompletedProcess) -> str:
    """The one line that a failed command writes."""
    assert process.returncode == 1, process
    assert process.stderr.startswith("error ")
    assert process.stderr.count("\n") == 1
    return process.stderr.removeprefix("error ").strip()


@pytest.fixture
def folder(tmp_path) -> Path:
    (tmp_path / "input.txt").write_text(TEXT)
    return tmp_path


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """A folder in which `run` is the folder of a run."""
    path = tmp_path_factory.mktemp("trained")
    (path / "input.txt").write_text(TEXT)
    process = run_andon(path, "train", "gpt", "--data=input.txt", "--out=run", *SMALL)
    assert process.returncode == 0, process.stderr
    assert "parameters, run in run" in process.stdout
    assert "step 3: held-out loss" in process.stdout
    assert "step 6: held-out loss" in process.stdout
    assert "andon generate run" in process.stdout
    return path


# ---- help, and options that do not exist


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--help"], ["train", "generate"]),
        (["train", "--help"], ["gpt"]),
        (["train", "gpt", "--help"], ["--data", "--resume", "--learning-rate", "checkpoints"]),
        (["generate", "--help"], ["--prompt", "--temperature", "--top-p", "--greedy"]),
    ],
)
def test_help_names_commands_and_options(tmp_path, arguments, named):
    process = run_andon(tmp_path, *arguments)
    assert (process.returncode, process.stderr) == (0, "")
    for name in named:
        assert name in process.stdout


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["train", "gpt", "--stepps", "5"], "--stepps"),
        (["train", "gpt", "--steps", "many"], "--steps"),
        (["train", "gpt", "--steps", "0"], "--steps"),
        (["train", "gpt", "--dropout", "1"], "--dropout"),
        (["train", "mamba"], "mamba"),
        (["generate", "run", "--temperature", "0"], "--temperature"),
        (["generate", "run", "--top-p", "1.5"], "--top-p"),
        (["generate"], "Missing argument"),
    ],
)
def test_options_that_do_not_fit_are_explained(tmp_path, arguments, named):
    process = run_andon(tmp_path, *arguments)
    assert process.returncode == 2
    assert "Usage" in process.stderr
    assert named in process.stderr
    assert "Traceback" not in process.stderr


# ---- train


def test_a_run_leaves_checkpoints_a_log_and_a_picture(trained):
    run = trained / "run"
    assert {p.name for p in run.iterdir()} == {"run.json", "checkpoints", "log.jsonl", "loss.png"}
    records = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    assert [r["step"] for r in records if "loss" in r] == [1, 2, 3, 4, 5, 6]
    assert [r["step"] for r in records if "val_loss" in r] == [3, 6]


def test_without_out_the_run_goes_to_runs_and_latest_leads_there(folder):
    process = run_andon(folder, "train", "gpt", "--data=input.txt", *SMALL, "--model=gpt-nano")
    assert process.returncode == 0, process.stderr
    latest = folder / "runs" / "latest"
    assert latest.is_symlink()
    assert (latest / "run.json").exists()
    assert sorted(p.name for p in folder.iterdir()) == ["input.txt", "runs"]


WRONG_TEXTS = {
    "missing": (None, "cannot read the text: input.txt: No such file"),
    "not UTF-8": (b"caf\xe9" * 500, "the text is not UTF-8: input.txt"),
    "empty": (b"", "too short a text for blocks of 8: 0"),
    "too short": (b"To be, or not to", "too short a text for blocks of 8: 16"),
}


@pytest.mark.parametrize(("content", "message"), WRONG_TEXTS.values(), ids=WRONG_TEXTS)
def test_a_text_that_cannot_be_used_is_an_error(tmp_path, content, message):
    if content is not None:
        (tmp_path / "input.txt").write_bytes(content)
    process = run_andon(tmp_path, "train", "gpt", "--data=input.txt", "--out=run", *SMALL)
    assert message in error_of(process)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--heads=3"], "n_head 3 does not divide n_embd 16"),
        (["--model=gpt-9"], "no preset of that name"),
        (["--out=input.txt"], "input.txt"),
        (["--out=input.txt/run"], "input.txt"),
    ],
)
def test_settings_that_make_no_run_are_errors(folder, options, message):
    process = run_andon(folder, "train", "gpt", "--data=input.txt", "--out=run", *SMALL, *options)
    assert message in error_of(process)
    assert (folder / "input.txt").read_text() == TEXT
    assert not (folder / "run").exists()


def test_a_run_is_not_written_over(trained):
    before = (trained / "run" / "run.json").read_bytes()
    process = run_andon(trained, "train", "gpt", "--data=input.txt", "--out=run", *SMALL)
    assert "holds a run already: pass --resume run" in error_of(process)
    assert (trained / "run" / "run.json").read_bytes() == before


@pytest.mark.parametrize("name", ["checkpoints", "log.jsonl", "loss.png"])
def test_files_that_a_run_would_write_over_are_an_error(folder, name):
    (folder / "mine").mkdir()
    (folder / "mine" / name).write_text("mine")
    process = run_andon(folder, "train", "gpt", "--data=input.txt", "--out=mine", *SMALL)
    assert f"train: a run writes {name}, and there is one already: mine" in error_of(process)
    assert [path.read_text() for path in (folder / "mine").iterdir()] == ["mine"]


@pytest.mark.parametrize("optimizer", ["muon", "adamw"])
def test_a_run_that_diverges_says_so_and_keeps_no_checkpoint_of_it(folder, optimizer):
    wild = ["--learning-rate=1e30", f"--optimizer={optimizer}"]
    process = run_andon(folder, "train", "gpt", "--data=input.txt", "--out=run", *SMALL, *wild)
    assert "train: diverged at step" in error_of(process)
    assert "--learning-rate: 1e+30" in process.stderr
    assert not list((folder / "run").glob("checkpoints/step-*"))


def test_an_option_that_an_optimizer_refuses_is_an_error(folder):
    options = ["--learning-rate=inf", "--optimizer=adamw"]
    process = run_andon(folder, "train", "gpt", "--data=input.txt", "--out=run", *SMALL, *options)
    assert error_of(process) == "AdamW: lr must be >= 0: inf"
    assert not (folder / "run").exists()


def test_sizes_beyond_the_memory_are_an_error(folder):
    for width, message in [
        ("1000000", "memory: not enough"),
        ("1" + "0" * 24, "sizes: more bytes"),
    ]:
        options = [f"--width={width}", "--heads=1"]
        process = run_andon(folder, "train", "gpt", "--data=input.txt", *SMALL, *options)
        assert message in error_of(process)


def test_a_full_disk_is_an_error_that_keeps_what_there_was(folder):
    """As far as a limit on the size of files is one: writing fails half way."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    arguments = ["train", "gpt", "--data=input.txt", *SMALL]
    run_andon(folder, *arguments, "--out=before", check=True)  # so that the step is compiled
    process = run_andon(folder, *arguments, "--out=run", preexec_fn=limit)
    assert "checkpoint: not written" in error_of(process)
    assert "File too large" in process.stderr
    assert list((folder / "run" / "checkpoints").iterdir()) == []


# ---- resume


def test_resuming_what_is_finished_changes_nothing(trained):
    log = (trained / "run" / "log.jsonl").read_text()
    process = run_andon(trained, "train", "gpt", "--resume=run")
    assert process.returncode == 0
    assert "resuming at step 6 of 6" in process.stdout
    assert (trained / "run" / "log.jsonl").read_text() == log


def test_a_run_without_checkpoints_starts_again(folder):
    arguments = ["--data=input.txt", "--out=run", *SMALL]
    assert run_andon(folder, "train", "gpt", *arguments).returncode == 0
    checkpoints = folder / "run" / "checkpoints"
    tensors = checkpoints / "step-00000006" / "tensors.safetensors"
    content = tensors.read_bytes()
    checkpoints.rename(folder / "elsewhere")
    process = run_andon(folder, "train", "gpt", "--resume=run")
    assert "resuming at step 0 of 6" in process.stdout
    assert tensors.read_bytes() == content


@pytest.mark.parametrize(
    "arguments",
    [["train", "gpt", "--resume=."], ["generate", "nowhere"], ["generate", "input.txt"]],
)
def test_a_folder_that_is_no_run_is_an_error(folder, arguments):
    assert "not a folder that `andon train` wrote" in error_of(run_andon(folder, *arguments))


RECORDS = {
    "no JSON": "{",
    "no object": "[]",
    "nested too deep": "[" * 100_000,
    "unknown settings": '{"settings": {"colour": "red"}, "tokenizer": {"characters": "ab"}}',
}


@pytest.mark.parametrize("content", RECORDS.values(), ids=RECORDS)
def test_a_record_that_is_none_is_an_error(tmp_path, content):
    (tmp_path / "run.json").write_text(content)
    with pytest.raises(FileFormatError, match=r"unreadable run\.json"):
        read_run(tmp_path)


SETTINGS = [
    ("layers", "1", "layers is no"),
    ("dropout", None, "dropout is no"),
    ("steps", 1.5, "steps is no"),
    ("optimizer", "sgd", "no optimizer of that name: sgd"),
    ("model", "gpt-9", "no preset of that name"),
    ("heads", 3, "n_head 3 does not divide"),
    ("block_size", -8, "sizes must be positive"),
    ("batch_size", 0, "batch_size must be positive: 0"),
    ("every", 0, "checkpoint_every must be positive: 0"),
    ("steps", -1, "max_steps must be >= 0: -1"),
    ("seed", -1, "seed must be >= 0: -1"),
]


def changed_run(trained: Path, folder: Path, **settings: object) -> None:
    """A copy of the run with other settings in its record."""
    shutil.copytree(trained / "run", folder / "run")
    record = json.loads((trained / "run" / "run.json").read_text())
    record["settings"].update(settings)
    (folder / "run" / "run.json").write_text(json.dumps(record))


@pytest.mark.parametrize(("name", "value", "message"), SETTINGS)
def test_settings_that_no_run_can_have_are_an_error(trained, tmp_path, name, value, message):
    changed_run(trained, tmp_path, **{name: value})
    with pytest.raises(FileFormatError, match=f"unreadable run.json: .*{message}"):
        read_run(tmp_path / "run")


def test_settings_of_another_model_than_the_checkpoints_are_an_error_in_one_line(trained, tmp_path):
    changed_run(trained, tmp_path, layers=2, width=32)
    message = error_of(run_andon(tmp_path, "generate", "run"))
    assert message.startswith("checkpoint: of another model: run/checkpoints/step-00000006: ")


def test_a_vocabulary_of_another_text_is_an_error(folder):
    arguments = ["--data=input.txt", "--out=run", *SMALL]
    assert run_andon(folder, "train", "gpt", *arguments).returncode == 0
    record = json.loads((folder / "run" / "run.json").read_text())
    record["tokenizer"]["characters"] += "~"
    (folder / "run" / "run.json").write_text(json.dumps(record))
    process = run_andon(folder, "train", "gpt", "--resume=run")
    assert error_of(process) == "run: another vocabulary than the text's in run.json: run"


def test_a_run_goes_on_with_the_settings_and_the_text_it_began_with(folder, trained):
    process = run_andon(trained, "train", "gpt", "--resume=run", "--batch-size=3")
    assert process.returncode == 2
    assert "--batch-size" in process.stderr
    arguments = ["--data=input.txt", "--out=run", *SMALL]
    assert run_andon(folder, "train", "gpt", *arguments).returncode == 0
    (folder / "input.txt").write_text(TEXT.replace("be", "eb"))
    process = run_andon(folder, "train", "gpt", "--resume=run")
    assert "the text has changed since the run began" in error_of(process)


# ---- generate


def test_a_seed_gives_the_same_text_every_time(trained):
    def text(*options: str) -> str:
        process = run_andon(trained, "generate", "run", "--prompt=To be", "--tokens=40", *options)
        assert (process.returncode, process.stderr) == (0, "")
        assert len(process.stdout) == len("To be") + 40 + 1
        return process.stdout

    first = text("--seed=1")
    assert first.startswith("To be")
    assert text("--seed=1") == first
    assert len({first, text("--seed=2"), text()}) == 3
    assert text("--top-k=1") == text("--greedy")


def test_an_unknown_character_in_the_prompt_is_named(trained):
    message = error_of(run_andon(trained, "generate", "run", "--prompt=To ß"))
    assert "not in the vocabulary" in message
    assert "'ß' at 3" in message


def test_no_tokens_are_the_prompt(trained):
    assert run_andon(trained, "generate", "run", "--prompt=To", "--tokens=0").stdout == "To\n"


def test_a_reader_that_leaves_early_is_no_error(trained):
    command = f"{sys.executable} -m andon generate run --tokens 3000 --seed 1 | head -c 20"
    process = subprocess.run(
        command, shell=True, cwd=trained, env=ENVIRONMENT, capture_output=True, timeout=60
    )
    assert len(process.stdout) == 20
    assert process.stderr == b""
