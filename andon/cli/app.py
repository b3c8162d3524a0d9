"""The commands and their options; what they do is in the modules beside this one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

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
    data: Annotated[str, typer.Option(help="`shakespeare`, or a text file of your own")] = (
        "shakespeare"
    ),
    out: Annotated[Path | None, typer.Option(help="the run's folder [runs/NAME-TIME]")] = None,
    steps: Annotated[int, typer.Option(min=1, help="optimizer steps")] = 1000,
    batch_size: Annotated[int, typer.Option(min=1, help="examples per step")] = 32,
    block_size: Annotated[int, typer.Option(min=1, help="tokens that the model sees")] = 64,
    layers: Annotated[int, typer.Option(min=1)] = 4,
    heads: Annotated[int, typer.Option(min=1)] = 4,
    width: Annotated[int, typer.Option(min=1)] = 128,
    model: Annotated[str | None, typer.Option(help="a preset such as gpt-nano")] = None,
    dropout: Annotated[float, typer.Option(min=0, max=0.99)] = 0.0,
    learning_rate: Annotated[float, typer.Option(min=0)] = 2e-3,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    every: Annotated[int, typer.Option(min=1, help="steps between checkpoints")] = 100,
    resume: Annotated[Path | None, typer.Option(help="continue the run in this folder")] = None,
) -> None:
    """Train a character GPT on a text, with samples as it learns."""
    from .train_gpt import Settings, continue_run, start_run

    if resume is not None:
        check_alone(context, "resume")
        continue_run(resume)
        return
    settings = Settings(
        data=data, steps=steps, batch_size=batch_size, block_size=block_size, layers=layers,
        heads=heads, width=width, model=model, dropout=dropout, learning_rate=learning_rate,
        seed=seed, every=every,
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
    run: Annotated[Path, typer.Argument(help="a folder that `andon train` wrote")],
    prompt: Annotated[str, typer.Option(help="what the text begins with")] = "",
    tokens: Annotated[int, typer.Option(min=0, help="how many to generate")] = 500,
    temperature: Annotated[
        float, typer.Option(min=0.01, help="below 1: safer, above: wilder")
    ] = 0.8,
    top_k: Annotated[int | None, typer.Option(min=1, help="only the so many likeliest")] = None,
    top_p: Annotated[float, typer.Option(min=0.01, max=1, help="only the likeliest of so much")] = (
        0.95
    ),
    greedy: Annotated[bool, typer.Option(help="always take the likeliest token")] = False,
    seed: Annotated[int | None, typer.Option(min=0, help="the same text every time")] = None,
) -> None:
    """Sample text from a trained model."""
    from .generate import generate as run_generate

    run_generate(run, prompt, tokens, temperature, top_k, top_p, not greedy, seed)
