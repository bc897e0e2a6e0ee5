from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from likeness.cli.console import bars, print_json, say
from likeness.cli.making.settings import (
    Crop,
    Making,
    Mark,
    Offload,
    Precision,
    SamplerName,
    Storage,
    World,
)
from likeness.cli.options import AsJson

if TYPE_CHECKING:
    from likeness.cli.making.maker import Outcome
    from likeness.cli.making.orders import Order
    from likeness.model import Generator

CheckpointPath = Annotated[
    str, typer.Option("--checkpoint", help="A preset's name, or the folder of a checkpoint.")
]
AdapterPath = Annotated[
    Path | None, typer.Option("--adapter", help="An aligned run's adapter to put on it.")
]
SOME_FAILED = 1
ROWS_ON_CPU = 4


def generate(
    out: Annotated[Path | None, typer.Argument(help="The clip to write, .mp4.")] = None,
    *,
    reference: Annotated[
        Path | None, typer.Option("--reference", "-r", help="A video of the person.")
    ] = None,
    audio: Annotated[
        Path | None, typer.Option(help="What they are to say: a sound or video file.")
    ] = None,
    background: Annotated[
        Path | None,
        typer.Option(help="The scene, a picture; the person goes where it is transparent."),
    ] = None,
    prompt: Annotated[str, typer.Option(help="Scene and clothes in words.")] = "",
    reference_start: Annotated[
        float, typer.Option(help="Seconds into the reference to look from.", min=0)
    ] = 0.0,
    follow: Annotated[
        Path | None, typer.Option(help="A video whose movement the clip is to follow.")
    ] = None,
    style: Annotated[
        Path | None, typer.Option(help="A video of somebody whose way of moving it is to take.")
    ] = None,
    table: Annotated[
        Path | None,
        typer.Option(
            help="Make a clip of each row instead: CSV or Parquet with the columns reference, "
            "audio, background and, if wanted, prompt, seed, name, reference_start, follow, style."
        ),
    ] = None,
    folder: Annotated[
        Path | None, typer.Option("--out", help="Folder for a table's clips, and clips.csv.")
    ] = None,
    checkpoint: CheckpointPath = "tiny",
    adapter: AdapterPath = None,
    seed: Annotated[
        int, typer.Option(help="Of the noise; of a table's first row where it has no seeds.")
    ] = 0,
    sampler: Annotated[SamplerName | None, typer.Option(help="The preset's by default.")] = None,
    steps: Annotated[int | None, typer.Option(help="Of the sampler.", min=1)] = None,
    audio_guidance: Annotated[
        float | None, typer.Option(help="Above 1: the mouth follows the speech more closely.")
    ] = None,
    text_guidance: Annotated[
        float | None, typer.Option(help="Above 1: closer to the prompt.")
    ] = None,
    reference_guidance: Annotated[
        float | None, typer.Option(help="Above 1: closer to the person of the reference.")
    ] = None,
    movement_guidance: Annotated[
        float | None, typer.Option(help="Above 1: closer to the movement that is followed.")
    ] = None,
    reference_frames: Annotated[
        int | None, typer.Option(help="Of the reference that are looked at: 1, 5, 9 to 45.")
    ] = None,
    seconds: Annotated[
        float | None, typer.Option(help="Length of the clip; that of the speech by default.", min=0)
    ] = None,
    no_anchor: Annotated[
        bool,
        typer.Option("--no-anchor", help="Let the looks of a long clip follow its last frames."),
    ] = False,
    crop: Annotated[
        Crop, typer.Option(help="Take most of the reference's picture, or the head alone.")
    ] = "frame",
    whole_frame: Annotated[
        bool, typer.Option("--whole-frame", help="Take a reference without a face as it is.")
    ] = False,
    rewards: Annotated[
        World, typer.Option(help="Whose face detector finds the reference's face.")
    ] = "testbed",
    mark: Annotated[
        Mark, typer.Option(help="In the picture: a badge, or a watermark for machines.")
    ] = "invisible",
    no_provenance: Annotated[
        bool, typer.Option("--no-provenance", help="Leave out the signed C2PA manifest.")
    ] = False,
    one_by_one: Annotated[
        bool, typer.Option("--one-by-one", help="Guidance branches in turn: a third of the memory.")
    ] = False,
    dtype: Annotated[
        Precision | None, typer.Option(help="bfloat16 on a GPU, else float32, by default.")
    ] = None,
    offload: Annotated[
        Offload, typer.Option(help="group: one block at a time on the device; slower.")
    ] = "none",
    storage: Annotated[
        Storage, typer.Option(help="fp8: weights in 8 bits, a slightly different clip.")
    ] = "none",
    compile_: Annotated[
        bool, typer.Option("--compile", help="Compile the transformer's block first.")
    ] = False,
    attention_backend: Annotated[
        str | None, typer.Option(help="As diffusers names them, such as _native_flash.")
    ] = None,
    devices: Annotated[
        str | None, typer.Option(help="Such as cuda:0,cuda:1; all of the machine's by default.")
    ] = None,
    batch: Annotated[
        int | None,
        typer.Option(help="Rows of a table made at a time: 4 on the processor, else 1.", min=1),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Generate clips of a person saying something else in another scene.

    One clip, or one of each row of a table. Clips are marked as generated, and a note beside each
    says how it was made. A table that was begun goes on; a row that fails is told in clips.csv and
    the others go on, with exit code 1 at the end.
    """
    making = Making(
        checkpoint=checkpoint,
        adapter=adapter,
        sampler=sampler,
        steps=steps,
        audio_guidance=audio_guidance,
        text_guidance=text_guidance,
        reference_guidance=reference_guidance,
        movement_guidance=movement_guidance,
        reference_frames=reference_frames,
        seconds=seconds,
        anchor=not no_anchor,
        crop=crop,
        whole_frame=whole_frame,
        rewards=rewards,
        mark=mark,
        provenance=not no_provenance,
        one_by_one=one_by_one,
        dtype=dtype,
        offload=offload,
        storage=storage,
        compile=compile_,
        attention_backend=attention_backend,
    )
    if table is not None:
        asked = (out, reference, audio, background, prompt, reference_start, follow, style)
        if folder is None or any(asked):
            raise typer.BadParameter(
                "--table goes with --out FOLDER and without OUT; its columns say what is asked for"
            )
        _many(_orders(table, folder, seed), folder, making, devices, batch, as_json)
        return
    if out is None or reference is None or audio is None or background is None or folder:
        raise typer.BadParameter(
            "give OUT with --reference, --audio and --background, or --table with --out"
        )
    from likeness.cli.making.orders import Order

    order = Order(
        out=out,
        reference=reference,
        audio=audio,
        background=background,
        prompt=prompt,
        seed=seed,
        reference_start=reference_start,
        follow=follow,
        style=style,
    )
    _one(order, making, devices, as_json)


def load(checkpoint: str, adapter: Path | None) -> "Generator":
    """Load a checkpoint and put an adapter on it where one is given."""
    from likeness.cli.making import devices

    return devices.load(checkpoint, adapter)


def _one(order: "Order", making: Making, wanted: str | None, as_json: bool) -> None:
    from likeness.cli.making import devices
    from likeness.cli.making.maker import Maker, Outcome

    device = devices.devices(wanted)[0]
    _check_name(order.out)
    maker = Maker(making, load(making.checkpoint, making.adapter), device)
    read = maker.read(order)
    with bars("generating") as progress:
        note = maker.make([read], progress)[0]
    _tell_notes(Outcome(order=order, state="made", note=note))
    if as_json:
        print_json(note)
        return
    say(
        f"{order.out}: {note['frames']} frames, seed {order.seed}, "
        f"checkpoint {note['checkpoint'][:16]}"
    )


def _orders(table: Path, folder: Path, seed: int) -> "list[Order]":
    from likeness.cli.making.orders import read_orders

    return read_orders(table, folder, seed=seed)


def _many(
    orders: "list[Order]",
    folder: Path,
    making: Making,
    wanted: str | None,
    batch: int | None,
    as_json: bool,
) -> None:
    from likeness.cli.making import devices
    from likeness.cli.making.listing import row_of, write_listing

    chosen = devices.devices(wanted)
    folder.mkdir(parents=True, exist_ok=True)
    size = batch or (ROWS_ON_CPU if set(chosen) == {"cpu"} else 1)
    batches = [orders[i : i + size] for i in range(0, len(orders), size)]
    found: dict[Path, Outcome] = {}
    with bars("generating") as progress:
        progress(0, len(orders), ", ".join(chosen))
        for outcomes in devices.made_on(chosen, making, batches):
            found |= {outcome.order.out: outcome for outcome in outcomes}
            progress(len(found), len(orders), outcomes[-1].order.out.name if outcomes else "")
    told = [found[order.out] for order in orders]
    listing = write_listing(told, folder)
    for outcome in told:
        _tell_notes(outcome)
    states = [outcome.state for outcome in told]
    if as_json:
        print_json([row_of(outcome) for outcome in told])
    else:
        say(
            f"{listing}: {states.count('made')} made, {states.count('kept')} were there, "
            f"{states.count('failed')} failed"
        )
    if "failed" in states:
        typer.echo(
            f"likeness: {states.count('failed')} of {len(states)} rows failed; {listing} says why",
            err=True,
        )
        raise typer.Exit(SOME_FAILED)


def _check_name(out: Path) -> None:
    from likeness.store import LikenessError

    if out.suffix.lower() != ".mp4":
        raise LikenessError(f"{out}: clips are .mp4 files; give such a name")


def _tell_notes(outcome: "Outcome") -> None:
    for note in outcome.note.get("notes", ()) if outcome.state == "made" else ():
        typer.echo(f"likeness: {note}", err=True)
