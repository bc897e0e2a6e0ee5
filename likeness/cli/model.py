from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from likeness.cli.console import print_json, say
from likeness.cli.options import AsJson, family

if TYPE_CHECKING:
    from likeness.model.cost.description import Description

app = family(help="Describe a generator: its tokens, parameters, FLOPs and time.")


@app.callback()
def model() -> None:
    """Describe a generator: its tokens, parameters, FLOPs and time."""


@app.command()
def describe(
    *,
    preset: Annotated[str, typer.Option(help="tiny, wan2.1-1.3b or wan2.1-14b.")],
    ref_frames: Annotated[int, typer.Option(help="Video frames of the reference, 1 to 48.")],
    frames: Annotated[
        int | None, typer.Option(help="Video frames of the clip, 1 + 4k; by default the preset's.")
    ] = None,
    height: Annotated[int | None, typer.Option(help="Of a frame in pixels.")] = None,
    width: Annotated[int | None, typer.Option(help="Of a frame in pixels.")] = None,
    face_share: Annotated[
        float, typer.Option(help="Of the reference's tokens, in face boxes; TAVR's mean is 0.09.")
    ] = 0.09,
    background_share: Annotated[
        float, typer.Option(help="Of the background's tokens, that are not masked.")
    ] = 1.0,
    motion_latents: Annotated[
        int, typer.Option(help="Latent frames of the previous clip; 2 in TAVR's longer videos.")
    ] = 0,
    movement_tokens: Annotated[
        int, typer.Option(help="Of a latent frame in the movement stream; 0 for none.")
    ] = 0,
    gpu: Annotated[str, typer.Option(help="Whose roofline: h200, h100, a100 and others.")] = "h200",
    as_json: AsJson = False,
) -> None:
    """Print what a preset's transformer is and what a clip costs.

    Counted from sizes: no weights are needed, and none are allocated.
    """
    from likeness.model.config import preset_named
    from likeness.model.cost.description import describe
    from likeness.model.cost.roofline import gpu_named
    from likeness.model.cost.tokens import Streams

    asked = {"frames": frames, "height": height, "width": width}
    config = replace(
        preset_named(preset), **{name: n for name, n in asked.items() if n is not None}
    )
    if movement_tokens:
        transformer = {**config.transformer, "movement_tokens": movement_tokens}
        config = replace(config, transformer=transformer)
    streams = Streams.of(
        config,
        reference_frames=ref_frames,
        face_share=face_share,
        background_share=background_share,
        motion_latents=motion_latents,
    )
    description = describe(config, streams, reference_frames=ref_frames, gpu=gpu_named(gpu))
    if as_json:
        print_json(description.to_dict())
    else:
        _print(description)


def _print(told: "Description") -> None:
    config = told.config
    say(
        f"{config.preset}: {config.frames} frames of {config.height} x {config.width} at "
        f"{config.fps:g} fps, {told.reference_frames} reference frames; the transformer alone, in "
        "bf16"
    )
    _print_tokens(told)
    _print_parameters(told)
    _print_flops(told)
    _print_time(told)


def _print_tokens(told: "Description") -> None:
    streams = told.streams
    say("\ntokens")
    say(f"  {'target':<24}{streams.target:>16,}  {streams.target_frames} latent frames")
    say(f"  {'background':<24}{streams.background:>16,}  of {streams.background_before:,}")
    say(f"  {'motion':<24}{streams.motion:>16,}  {streams.motion_frames} latent frames")
    say(
        f"  {'reference':<24}{streams.reference:>16,}  of {streams.reference_before:,} before "
        f"selection, {streams.reference_frames} latent frames"
    )
    if streams.movement:
        say(f"  {'movement':<24}{streams.movement:>16,}  of the target's latent frames")
        say(f"  {'reference movement':<24}{streams.reference_movement:>16,}  of the reference's")
    say(f"  {'total':<24}{streams.total:>16,}")


def _print_parameters(told: "Description") -> None:
    say("\nparameters")
    for title, wan in (("Wan2.1's", True), ("added to these", False)):
        parts = [part for part in told.parameters if part.wan == wan]
        for part in parts:
            say(f"    {part.name:<22}{part.parameters:>16,}")
        say(f"  {title:<24}{sum(part.parameters for part in parts):>16,}")
    total = sum(part.parameters for part in told.parameters)
    say(f"  {'total':<24}{total:>16,}  {_bytes(told.weights)}")


def _print_flops(told: "Description") -> None:
    say(f"\n{'FLOPs':<26}{'target, a forward':>18}{'reference, a clip':>20}{'both':>12}")
    target, reference = told.target, told.reference
    rows = {
        "self-attention": (target.self_attention, reference.self_attention),
        "text cross-attention": (target.text_attention, reference.text_attention),
        "audio cross-attention": (target.audio_attention, reference.audio_attention),
        "feed-forward": (target.feed_forward, reference.feed_forward),
        "a layer": (target.total, reference.total),
        f"{told.layers} layers": (told.layers * target.total, told.layers * reference.total),
        "with embedders and head": (told.target_forward, told.reference_forward),
    }
    for name, (each, once) in rows.items():
        say(f"  {name:<24}{_flops(each):>18}{_flops(once):>20}{_flops(each + once):>12}")


def _print_time(told: "Description") -> None:
    gpu, seconds = told.gpu, told.seconds
    say("\nreference cache")
    say(f"  {'a layer':<24}{_bytes(told.cache_layer):>16}")
    say(f"  {f'{told.layers} layers':<24}{_bytes(told.cache):>16}")
    say(
        f"\nroofline on {gpu.name}: {gpu.flops / 1e12:g} TFLOP/s {gpu.basis}, "
        f"{gpu.bandwidth / 1e12:g} TB/s\n  {gpu.source}"
    )
    rows = (
        ("a layer", seconds.layer, "target and reference"),
        ("a layer, cached", seconds.cached_layer, "target alone"),
        ("a forward, cached", seconds.forward, f"{told.layers} layers, embedders and head"),
        ("the reference", seconds.reference, "once a clip"),
        (
            "a clip",
            seconds.clip,
            f"{told.config.steps} steps of {told.branches} forwards, and the reference",
        ),
    )
    for name, time, note in rows:
        say(f"  {name:<24}{_time(time):>16}  {note}")
    held = told.weights + told.branches * told.cache
    say(
        f"  {'memory':<24}{_bytes(held):>16}  of {_bytes(gpu.memory)}: weights, and the cache for "
        f"{told.branches} forwards at once"
    )


def _scaled(value: float, units: tuple[tuple[str, float], ...]) -> str:
    """Write a number with two decimals and the largest unit that it reaches."""
    unit, scale = next((u for u in units if value >= u[1]), units[-1])
    return f"{value / scale:,.2f} {unit}"


def _flops(count: float) -> str:
    return _scaled(count, (("P", 1e15), ("T", 1e12), ("G", 1e9), ("M", 1e6)))


def _bytes(count: float) -> str:
    return _scaled(count, (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)))


def _time(seconds: float) -> str:
    return _scaled(seconds, (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)))
