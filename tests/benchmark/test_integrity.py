from dataclasses import replace

import numpy as np
import pytest

from likeness.benchmark.integrity import check_clips
from likeness.benchmark.suite import Case, Suite, SuiteError
from likeness.store.clip import Clip


def clip(seed: int, voice: int) -> Clip:
    frames = np.random.default_rng(seed).integers(0, 256, (5, 16, 16, 3)).astype(np.uint8)
    loud = np.abs(np.cumsum(np.random.default_rng(voice).normal(size=20))) + 0.1
    noise = np.random.default_rng(9).uniform(-0.02, 0.02, 3200)
    audio = (noise * np.repeat(loud, 160)).clip(-1, 1).astype(np.float32)
    return Clip(frames=frames, fps=25.0, audio=audio, sample_rate=16000, identity="ann")


def suite(workspace, reference: Clip, target: Clip) -> Suite:
    case = Case(
        identity="ann",
        reference=workspace.put_clip(reference),
        target=workspace.put_clip(target),
        background="",
        prompt="",
        seed=0,
    )
    return Suite(name="two", cases=(case,))


def test_a_sound_suite_passes(workspace):
    check_clips(workspace, suite(workspace, clip(0, 0), clip(1, 1)))


def test_a_reference_that_is_the_targets_recording_leaks(workspace):
    louder = replace(clip(1, 0), audio=(1.5 * clip(1, 0).audio).clip(-1, 1))
    with pytest.raises(SuiteError, match=r"of ann leaks: .* one recording"):
        check_clips(workspace, suite(workspace, clip(0, 0), louder))


def test_a_clip_that_was_changed_is_told(workspace):
    made = suite(workspace, clip(0, 0), clip(1, 1))
    path = workspace.clip_path(made.cases[0].target)
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(SuiteError, match="was changed after suite 'two' was frozen"):
        check_clips(workspace, made)
