from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from likeness.cli.console import bars, say

if TYPE_CHECKING:
    import numpy as np

    from likeness.model import Generator

CheckpointPath = Annotated[
    str, typer.Option("--checkpoint", help="A preset's name, or the folder of a checkpoint.")
]
AdapterPath = Annotated[
    Path | None, typer.Option("--adapter", help="An aligned run's adapter to put on it.")
]


def generate(
    out: Annotated[Path, typer.Argument(help="The clip to write, .mp4.")],
    *,
    reference: Annotated[Path, typer.Option("--reference", "-r", help="A video of the person.")],
    audio: Annotated[Path, typer.Option(help="What they are to say: a sound or video file.")],
    background: Annotated[
        Path,
        typer.Option(help="The scene, a picture; the person goes where it is transparent."),
    ],
    prompt: Annotated[str, typer.Option(help="Scene and clothes in words.")] = "",
    checkpoint: CheckpointPath = "tiny",
    adapter: AdapterPath = None,
    seed: Annotated[int, typer.Option(help="Of the noise.")] = 0,
    steps: Annotated[int | None, typer.Option(help="Of the sampler.", min=1)] = None,
    audio_guidance: Annotated[
        float | None, typer.Option(help="Above 1: the mouth follows the speech more closely.")
    ] = None,
    reference_guidance: Annotated[
        float | None, typer.Option(help="Above 1: closer to the person of the reference.")
    ] = None,
    rewards: Annotated[
        Literal["testbed", "real"],
        typer.Option(help="Whose face detector finds the reference's face."),
    ] = "testbed",
) -> None:
    """Generate one clip of a person saying something else in another scene."""
    from likeness.model import Request
    from likeness.rewards.sets import RewardSet
    from likeness.store.clip import Clip
    from likeness.store.media import decode, decode_audio, encode

    shown = decode(reference)
    speech = decode_audio(audio)
    scene, hidden = _scene(background)
    generator = load(checkpoint, adapter)
    boxes = RewardSet.load(rewards).faces.tracks([shown])[0].boxes
    request = Request(
        driving=speech,
        reference=shown,
        reference_boxes=boxes,
        background=scene,
        hidden=hidden,
        prompt=prompt,
    )
    config = generator.config
    settings = generator.sampler_settings
    guidance = settings.guidance
    if audio_guidance is not None:
        guidance = replace(guidance, audio=audio_guidance)
    if reference_guidance is not None:
        guidance = replace(guidance, reference=reference_guidance)
    settings = replace(settings, steps=steps or settings.steps, guidance=guidance)
    with bars("generating") as progress:
        latents = generator.sample(
            generator.condition([request]),
            seeds=[seed],
            settings=settings,
            progress=progress,
        )
    frames = generator.decode(latents)[0]
    length = round(config.frames / config.fps * 16_000)
    clip = Clip(
        frames=frames, fps=config.fps, audio=speech[:length], sample_rate=16_000, origin="generated"
    )
    encode(clip, out)
    say(f"{out}: {config.frames} frames, seed {seed}, checkpoint {generator.hash[:16]}")


def load(checkpoint: str, adapter: Path | None) -> "Generator":
    """Load a checkpoint and put an adapter on it where one is given."""
    from likeness.alignment.adapter import load_adapter
    from likeness.model import Generator

    generator = Generator.load(checkpoint)
    if adapter is not None:
        load_adapter(generator, adapter)
    return generator


def _scene(path: Path) -> "tuple[np.ndarray, np.ndarray]":
    """Read a background picture and where the person goes; opaque, a head-and-shoulders block."""
    import cv2
    import numpy as np

    from likeness.store import LikenessError
    from likeness.testbed.take import hidden_region

    data = np.fromfile(path, np.uint8)
    picture = cv2.imdecode(data, cv2.IMREAD_UNCHANGED) if len(data) else None
    if picture is None or picture.ndim != 3:
        raise LikenessError(f"{path} is no colour picture that can be read; give a PNG or JPEG")
    side = min(picture.shape[:2])
    top, left = ((n - side) // 2 for n in picture.shape[:2])
    picture = picture[top : top + side, left : left + side]
    rgb = np.ascontiguousarray(picture[..., 2::-1])
    if picture.shape[2] == 4 and (picture[..., 3] == 0).any():
        return rgb, picture[..., 3] == 0
    return rgb, hidden_region(side)
