import math
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Self, get_args

from likeness.store.clip import Origin
from likeness.store.consent import Consent
from likeness.store.record import Record, RecordError, canonical_json, content_id, now

__all__ = [
    "Checkpoint",
    "ClipEntry",
    "Condition",
    "Consent",
    "Pair",
    "Record",
    "RecordError",
    "Run",
    "RunState",
    "Sample",
    "Score",
    "canonical_json",
    "content_id",
    "now",
]

RunState = Literal["queued", "running", "stopping", "stopped", "failed", "lost", "finished"]

RUN_STATES: tuple[RunState, ...] = get_args(RunState)


@dataclass(frozen=True, kw_only=True)
class ClipEntry(Record):
    """What the workspace knows of a media file it keeps.

    Attributes:
        id: SHA-256 of the file.
        identity: who is seen or heard, where known.
        scene: where and in which clothes, where known.
        origin: what made the frames.
        suffix: of the file, such as `.mp4`.
        duration: seconds; None where the file doesn't tell.
        fps: frames a second; None for sound alone.
        width: pixels; None for sound alone.
        height: likewise.
        created: when it was put, UTC, ISO 8601.

    """

    fleeting: ClassVar[frozenset[str]] = frozenset({"created"})

    id: str
    identity: str | None
    scene: str | None
    origin: Origin
    suffix: str
    duration: float | None
    fps: float | None
    width: int | None
    height: int | None
    created: str = field(default_factory=now)


@dataclass(frozen=True, kw_only=True)
class Score(Record):
    """One reward's value for one clip, or NaN and the reason why it is missing.

    Attributes:
        clip: clip id, or the path of a file that is in no workspace.
        reward: name of the reward, such as `identity_ref`.
        value: finite, or NaN exactly where `reason` is given.
        reason: why the value is missing.
        version: of the reward's code.
        weights: hash of the weights the reward used; empty where it needs none.
        condition: id of the condition the clip was scored under, where there is one.

    """

    clip: str
    reward: str
    value: float
    reason: str | None = None
    version: str
    weights: str = ""
    condition: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "value", float(self.value))
        if math.isinf(self.value):
            raise RecordError(f"score {self.reward} of {self.clip} is infinite")
        if math.isnan(self.value) and not self.reason:
            raise RecordError(f"score {self.reward} of {self.clip} is NaN without a reason")
        if not math.isnan(self.value) and self.reason is not None:
            raise RecordError(
                f"score {self.reward} of {self.clip} has both a value and a reason for missing it"
            )

    @classmethod
    def missing(
        cls, *, clip: str, reward: str, reason: str, version: str, weights: str = ""
    ) -> Self:
        """Make the score of a clip that could not be scored, and say why."""
        return cls(
            clip=clip,
            reward=reward,
            value=math.nan,
            reason=reason,
            version=version,
            weights=weights,
        )

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Rebuild a score; a value of None is read as NaN."""
        value = data.get("value")
        return super().from_dict({**data, "value": math.nan if value is None else value})


@dataclass(frozen=True, kw_only=True)
class Condition(Record):
    """What a generation is asked for: c = {a_drv, R_id, C_aux} of TAVR.

    Attributes:
        driving: id of the clip whose sound drives the mouth.
        references: ids of the clips that show and sound like the person; at least one.
        background: id of the RGBA picture of the scene, alpha 0 where the person goes.
        prompt: what the picture shows, in words.
        target: id of the true clip of this very speech in this very scene, where it exists.

    """

    driving: str
    references: tuple[str, ...]
    background: str
    prompt: str
    target: str | None = None

    def __post_init__(self) -> None:
        if not self.references:
            raise RecordError("a condition needs at least one reference clip")

    @property
    def id(self) -> str:
        """Hash of all fields."""
        return content_id(self.to_dict())


@dataclass(frozen=True, kw_only=True)
class Sample(Record):
    """A generated clip and what made it.

    Attributes:
        clip: id of the generated clip.
        condition: id of the condition.
        checkpoint: id of the checkpoint.
        seed: of the initial noise.
        sampler: settings of the sampler, such as steps and guidance.
        latents: id of the array with the clip's latents, where they were kept.

    """

    clip: str
    condition: str
    checkpoint: str
    seed: int
    sampler: dict[str, Any]
    latents: str | None = None

    def __post_init__(self) -> None:
        canonical_json(self.sampler)

    @staticmethod
    def id_of(*, condition: str, checkpoint: str, seed: int, sampler: dict[str, Any]) -> str:
        """Return the id a sample made in this way has, so that it need not be made twice."""
        return content_id(
            {"condition": condition, "checkpoint": checkpoint, "seed": seed, "sampler": sampler}
        )

    @property
    def id(self) -> str:
        """Hash of what made the sample; not of the clip that came out."""
        return self.id_of(
            condition=self.condition,
            checkpoint=self.checkpoint,
            seed=self.seed,
            sampler=self.sampler,
        )


@dataclass(frozen=True, kw_only=True)
class Pair(Record):
    """Winner and loser of one condition.

    Attributes:
        condition: id of the condition both samples were made for.
        winner: sample id.
        loser: sample id, another than the winner's.
        margin: how much better the winner is, in the units of `source`; finite.
        weight: of the pair in the loss, >= 0.
        source: what judged, such as `identity_ref` or `votes`.
        scores: the numbers behind the judgement, JSON values, None for missing.

    """

    condition: str
    winner: str
    loser: str
    margin: float
    weight: float = 1.0
    source: str
    scores: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.winner == self.loser:
            raise RecordError(f"pair of condition {self.condition}: a sample can't beat itself")
        if not math.isfinite(self.margin):
            raise RecordError(f"pair {self.winner} > {self.loser}: margin is {self.margin}")
        if not (math.isfinite(self.weight) and self.weight >= 0):
            raise RecordError(f"pair {self.winner} > {self.loser}: weight is {self.weight}")
        canonical_json(self.scores)

    @property
    def id(self) -> str:
        """Hash of all fields."""
        return content_id(self.to_dict())


@dataclass(frozen=True, kw_only=True)
class Run(Record):
    """One training or alignment run.

    Attributes:
        id: name of the run and of its folder in runs/.
        kind: the algorithm, such as `masked_dpo`.
        recipe: the resolved settings, JSON values.
        seeds: every seed the run draws from.
        commit: of the code.
        dataset_hash: of the data it learns from.
        state: where it stands; the one field that changes.
        created: UTC, ISO 8601.
        parent: id of the checkpoint it starts from.
        identities: the people it learns from, so that forgetting one finds it.

    """

    fleeting: ClassVar[frozenset[str]] = frozenset({"state", "created"})

    id: str
    kind: str
    recipe: dict[str, Any]
    seeds: tuple[int, ...]
    commit: str
    dataset_hash: str
    state: RunState = "queued"
    created: str = field(default_factory=now)
    parent: str | None = None
    identities: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        canonical_json(self.recipe)
        if self.state not in RUN_STATES:
            raise RecordError(f"run.state must be one of {', '.join(RUN_STATES)}: {self.state!r}")


@dataclass(frozen=True, kw_only=True)
class Checkpoint(Record):
    """Weights at a step of a run.

    Attributes:
        id: what samples call it by.
        run: id of the run that made it; None for a packaged or foreign one.
        step: of the run.
        path: of its folder or file, relative to the workspace.
        hash: of the weights.
        preset: of the generator, such as `tiny`.
        forgotten: tombstones of people it has learnt from and who were forgotten since.

    """

    fleeting: ClassVar[frozenset[str]] = frozenset({"forgotten"})

    id: str
    run: str | None
    step: int
    path: str
    hash: str
    preset: str
    forgotten: tuple[str, ...] = ()
