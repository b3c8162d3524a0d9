"""The Trainer: the same as a plain loop in PyTorch, and the same again after any interruption."""

from __future__ import annotations

import errno
import json
import math
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel

import andon
from andon.core import files
from andon.core.errors import DataError, FileFormatError, ShapeError, StateError
from andon.data import TensorDataset, TokenDataset
from andon.importers import safetensors
from andon.models.gpt import GPT, GPTConfig
from andon.tensor.generator import default_generator
from andon.train import Checkpoint, TrainConfig, Trainer, latest
from andon.train.log import Log, read, smoothed
from andon.train.trainer import EVENTS, RandomBatches

ROOT = Path(__file__).parent.parent
V, BLOCK = 11, 8
TOKENS = np.random.default_rng(0).integers(1, 3, size=500).cumsum() % V  # one or two further


def tiny_gpt(dropout: float = 0.0, seed: int = 0) -> GPT:
    andon.manual_seed(seed)
    return GPT(GPTConfig(V, BLOCK, n_layer=2, n_head=2, n_embd=16, dropout=dropout))


def trainer_of(model, folder=None, dataset=None, **options) -> Trainer:
    settings = {"max_steps": 12, "batch_size": 4, "learning_rate": 1e-2, **options}
    return Trainer(
        model, TokenDataset(TOKENS, BLOCK) if dataset is None else dataset,
        TrainConfig(**settings), folder=folder,
    )  # fmt: skip


def everything(trainer: Trainer) -> dict[str, np.ndarray]:
    """Parameters, moments and the random state, as arrays by name."""
    found = {name: x.numpy().copy() for name, x in trainer.model.state_dict().items()}
    for i, own in trainer.optimizer.state_dict()["state"].items():
        found.update({f"{i}.{name}": x.numpy().copy() for name, x in own.items()})
    return {**found, "random": np.array(list(default_generator.state().values()))}


def assert_identical(one: dict, other: dict) -> None:
    assert one.keys() == other.keys()
    for name in one:
        assert np.array_equal(one[name], other[name]), name


def losses_of(trainer: Trainer) -> list[float]:
    return [r["loss"] for r in trainer.log.records if "loss" in r]


# ---- the same as a loop in PyTorch


def loop_in_torch(model, optimizer, config: TrainConfig, dataset) -> list[float]:
    """What a Trainer does, spelled out."""
    batches = RandomBatches(len(dataset), config.batch_size, config.seed, 0, config.max_steps)
    losses = []
    for step, indices in enumerate(batches):
        x, y = (torch.tensor(part.numpy()) for part in dataset.__getitems__(indices).columns)
        for group in optimizer.param_groups:
            group["lr"] = config.rate(step)
        logits = model(x).logits
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), y.ravel())
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), config.grad_norm_clip)
        optimizer.step()
        losses.append(loss.item())
    return losses


def test_five_hundred_steps_follow_a_loop_in_pytorch(tmp_path):
    """Of Hugging Face's GPT-2; in float64, where the difference must stay that of rounding."""
    torch.manual_seed(0)
    sizes = {"vocab_size": V, "n_positions": BLOCK, "n_layer": 1, "n_head": 2, "n_embd": 16}
    GPT2LMHeadModel(GPT2Config(**sizes)).save_pretrained(tmp_path)
    ours = GPT.from_pretrained(tmp_path).double()
    theirs = GPT2LMHeadModel.from_pretrained(tmp_path).double().eval()
    dataset = TokenDataset(TOKENS, BLOCK)
    config = TrainConfig(
        max_steps=500, batch_size=4, learning_rate=1e-2, weight_decay=0.01, grad_norm_clip=0.5,
        warmup_steps=20, final_lr_ratio=0.1, seed=5,
    )  # fmt: skip
    trainer = Trainer(ours, dataset, config)
    trainer.run()
    decayed = {id(m.weight) for m in theirs.modules() if type(m).__name__ == "Conv1D"}
    groups = [
        {"params": [p for p in theirs.parameters() if id(p) in decayed], "weight_decay": 0.01},
        {"params": [p for p in theirs.parameters() if id(p) not in decayed], "weight_decay": 0},
    ]
    optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.95))
    expected = loop_in_torch(theirs, optimizer, config, dataset)
    np.testing.assert_allclose(losses_of(trainer), expected, rtol=1e-6)
    assert sum(expected[-10:]) < sum(expected[:10]) / 2


def test_accumulated_batches_are_one_big_batch():
    """Two batches of 4 and one of 8, of the same examples."""

    class Fixed(TensorDataset):
        """Whatever the index, example 0: the order does not matter, the arithmetic does."""

        def __getitems__(self, indices):
            return super().__getitems__([0] * len(indices))

    x = andon.tensor(TOKENS[:BLOCK]).unsqueeze(0)
    dataset = Fixed(x, x)
    big = trainer_of(tiny_gpt().double(), dataset=dataset, batch_size=8)
    parts = trainer_of(tiny_gpt().double(), dataset=dataset, batch_size=4, accumulate=2)
    big.run()
    parts.run()
    np.testing.assert_allclose(losses_of(parts), losses_of(big), rtol=1e-9)


def test_accumulation_takes_the_mean_of_different_batches():
    trainer = trainer_of(tiny_gpt().double(), batch_size=4, accumulate=3, grad_norm_clip=None)
    indices = list(RandomBatches(len(trainer.dataset), 4, 0, 0, 3))
    model = tiny_gpt().double()
    _, loss = model(*trainer.dataset.__getitems__(np.concatenate(indices)).columns)
    loss.backward()
    trainer.config = TrainConfig(max_steps=1, batch_size=4, accumulate=3, grad_norm_clip=None)
    trainer.run()
    assert abs(trainer.loss - loss.item()) < 1e-9
    for ours, expected in zip(trainer.model.parameters(), model.parameters(), strict=True):
        np.testing.assert_allclose(ours.grad.numpy(), expected.grad.numpy(), atol=1e-12)


def test_gradients_are_clipped_to_the_norm():
    seen = []

    def look(trainer: Trainer) -> None:
        total = sum(float((p.grad**2).sum()) for p in trainer.model.parameters())
        seen.append((trainer.grad_norm, math.sqrt(total)))

    trainer = trainer_of(tiny_gpt(), grad_norm_clip=0.01)
    trainer.add_callback("on_batch_end", look)
    trainer.run()
    assert all(before > 0.01 and abs(after - 0.01) < 1e-5 for before, after in seen)
    free = trainer_of(tiny_gpt(), grad_norm_clip=None)
    free.run()
    assert math.isnan(free.grad_norm)


def test_the_learning_rate_rises_then_falls_along_a_cosine():
    config = TrainConfig(max_steps=110, learning_rate=1.0, warmup_steps=10, final_lr_ratio=0.2)
    rates = [config.rate(step) for step in range(111)]
    assert rates[:10] == [(i + 1) / 10 for i in range(10)]
    assert rates[10] == 1.0
    assert abs(rates[60] - 0.6) < 1e-12
    assert abs(rates[110] - 0.2) < 1e-12
    assert config.rate(500) == rates[110]
    assert TrainConfig(learning_rate=0.3).rate(999) == 0.3


@pytest.mark.parametrize(
    "options",
    [
        {"batch_size": 0},
        {"accumulate": 0},
        {"checkpoint_every": 0},
        {"seed": -1},
        {"max_steps": -1},
    ],
)
def test_wrong_settings_are_errors(options):
    with pytest.raises(ShapeError, match="TrainConfig"):
        TrainConfig(**options)


def test_a_dataset_without_examples_is_an_error():
    empty = andon.zeros(0, BLOCK, dtype=andon.int64)
    with pytest.raises(ShapeError, match="no examples"):
        trainer_of(tiny_gpt(), dataset=TensorDataset(empty, empty)).run()


# ---- batches


def test_a_batch_depends_on_the_seed_and_its_number_alone():
    whole = list(RandomBatches(100, 5, seed=3, start=0, stop=10))
    assert list(RandomBatches(100, 5, seed=3, start=4, stop=10)) == whole[4:]
    assert list(RandomBatches(100, 5, seed=4, start=0, stop=10)) != whole
    assert len(RandomBatches(100, 5, seed=3, start=4, stop=10)) == 6


def test_batches_draw_all_examples_alike():
    drawn = np.concatenate(list(RandomBatches(10, 100, seed=0, start=0, stop=100)))
    counts = np.bincount(drawn, minlength=10)
    assert len(counts) == 10
    assert abs(counts - 1000).max() < 150


def test_worker_processes_change_nothing():
    alone, helped = trainer_of(tiny_gpt(dropout=0.2)), None
    alone.run()
    expected = everything(alone)
    helped = trainer_of(tiny_gpt(dropout=0.2), num_workers=2)
    helped.run()
    assert_identical(everything(helped), expected)


# ---- callbacks


def test_callbacks_hear_of_every_event_in_order(tmp_path):
    trainer = trainer_of(tiny_gpt(), tmp_path, max_steps=3, checkpoint_every=2)
    heard = []
    for event in EVENTS:
        trainer.add_callback(event, lambda t, event=event: heard.append((event, t.step)))
    trainer.run()
    assert heard == [
        ("on_run_start", 0),
        ("on_batch_start", 0), ("on_batch_end", 1),
        ("on_batch_start", 1), ("on_batch_end", 2), ("on_checkpoint", 2),
        ("on_batch_start", 2), ("on_batch_end", 3), ("on_checkpoint", 3),
        ("on_run_end", 3),
    ]  # fmt: skip


def test_set_callback_takes_the_place_of_the_others():
    trainer = trainer_of(tiny_gpt(), max_steps=1)
    heard = []
    trainer.add_callback("on_batch_end", lambda t: heard.append(1))
    trainer.add_callback("on_batch_end", lambda t: heard.append(2))
    trainer.run()
    assert heard == [1, 2]
    trainer.set_callback("on_batch_end", lambda t: heard.append(3))
    trainer.trigger_callbacks("on_batch_end")
    assert heard == [1, 2, 3]


def test_an_unknown_event_names_the_known_ones():
    for method in ("add_callback", "set_callback"):
        with pytest.raises(StateError, match=r"on_batch_end.*: on_lunch"):
            getattr(trainer_of(tiny_gpt()), method)("on_lunch", print)


def test_stop_ends_the_run_and_run_goes_on():
    trainer = trainer_of(tiny_gpt())
    trainer.add_callback("on_batch_end", lambda t: t.stop() if t.step == 5 else None)
    trainer.run()
    assert trainer.step == 5
    trainer.run()
    assert trainer.step == 12
    whole = trainer_of(tiny_gpt())
    whole.run()
    assert losses_of(trainer) == losses_of(whole)


def test_stop_leaves_a_checkpoint(tmp_path):
    trainer = trainer_of(tiny_gpt(), tmp_path, checkpoint_every=100)
    trainer.add_callback("on_batch_end", lambda t: t.stop() if t.step == 5 else None)
    trainer.run()
    assert latest(tmp_path).state["step"] == 5


# ---- checkpoints


def test_a_checkpoint_holds_parameters_moments_and_the_random_state(tmp_path):
    trainer = trainer_of(tiny_gpt(), tmp_path, checkpoint_every=12)
    trainer.run()
    folder = tmp_path / "checkpoints" / "step-00000012"
    assert {p.name for p in folder.iterdir()} == {"tensors.safetensors", "state.json"}
    tensors = safetensors.load(folder / "tensors.safetensors")
    for name, x in trainer.model.state_dict().items():
        assert np.array_equal(tensors[f"model.{name}"], x.numpy())
    moments = [name for name in tensors if name.endswith(("exp_avg", "exp_avg_sq"))]
    assert len(moments) == 2 * len(list(trainer.model.parameters()))
    state = json.loads((folder / "state.json").read_text())
    assert state["step"] == 12
    assert state["random"] == default_generator.state()


def test_only_the_newest_checkpoints_are_kept(tmp_path):
    trainer_of(tiny_gpt(), tmp_path, max_steps=10, checkpoint_every=2).run()
    names = sorted(p.name for p in (tmp_path / "checkpoints").iterdir())
    assert names == ["step-00000008", "step-00000010"]


def test_leftovers_of_a_killed_run_are_ignored_and_cleaned_up(tmp_path):
    trainer = trainer_of(tiny_gpt(), tmp_path, max_steps=6, checkpoint_every=3)
    trainer.run()
    folder = tmp_path / "checkpoints"
    for leftover in (".step-00000099.partial", ".step-00000001.removed"):
        (folder / leftover).mkdir()
        (folder / leftover / "tensors.safetensors").write_bytes(b"half")
    (folder / "step-00000007 copy").mkdir()
    again = trainer_of(tiny_gpt(seed=1), tmp_path, max_steps=9, checkpoint_every=3)
    again.resume()
    assert again.step == 6
    again.run()
    assert sorted(p.name for p in folder.iterdir()) == [
        "step-00000006", "step-00000007 copy", "step-00000009",
    ]  # fmt: skip


def test_saving_a_step_again_replaces_its_checkpoint(tmp_path):
    trainer = trainer_of(tiny_gpt(), tmp_path, max_steps=2)
    trainer.run()
    trainer.save()
    trainer.model.lm_head.weight.data.fill_(7)
    path = trainer.save()
    assert (Checkpoint.read(path).tensors["model.lm_head.weight"] == 7).all()
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def damaged(tmp_path) -> Path:
    trainer_of(tiny_gpt(), tmp_path, max_steps=4, checkpoint_every=2).run()
    return tmp_path / "checkpoints" / "step-00000004"


@pytest.mark.parametrize("name", ["tensors.safetensors", "state.json"])
@pytest.mark.parametrize("kept", [0, 5, 0.5, None])
def test_a_damaged_checkpoint_is_an_error_that_names_it_and_the_one_before(tmp_path, name, kept):
    newest = damaged(tmp_path)
    content = (newest / name).read_bytes()
    if kept is None:
        (newest / name).unlink()
    else:
        (newest / name).write_bytes(content[: int(kept * len(content)) if kept == 0.5 else kept])
    trainer = trainer_of(tiny_gpt(), tmp_path)
    with pytest.raises(FileFormatError, match=r"step-00000004.*delete .*step-00000002"):
        trainer.resume()
    shutil.rmtree(newest)  # the advice that was given
    trainer.resume()
    assert trainer.step == 2


STATES = {
    "no random state": {"random": None},
    "random state of another kind": {"random": {"seed": "a", "offset": 1}},
    "no optimizer": {"optimizer": None},
    "an optimizer's tensor that is not there": {"optimizer": {"dict": [["a", {"tensor": "b"}]]}},
    "pairs that are none": {"optimizer": {"dict": [1]}},
    "text for seconds": {"seconds": "long"},
    "another step than the folder's": {"step": 2},
    "a step before the first": {"step": -4},
    "a step beyond all": {"step": 1e300},
}


@pytest.mark.parametrize("change", STATES.values(), ids=STATES)
def test_a_checkpoint_of_another_program_is_an_error(tmp_path, change):
    path = damaged(tmp_path) / "state.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises((FileFormatError, StateError)):
        trainer_of(tiny_gpt(), tmp_path).resume()


def test_a_checkpoint_of_another_model_is_an_error(tmp_path):
    damaged(tmp_path)
    other = GPT(GPTConfig(V, BLOCK, n_layer=1, n_head=2, n_embd=16))
    with pytest.raises(StateError, match=r"transformer\.h\.1"):
        trainer_of(other, tmp_path).resume()


def test_a_full_disk_leaves_the_older_checkpoints(tmp_path, monkeypatch):
    trainer = trainer_of(tiny_gpt(), tmp_path, max_steps=4, checkpoint_every=2)
    trainer.run()
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}

    def full(file) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(files, "_flush_to_disk", full)
    trainer.config = TrainConfig(max_steps=6, batch_size=4, checkpoint_every=2)
    with pytest.raises(OSError, match=r"No space left.*older ones are whole: .*step-00000006"):
        trainer.run()
    log = tmp_path / "log.jsonl"
    assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file() and p != log} == {
        p: content for p, content in before.items() if p != log
    }
    assert latest(tmp_path).state["step"] == 4


def test_without_checkpoints_or_folder_there_is_nothing_to_resume(tmp_path):
    with pytest.raises(StateError, match="none in this run yet"):
        trainer_of(tiny_gpt(), tmp_path).resume()
    with pytest.raises(StateError, match="must be given a folder"):
        trainer_of(tiny_gpt()).resume()
    with pytest.raises(StateError, match="must be given a folder"):
        trainer_of(tiny_gpt()).save()


def test_a_new_run_does_not_write_over_another(tmp_path):
    newest = damaged(tmp_path)
    with pytest.raises(StateError, match=r"resume\(\)"):
        trainer_of(tiny_gpt(), tmp_path).run()
    assert Checkpoint.read(newest).state["step"] == 4


# ---- resuming


@pytest.mark.parametrize("options", [{}, {"accumulate": 2}, {"num_workers": 1}])
def test_a_resumed_run_ends_like_one_that_never_stopped(tmp_path, options):
    """With dropout, so that the random numbers must go on where they were."""
    whole = trainer_of(tiny_gpt(dropout=0.3), **options)
    whole.run()
    expected = everything(whole)
    first = trainer_of(tiny_gpt(dropout=0.3), tmp_path, checkpoint_every=5, **options)
    first.add_callback("on_batch_end", lambda t: t.stop() if t.step == 7 else None)
    first.run()
    andon.rand(100)  # the default generator moves on
    second = trainer_of(tiny_gpt(dropout=0.3, seed=9), tmp_path, checkpoint_every=5, **options)
    second.resume()
    assert second.step == 7
    second.run()
    assert_identical(everything(second), expected)
    assert losses_of(second) == losses_of(whole)
    assert losses_of(second) == [r["loss"] for r in read(tmp_path / "log.jsonl")]


def test_what_came_after_the_checkpoint_is_forgotten_and_done_again(tmp_path):
    whole = trainer_of(tiny_gpt(dropout=0.3), tmp_path / "whole", checkpoint_every=12)
    whole.run()
    broken = trainer_of(tiny_gpt(dropout=0.3), tmp_path / "broken", checkpoint_every=5)

    def fail(trainer: Trainer) -> None:
        if trainer.step == 9:
            raise DataError("power cut")

    broken.add_callback("on_batch_end", fail)
    with pytest.raises(DataError, match="power cut"):
        broken.run()
    assert [r["step"] for r in read(tmp_path / "broken" / "log.jsonl")] == list(range(1, 10))
    again = trainer_of(tiny_gpt(dropout=0.3), tmp_path / "broken", checkpoint_every=5)
    again.resume()
    assert again.step == 5
    again.run()
    one, other = (
        safetensors.load(tmp_path / run / "checkpoints/step-00000012/tensors.safetensors")
        for run in ("whole", "broken")
    )
    assert_identical(one, other)
    assert [r["step"] for r in read(tmp_path / "broken" / "log.jsonl")] == list(range(1, 13))


# ---- the log


def test_numbers_that_json_lacks_become_null(tmp_path):
    log = Log(tmp_path)
    log.write(step=1, loss=math.nan, grad_norm=math.inf)
    log.flush()
    assert (tmp_path / "log.jsonl").read_text() == '{"step": 1, "loss": null, "grad_norm": null}\n'
    log.plot(tmp_path / "loss.png")
    assert (tmp_path / "loss.png").read_bytes().startswith(b"\x89PNG")


TAILS = [
    '{"step": 3, "lo', "[1]\n", "{}\n", "\xff\n", '{"step": "x"}\n', '{"step": 1e999}\n',
    '{"step": 3, "loss": "x"}\n', '{"step": 3, "loss": NaN}\n', "[" * 100_000 + "\n",
]  # fmt: skip


@pytest.mark.parametrize("tail", TAILS)
def test_a_log_is_read_up_to_the_first_broken_line(tmp_path, tail):
    path = tmp_path / "log.jsonl"
    whole = '{"step": 1, "loss": 2.5}\n{"step": 2, "loss": 2.25}\n'
    path.write_bytes((whole + tail).encode("latin-1"))
    assert [r["step"] for r in read(path)] == [1, 2]
    log = Log(tmp_path)
    log.truncate(2)
    assert path.read_text() == whole
    log.truncate(1)
    assert path.read_text() == '{"step": 1, "loss": 2.5}\n'


def test_the_running_mean_neither_lags_nor_leaves_the_range():
    values = np.random.default_rng(0).random(500)
    mean = smoothed(values)
    assert len(mean) == 500
    assert mean.std() < values.std() / 3
    np.testing.assert_allclose(smoothed([2.0] * 7), 2.0)
    assert smoothed([5.0]).tolist() == [5.0]
    line = np.arange(200.0)
    np.testing.assert_allclose(smoothed(line)[:190], line[:190])


# ---- real processes, really killed


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "andon", "train", "gpt", *arguments]


ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
SETTINGS = [
    "--steps=60", "--every=4", "--layers=1", "--heads=2", "--width=16", "--block-size=8",
    "--batch-size=4", "--dropout=0.2",
]  # fmt: skip


@pytest.fixture(scope="module")
def text(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("text") / "input.txt"
    words = np.random.default_rng(0).choice(["to ", "be ", "or ", "not ", "that is\n"], 2000)
    path.write_text("".join(words))
    return path


def final_tensors(run: Path) -> dict[str, np.ndarray]:
    return safetensors.load(run / "checkpoints" / "step-00000060" / "tensors.safetensors")


def launched(folder: Path, *arguments: str) -> subprocess.Popen:
    return subprocess.Popen(
        command(*arguments), cwd=folder, env=ENVIRONMENT, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def finished(process: subprocess.Popen) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


def names_in(folder: Path) -> set[str]:
    return set(os.listdir(folder)) if folder.exists() else set()


def wait_for_news(process: subprocess.Popen, folder: Path) -> bool:
    """Until a name in `folder` comes or goes; False if the process ended before."""
    before = names_in(folder)
    while process.poll() is None:
        if names_in(folder) != before:
            return True
        time.sleep(0.001)
    return False


def killed_at_random(folder: Path, text: Path, settings: list[str], rng: random.Random) -> int:
    """Start a run, kill and resume it six times, and let it get to the end; how many it took.

    Half of the kills hit about when a checkpoint is written, half at any moment of training.
    """
    process = launched(folder, "--data", str(text), "--out=killed", *settings)
    kills = 0
    while kills < 6 and wait_for_news(process, folder / "killed" / "checkpoints"):
        time.sleep(rng.random() * (0.01 if kills % 2 else 0.05))
        process.kill()
        finished(process)
        kills += 1
        process = launched(folder, "--resume=killed")
    code, _, err = finished(process)
    assert code == 0, err
    return kills


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["muon", "adamw"])
def test_a_run_that_is_killed_again_and_again_ends_like_one_left_alone(text, tmp_path, optimizer):
    settings = [*SETTINGS, "--optimizer", optimizer]
    code, _, err = finished(launched(tmp_path, "--data", str(text), "--out=whole", *settings))
    assert code == 0, err
    assert killed_at_random(tmp_path, text, settings, random.Random(0)) >= 3
    assert_identical(final_tensors(tmp_path / "whole"), final_tensors(tmp_path / "killed"))
    logs = [read(tmp_path / run / "log.jsonl") for run in ("whole", "killed")]
    for record in [*logs[0], *logs[1]]:
        record.pop("seconds", None)
    assert logs[0] == logs[1]
    assert [r["step"] for r in logs[1] if "loss" in r] == list(range(1, 61))
    lines = (tmp_path / "killed" / "log.jsonl").read_text().splitlines()
    assert all(json.loads(line) for line in lines)
    assert not list((tmp_path / "killed" / "checkpoints").glob(".*"))


@pytest.mark.slow
def test_ctrl_c_saves_draws_and_says_how_to_go_on(text, tmp_path):
    settings = [*SETTINGS, "--steps=5000", "--every=2000"]
    process = launched(tmp_path, "--data", str(text), "--out=run", *settings)
    while process.poll() is None and not (tmp_path / "run" / "log.jsonl").exists():
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    code, out, err = finished(process)
    assert (code, err) == (130, "")
    assert "andon train gpt --resume run" in " ".join(out.split())
    assert (tmp_path / "run" / "loss.png").read_bytes().startswith(b"\x89PNG")
    records = read(tmp_path / "run" / "log.jsonl")
    assert latest(tmp_path / "run").state["step"] == records[-1]["step"] == len(records)


def test_without_a_compiler_steps_are_eager(monkeypatch):
    monkeypatch.setenv("CC", "no-such-compiler")
    trainer = trainer_of(tiny_gpt(), max_steps=1)
    assert trainer.whole_step == trainer.update
    trainer.run()
    assert trainer.step == 1
