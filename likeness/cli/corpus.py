"""Clips to train on, encoded once."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from likeness.cli.console import bars, say
from likeness.cli.options import AsJson, family

if TYPE_CHECKING:
    from likeness.training.corpus.card import Card

app = family(help="Cut clips into windows and encode them once, to train on.")


@app.command()
def make(
    clips: Annotated[
        Path,
        typer.Argument(
            help="A folder of videos, or a CSV or Parquet table with columns path and, where "
            "known, identity, scene and prompt.",
            exists=True,
        ),
    ],
    *,
    out: Annotated[Path, typer.Option(help="Folder of the corpus.", file_okay=False)],
    checkpoint: Annotated[
        str, typer.Option(help="Folder of the generator that is to be trained, or a preset.")
    ] = "tiny",
    people: Annotated[
        Path | None,
        typer.Option(help="Table of path and identity, and where wanted scene, of the clips."),
    ] = None,
    workers: Annotated[int, typer.Option(help="Processes, of one thread each.", min=1)] = 1,
    ray: Annotated[
        str | None,
        typer.Option(
            help="Address of a Ray cluster that has the workers; auto: this machine's, "
            "local: one for this command."
        ),
    ] = None,
    device: Annotated[
        str, typer.Option(help="Where codec and text encoder work: cpu or cuda.")
    ] = "cpu",
    window: Annotated[
        float | None,
        typer.Option(help="Seconds of a window; those of the checkpoint's clip by default."),
    ] = None,
    step: Annotated[
        float | None,
        typer.Option(help="Seconds between windows' beginnings, at most; a window by default."),
    ] = None,
    crop: Annotated[
        Literal["frame", "head"],
        typer.Option(help="Take most of the picture, or the head alone."),
    ] = "frame",
    rewards: Annotated[
        Literal["testbed", "real"],
        typer.Option(help="Whose face detector, recogniser and landmarks."),
    ] = "testbed",
    same_person: Annotated[
        float,
        typer.Option(
            help="Cosine of embeddings from which clips that name nobody show one person.",
            min=-1,
            max=1,
        ),
    ] = 0.5,
    held_out: Annotated[
        float,
        typer.Option(
            help="Share of the people, by their names' hashes, who are kept to judge by and never "
            "trained on.",
            min=0,
            max=1,
        ),
    ] = 0.0,
    as_json: AsJson = False,
) -> None:
    """Make a corpus of clips, or go on with one, and print its data card.

    Stopped at any moment and started again, it goes on where it was; clips that are done are not
    done again.
    """
    from likeness.model.components import checkpoint_folder, read_config
    from likeness.store.crew import crew_of
    from likeness.training.corpus.listing import listed
    from likeness.training.corpus.making import Plan, make_corpus
    from likeness.training.corpus.settings import CorpusSettings, window_frames

    # Whole paths: the processes of a cluster don't work in this folder.
    folder = checkpoint_folder(checkpoint).resolve()
    config = read_config(folder)
    frames = window_frames(window, config)
    settings = CorpusSettings(
        frames=frames,
        step=frames if step is None else round(step * config.fps),
        crop=crop,
        world=rewards,
        held_out=held_out,
    )
    plan = Plan(checkpoint=str(folder), out=out.resolve(), settings=settings, device=device)
    crew = crew_of(workers, ray, gpus=int(device.startswith("cuda")))
    with bars("corpus") as progress:
        card = make_corpus(
            plan, listed(clips.resolve(), people), crew, threshold=same_person, progress=progress
        )
    _print(card, as_json)


@app.command()
def check(
    corpus: Annotated[Path, typer.Argument(help="Folder of the corpus.", file_okay=False)],
) -> None:
    """Read every shard of a finished corpus and compare it with its hash."""
    from likeness.training.corpus.index import read_index
    from likeness.training.corpus.settings import read_description
    from likeness.training.corpus.shards import Shards, check_shard

    read_description(corpus)
    shards, index = Shards(corpus), read_index(corpus)
    names = sorted(set(index["shard"]))
    with bars("shards") as progress:
        for done, name in enumerate(names, 1):
            check_shard(shards.path(name), name, whole=True)
            progress(done, len(names), name[:16])
    say(f"{len(names)} shards of {len(index)} windows are whole")


def _print(card: "Card", as_json: bool) -> None:
    say(card.to_json().rstrip() if as_json else card.to_text().rstrip())
