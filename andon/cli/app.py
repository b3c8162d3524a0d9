"""The commands and their options; what they do is in the modules beside this one."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from typer import Argument, Option

NEW = "runs/gpt-DATE-TIME"


class Optimizer(StrEnum):
    """The optimizers that `train gpt` knows."""

    muon = "muon"
    adamw = "adamw"


RATES = {Optimizer.muon: 0.02, Optimizer.adamw: 3e-3}  # of learning, unless given

app = typer.Typer(
    help="A deep-learning framework to read whole.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
train_app = typer.Typer(help="Train a model.", no_args_is_help=True)
app.add_typer(train_app, name="train")


@train_app.command("gpt")
def train_gpt(
    context: typer.Context,
    data: Annotated[str, Option(help="`shakespeare`, or a text file of your own")] = "shakespeare",
    out: Annotated[Path | None, Option(help="the run's folder", show_default=NEW)] = None,
    steps: Annotated[int, Option(min=1, help="optimizer steps")] = 2000,
    batch_size: Annotated[int, Option(min=1, help="examples per step")] = 16,
    block_size: Annotated[int, Option(min=1, help="tokens that the model sees")] = 64,
    layers: Annotated[int, Option(min=1, help="blocks of attention and MLP")] = 4,
    heads: Annotated[int, Option(min=1, help="attention heads of a block")] = 4,
    width: Annotated[int, Option(min=1, help="channels of a token")] = 128,
    model: Annotated[str | None, Option(help="a preset such as gpt-nano for these three")] = None,
    dropout: Annotated[float, Option(min=0, max=0.99)] = 0.0,
    optimizer: Annotated[Optimizer, Option(help="what takes the steps")] = Optimizer.muon,
    learning_rate: Annotated[
        float | None, Option(min=0, help="[muon: 0.02, adamw: 0.003]", show_default=False)
    ] = None,
    seed: Annotated[int, Option(min=0)] = 0,
    every: Annotated[int, Option(min=1, help="steps between checkpoints")] = 400,
    compile: Annotated[bool, Option(help="run each step as one compiled graph")] = True,
    resume: Annotated[Path | None, Option(help="continue the run in this folder")] = None,
) -> None:
    """Train a character GPT on a text, with samples as it learns."""
    from .train_gpt import Settings, continue_run, start_run

    if resume is not None:
        check_alone(context, "resume")
        continue_run(resume)
        return
    settings = Settings(
        data=data, steps=steps, batch_size=batch_size, block_size=block_size, layers=layers,
        heads=heads, width=width, model=model, dropout=dropout, optimizer=optimizer.value,
        learning_rate=learning_rate if learning_rate is not None else RATES[optimizer],
        seed=seed, every=every, compile=compile,
    )  # fmt: skip
    start_run(settings, out)


def check_alone(context: typer.Context, option: str) -> None:
    """Raise if others were given beside `option`: a run goes on with the settings it began with."""
    for other in context.params:
        source = context.get_parameter_source(other)
        if other != option and source is not None and source.name == "COMMANDLINE":
            name = other.replace("_", "-")
            raise typer.BadParameter(f"a run goes on with its own settings: no --{name} here")


@app.command()
def generate(
    run: Annotated[Path, Argument(help="a folder that `andon train` wrote")],
    prompt: Annotated[str, Option(help="what the text begins with")] = "",
    tokens: Annotated[int, Option(min=0, help="how many to generate")] = 500,
    temperature: Annotated[float, Option(min=0.01, help="lower is safer, higher is wilder")] = 0.8,
    top_k: Annotated[int | None, Option(min=1, help="only the K likeliest tokens")] = None,
    top_p: Annotated[float, Option(min=0.01, max=1, help="the likeliest of this share")] = 0.95,
    greedy: Annotated[bool, Option("--greedy", help="always the likeliest token")] = False,
    seed: Annotated[int | None, Option(min=0, help="the same text every time")] = None,
) -> None:
    """Sample text from a trained model."""
    from .generate import generate as run_generate

    run_generate(run, prompt, tokens, temperature, top_k, top_p, not greedy, seed)
