"""What moves in a talking face, and that in numbers."""

from dataclasses import dataclass, fields

import numpy as np

from likeness.rewards.faces import FaceTrack
from likeness.rewards.landmarks import Landmarker, Layout
from likeness.store.clip import Footage

FLOOR = 1e-3
SILENCE = 1e-3
QUICK_HZ = 3.0
SHORTEST_LOOP = 4
LAGS = range(-2, 3)
COEFFICIENTS = ("head_x", "head_y", "roll", "turn_x", "turn_y", "eyes", "mouth")


@dataclass(frozen=True, kw_only=True, eq=False)
class Movement:
    """What moves in a clip, frame by frame; lengths in distances between the eyes.

    Attributes:
        head: (T, 3) position of the head in the picture, x and y, and its roll in radians.
        turn: (T, 2) nose against the middle of the eyes: grows with yaw and pitch.
        eyes: (T,) opening of the eyes by their width.
        mouth: (T,) gap between the inner lips.
        loudness: (T,) log RMS of the sound of each frame; NaN without sound.
        fps: frames a second.

    """

    head: np.ndarray
    turn: np.ndarray
    eyes: np.ndarray
    mouth: np.ndarray
    loudness: np.ndarray
    fps: float

    def window(self, start: int, frames: int) -> "Movement":
        """Cut out frames."""
        cut = slice(start, start + frames)
        return Movement(
            head=self.head[cut],
            turn=self.turn[cut],
            eyes=self.eyes[cut],
            mouth=self.mouth[cut],
            loudness=self.loudness[cut],
            fps=self.fps,
        )


@dataclass(frozen=True, kw_only=True)
class MotionStatistics:
    """A clip's motion in numbers that differ less within a person than between ways of failing.

    Attributes:
        movement: log RMS speed of the head.
        jerk: log dimensionless jerk of the head: RMS third by RMS first difference.
        tempo: log share of the head's movement above 3 Hz.
        blinking: log deviation of the eyes' opening.
        talking: log deviation of the mouth's opening.
        following: correlation of mouth opening and loudness, at the best of -2..2 frames.
        repetition: log least distance of the clip to itself shifted by 4 frames or more, by the
            distance of frames that far apart on average; falls when a loop repeats.

    """

    movement: float
    jerk: float
    tempo: float
    blinking: float
    talking: float
    following: float
    repetition: float

    def to_array(self) -> np.ndarray:
        """Give the statistics in the order of their fields."""
        return np.array([getattr(self, name) for name in STATISTICS])


STATISTICS = tuple(field.name for field in fields(MotionStatistics))


def measure(points: np.ndarray, layout: Layout, clip: Footage) -> Movement:
    """Turn landmarks into movement.

    Args:
        points: (T, K, 2) in pixels, NaN without a face: gaps are filled linearly.
        layout: what the points mean.
        clip: for its sound and frame rate.

    """
    filled = _fill(points)
    left, right = (filled[:, list(corners)].mean(axis=1) for corners in layout.eyes)
    across = right - left
    scale = float(np.median(np.linalg.norm(across, axis=1)))
    middle = (left + right) / 2
    roll = np.arctan2(across[:, 1], across[:, 0])
    nose = filled[:, layout.nose]
    return Movement(
        head=np.concatenate([middle / scale, roll[:, None]], axis=1),
        turn=(nose - middle) / scale,
        eyes=eye_opening(filled, layout),
        mouth=np.mean([_gap(filled, lips) for lips in layout.lips], axis=0) / scale,
        loudness=loudness(clip),
        fps=clip.fps,
    )


def movement_of(clip: Footage, track: FaceTrack, landmarker: Landmarker) -> Movement:
    """Measure how the face of a track moves, piece by piece: no long film is held as a whole."""
    points: list[np.ndarray] = []
    start = 0
    for piece in clip.pieces():
        points.append(landmarker.find(piece, track.window(start, len(piece))))
        start += len(piece)
    return measure(np.concatenate(points), landmarker.layout, clip)


def coefficients(movement: Movement) -> np.ndarray:
    """Give the movement frame by frame as (T, 7) float32, in the order of COEFFICIENTS.

    What the generator's movement stream takes. Where the face stands in the frame, how it is built
    and how far its eyes are open at rest are no movement: head, turn and eyes are told from their
    median over the clip, so that one person's can be given to another. Roll and mouth have a rest
    of their own, upright and shut.
    """
    rows = np.concatenate(
        [movement.head, movement.turn, movement.eyes[:, None], movement.mouth[:, None]], axis=1
    )
    rest = np.median(rows, axis=0)
    rest[[COEFFICIENTS.index("roll"), COEFFICIENTS.index("mouth")]] = 0
    return (rows - rest).astype(np.float32)


def curves(movement: Movement) -> dict[str, np.ndarray]:
    """Give what can be drawn over time, (T,) each.

    ``mouth`` and ``eyes`` are openings and ``loudness`` the log RMS of :class:`Movement`;
    ``head_speed`` is in distances between the eyes a second, NaN in the first frame.
    """
    head = np.concatenate([movement.head, movement.turn], axis=1)
    speed = np.linalg.norm(np.diff(head, axis=0), axis=1) * movement.fps
    return {
        "mouth": movement.mouth,
        "loudness": movement.loudness,
        "head_speed": np.concatenate([[np.nan], speed]),
        "eyes": movement.eyes,
    }


def eye_opening(points: np.ndarray, layout: Layout) -> np.ndarray:
    """Measure how far the eyes of points (T, K, 2) are open by their width, (T,); NaN stays."""
    width = np.mean([_gap(points, corners) for corners in layout.eyes], axis=0)
    return np.mean([_gap(points, lids) for lids in layout.lids], axis=0) / width


def loudness(clip: Footage) -> np.ndarray:
    """Log RMS of the sound of each frame, (T,); NaN where there is none or it is silent."""
    per_frame = clip.sample_rate / clip.fps
    audio = clip.audio.astype(np.float64)
    if not len(audio) or np.sqrt(np.mean(audio**2)) < SILENCE:
        return np.full(len(clip), np.nan)
    edges = np.round(np.arange(len(clip) + 1) * per_frame).astype(int)
    energy = np.concatenate([[0.0], np.cumsum(audio**2)])[np.minimum(edges, len(audio))]
    mean = np.diff(energy) / per_frame
    return np.log(np.sqrt(np.maximum(mean, 0)) + SILENCE)


def statistics(movement: Movement) -> MotionStatistics:
    """Sum a movement up."""
    head = np.concatenate([movement.head, movement.turn], axis=1)
    speed = _rms(np.diff(head, axis=0))
    return MotionStatistics(
        movement=float(np.log(speed + FLOOR)),
        jerk=float(np.log((_rms(np.diff(head, n=3, axis=0)) + FLOOR) / (speed + FLOOR))),
        tempo=_quick_share(head, movement.fps),
        blinking=float(np.log(movement.eyes.std() + 10 * FLOOR)),
        talking=float(np.log(movement.mouth.std() + 10 * FLOOR)),
        following=_following(movement.mouth, movement.loudness),
        repetition=_repetition(movement),
    )


def average_statistics(movement: Movement, frames: int) -> np.ndarray:
    """Mean statistics of the windows of `frames` frames, half a window apart: (7,)."""
    starts = range(0, len(movement.eyes) - frames + 1, max(1, frames // 2))
    table = np.stack([statistics(movement.window(s, frames)).to_array() for s in starts])
    known = np.isfinite(table)
    counts = known.sum(axis=0)
    sums = np.where(known, table, 0).sum(axis=0)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def _fill(points: np.ndarray) -> np.ndarray:
    times = np.arange(len(points))
    known = times[np.isfinite(points).all(axis=(1, 2))]
    flat = points.reshape(len(points), -1)
    columns = [np.interp(times, known, flat[known, k]) for k in range(flat.shape[1])]
    return np.stack(columns, axis=1).reshape(points.shape)


def _gap(points: np.ndarray, pair: tuple[int, int]) -> np.ndarray:
    return np.linalg.norm(points[:, pair[1]] - points[:, pair[0]], axis=1)


def _rms(rows: np.ndarray) -> float:
    return float(np.sqrt((rows**2).sum(axis=1).mean()))


def _quick_share(head: np.ndarray, fps: float) -> float:
    times = np.linspace(-1, 1, len(head))
    slope = (times @ head) / (times @ times)
    swinging = (head - head.mean(axis=0) - np.outer(times, slope)) * np.hanning(len(head))[:, None]
    power = (np.abs(np.fft.rfft(swinging, axis=0)) ** 2).sum(axis=1)
    quick = np.fft.rfftfreq(len(head), 1 / fps) > QUICK_HZ
    return float(np.log((power[quick].sum() + FLOOR) / (power.sum() + FLOOR)))


def _following(mouth: np.ndarray, sound: np.ndarray) -> float:
    """Best correlation over a few frames of lag; 0 for a mouth that stands still."""
    if not np.isfinite(sound).all() or sound.std() < FLOOR:
        return float("nan")
    if mouth.std() < FLOOR:
        return 0.0
    best = -1.0
    for lag in LAGS:
        a = mouth[max(0, lag) : len(mouth) + min(0, lag)]
        b = sound[max(0, -lag) : len(sound) + min(0, -lag)]
        if a.std() > 0 and b.std() > 0:
            best = max(best, float(np.corrcoef(a, b)[0, 1]))
    return best


def _repetition(movement: Movement) -> float:
    signals = np.concatenate(
        [movement.head, movement.turn, movement.mouth[:, None], movement.eyes[:, None]], axis=1
    )
    distances = [
        np.abs(signals[lag:] - signals[:-lag]).mean()
        for lag in range(SHORTEST_LOOP, len(signals) // 2 + 1)
    ]
    return float(np.log((min(distances) + FLOOR) / (np.mean(distances) + FLOOR)))
