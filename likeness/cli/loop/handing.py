"""What the cases of a suite give, as files that any system can read."""

import json
from pathlib import Path

import cv2
import numpy as np

from likeness.benchmark.suite import Case, Suite
from likeness.store.atomic import write_bytes
from likeness.store.content import background_png
from likeness.store.media import encode
from likeness.store.progress import Progress, silent
from likeness.store.workspace import Workspace


def hand_out(workspace: Workspace, suite: Suite, out: Path, progress: Progress = silent) -> None:
    """Write a folder a case, called by it.

    `reference.mp4` has frames with their sound, `reference.png` the first of them, `audio.wav` the
    speech, `background.png` the scene, transparent where the person goes, `prompt.txt` the prompt,
    `case.json` the rest; `target.mp4` is there where the case is not hidden.

    Raises:
        DiskFullError: no room on the disk.

    """
    for number, case in enumerate(suite.cases):
        progress(number, len(suite.cases), case.identity)
        _hand(workspace, case, out / case.id)
    facts = {"suite": suite.facts(), "cases": [case.id for case in suite.cases]}
    write_bytes(out / "suite.json", (json.dumps(facts, indent=1) + "\n").encode())
    progress(len(suite.cases), len(suite.cases), "written")


def _hand(workspace: Workspace, case: Case, folder: Path) -> None:
    reference, target = workspace.get_clip(case.reference), workspace.get_clip(case.target)
    encode(reference, folder / "reference.mp4")
    first = np.ascontiguousarray(reference.frames[0][..., ::-1])
    write_bytes(folder / "reference.png", cv2.imencode(".png", first)[1].tobytes())
    write_bytes(folder / "audio.wav", _wav(target.audio, target.sample_rate))
    scene = background_png(*workspace.get_background(case.background))
    write_bytes(folder / "background.png", scene)
    write_bytes(folder / "prompt.txt", f"{case.prompt}\n".encode())
    width, height = target.size
    about = {
        "case": case.id,
        "frames": len(target),
        "fps": target.fps,
        "width": width,
        "height": height,
        "seed": case.seed,
        "hidden": case.hidden,
    }
    write_bytes(folder / "case.json", (json.dumps(about, indent=1) + "\n").encode())
    if not case.hidden:
        encode(target, folder / "target.mp4")


def _wav(audio: np.ndarray, rate: int) -> bytes:
    """Write (samples,) float32 in -1..1 as 16 bits."""
    import io
    import wave

    data = io.BytesIO()
    with wave.open(data, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(np.round(audio * 32767).astype("<i2").tobytes())
    return data.getvalue()
