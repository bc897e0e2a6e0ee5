from dataclasses import dataclass

import numpy as np

from likeness.testbed.shapes import Array
from likeness.testbed.speech import FPS, Speech

LIMIT = 3.0


@dataclass(frozen=True, kw_only=True)
class Manner:
    """How a person moves while talking.

    Rates are in Hz, amplitudes and gaze in units, tilt_amplitude in
    radians, mouth_gain and brow_gain are factors.
    """

    nod_rate: float
    nod_amplitude: float
    sway_rate: float
    sway_amplitude: float
    tilt_amplitude: float
    tilt_rest: float
    blink_rate: float
    blink_length: float
    mouth_gain: float
    brow_gain: float
    gaze_rate: float
    gaze_range: float
    gaze_rest: tuple[float, float]


@dataclass(frozen=True, kw_only=True, eq=False)
class Motion:
    """A head's movement, each (T,): shift x, y and turn x, y in units, roll in radians.

    blink in [0, 1] (1 = shut), brow in units (up is positive), gaze (T, 2) in units.
    """

    x: Array
    y: Array
    turn_x: Array
    turn_y: Array
    roll: Array
    blink: Array
    brow: Array
    gaze: Array


def draw_manner(rng: np.random.Generator) -> Manner:
    """Draw the manner of one person."""
    return Manner(
        nod_rate=rng.uniform(0.6, 2.4),
        nod_amplitude=rng.uniform(0.1, 1.9),
        sway_rate=rng.uniform(0.25, 1.0),
        sway_amplitude=rng.uniform(0.2, 2.0),
        tilt_amplitude=rng.uniform(0.0, 0.07),
        tilt_rest=rng.normal(0.0, 0.025),
        blink_rate=rng.uniform(0.15, 1.0),
        blink_length=rng.uniform(0.14, 0.26),
        mouth_gain=rng.uniform(0.72, 1.2),
        brow_gain=rng.uniform(0.0, 1.8),
        gaze_rate=rng.uniform(0.3, 2.0),
        gaze_range=rng.uniform(0.1, 1.1),
        gaze_rest=(rng.normal(0.0, 0.4), rng.normal(0.0, 0.2)),
    )


def move(manner: Manner, speech: Speech, rng: np.random.Generator) -> Motion:
    """Return the motion of a person of this manner saying this speech."""
    frames = len(speech.open)
    time = np.arange(frames) / FPS
    sway = _wander(time, manner.sway_rate, rng) * manner.sway_amplitude
    nod = _wander(time, manner.nod_rate, rng) * manner.nod_amplitude
    beat = (speech.stress - 0.4) * manner.nod_amplitude * 0.8
    roll = manner.tilt_rest + manner.tilt_amplitude * _wander(time, manner.sway_rate * 1.3, rng)
    gaze = _gaze(manner, frames, rng)
    return Motion(
        x=np.clip(sway, -LIMIT, LIMIT).astype(np.float32),
        y=np.clip(nod + beat, -LIMIT, LIMIT).astype(np.float32),
        turn_x=np.clip(1.1 * sway + 0.5 * gaze[:, 0], -LIMIT, LIMIT).astype(np.float32),
        turn_y=np.clip(0.9 * nod + beat, -LIMIT, LIMIT).astype(np.float32),
        roll=np.clip(roll, -0.14, 0.14).astype(np.float32),
        blink=_blinks(manner, time, rng),
        brow=(manner.brow_gain * np.clip(speech.stress, 0, 1)).astype(np.float32),
        gaze=gaze,
    )


def _wander(time: np.ndarray, rate: float, rng: np.random.Generator) -> np.ndarray:
    """Return an irregular oscillation of about one unit amplitude around a rate, (T,)."""
    phases = rng.uniform(0, 2 * np.pi, 3)
    parts = [
        weight * np.sin(2 * np.pi * rate * factor * time + phase)
        for weight, factor, phase in zip((0.7, 0.3, 0.2), (1.0, 0.61, 1.7), phases, strict=True)
    ]
    return np.sum(parts, axis=0)


def _blinks(manner: Manner, time: np.ndarray, rng: np.random.Generator) -> Array:
    """Return lid closure, (T,) in [0, 1]: fast down, slower up."""
    closure = np.zeros(len(time))
    at = rng.exponential(1 / manner.blink_rate)
    while at < time[-1] + 0.2:
        phase = (time - at) / manner.blink_length
        pulse = np.where(phase < 0, 1 + phase / 0.4, 1 - phase / 0.6) * 1.35
        closure = np.maximum(closure, np.clip(pulse, 0.0, 1.0))
        at += 0.25 + rng.exponential(1 / manner.blink_rate)
    return closure.astype(np.float32)


def _gaze(manner: Manner, frames: int, rng: np.random.Generator) -> Array:
    """Return where the irises stand, (T, 2): fixations joined by quick saccades."""
    gaze = np.empty((frames, 2))
    at = 0
    while at < frames:
        spread = np.array([manner.gaze_range, manner.gaze_range * 0.5])
        target = np.asarray(manner.gaze_rest) + rng.normal(0.0, 0.6, 2) * spread
        length = 3 + int(rng.exponential(FPS / manner.gaze_rate))
        gaze[at : at + length] = np.clip(target, (-1.4, -0.7), (1.4, 0.7))
        at += length
    return gaze.astype(np.float32)
