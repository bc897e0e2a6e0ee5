from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Literal

import typer

from likeness.cli.console import bars, print_json, say
from likeness.cli.options import AsJson, family

app = family(invoke_without_command=True)


@dataclass(frozen=True, kw_only=True)
class Listing:
    """A weights file as it is told of; `state` is here, missing or differs.

    `command` gets it, or is empty where there is no such command.
    """

    name: str
    state: str
    path: str
    licence: str
    size: int | None
    sha256: str | None
    source: str
    needed_by: str
    command: str = ""


def weights(as_json: bool) -> None:
    """List the weights that come with likeness and the published ones."""
    listings = [*_packaged(), *_published()]
    if as_json:
        print_json([asdict(listing) for listing in listings])
    else:
        _print(listings)
    if any(listing.state == "differs" for listing in listings):
        raise typer.Exit(1)


@app.callback()
def _weights(ctx: typer.Context, as_json: AsJson = False) -> None:
    """List the weights, and say where to get what is missing.

    Hashes are computed from the files, so that a damaged one shows. Exit code 1 where one differs
    from what was published.
    """
    if ctx.invoked_subcommand is None:
        weights(as_json)


@app.command("import")
def import_(
    preset: Annotated[str, typer.Argument(help="wan2.1-1.3b or wan2.1-14b.")],
    path: Annotated[
        Path,
        typer.Argument(
            help="Folder of a Wan2.1 pipeline in diffusers' layout; or of its transformer alone, "
            "or that one's .safetensors file."
        ),
    ],
    *,
    out: Annotated[Path, typer.Option(help="Folder to make for the checkpoint.")],
    pipeline: Annotated[
        Path | None,
        typer.Option(
            help="Folder in diffusers' layout for codec, text encoder and scheduler, where PATH "
            "has the transformer alone."
        ),
    ] = None,
    wav2vec2: Annotated[
        Path | None,
        typer.Option(help="Folder of Wav2Vec2 in transformers' layout, for the speech encoder."),
    ] = None,
    dtype: Annotated[
        Literal["bf16", "fp16", "fp32"],
        typer.Option(help="Of the transformer and the text encoder; other parts keep theirs."),
    ] = "bf16",
    seed: Annotated[int, typer.Option(help="Of the new parameters.", min=0, max=2**31 - 1)] = 0,
) -> None:
    """Make a Wan2.1 checkpoint ours, in diffusers' or the original layout.

    Every tensor is checked first; what TAVR adds is drawn from the seed and starts at nothing.
    Pickles are never read.
    """
    import torch

    from likeness.model.components import advice
    from likeness.model.config import preset_named
    from likeness.model.weights.importing import ImportSettings, import_wan

    types = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}
    settings = ImportSettings(dtype=types[dtype], seed=seed, pipeline=pipeline, wav2vec2=wav2vec2)
    with bars("importing") as progress:
        done = import_wan(preset_named(preset), path, out, settings, progress=progress)
    say(
        f"{done.folder}: {done.taken} tensors of Wan2.1 and {done.drawn} new ones (seed {seed}), "
        f"{done.size / 1e9:.2f} GB in {done.shards} files: {', '.join(done.parts)}"
    )
    if done.unread:
        say(
            f"not read: {', '.join(done.unread)}: pickles run what code they like; take codec and "
            "text encoder from the diffusers layout, by --pipeline"
        )
    if done.missing:
        say(f"still missing for clips: {', '.join(done.missing)}; {advice(preset)}")


def _packaged() -> list[Listing]:
    from likeness.store.weights import PACKAGED, file_hash

    return [
        Listing(
            name=path.relative_to(PACKAGED).as_posix(),
            state="here",
            path=str(path),
            licence="Apache-2.0",
            size=path.stat().st_size,
            sha256=file_hash(path),
            source="comes with likeness; `likeness testbed build` makes it again",
            needed_by="the testbed",
        )
        for path in sorted(PACKAGED.rglob("*.safetensors"))
    ]


def _published() -> list[Listing]:
    from likeness.store.weights import presence, weights_folder

    folder = weights_folder()
    return [
        Listing(
            name=file.name,
            state=state,
            path=str(folder / file.file),
            licence=file.licence,
            size=file.size,
            sha256=file.sha256,
            source=file.source,
            needed_by=file.needed_by,
            command=file.command.format(path=folder / file.file),
        )
        for file, state in presence()
    ]


_ADVICE = {
    "missing": "missing: get it from the source and put it at",
    "differs": "not the published file: get it again from the source and put it at",
    "here": "here:",
}


def _print(listings: list[Listing]) -> None:
    for listing in listings:
        size = "size unknown" if listing.size is None else f"{listing.size / 1e6:.2f} MB"
        say(f"{listing.name}  {size}")
        say(f"  {_ADVICE[listing.state]} {_shortened(listing.path)}")
        say(f"  licence    {listing.licence}")
        say(f"  needed by  {listing.needed_by}")
        say(f"  source     {listing.source}")
        say(f"  sha256     {listing.sha256 or 'unknown'}")
        if listing.command and listing.state != "here":
            say(f"  command    {_shortened_in(listing.command)}")


def _shortened_in(command: str) -> str:
    return command.replace(f"{Path.home()}/", "~/")


def _shortened(path: str) -> str:
    home = str(Path.home())
    return f"~{path.removeprefix(home)}" if path.startswith(f"{home}/") else path
