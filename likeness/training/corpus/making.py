"""Clips to a corpus: each clip by itself, then who is who, the index and the card."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save

from likeness.model.encoders.codec import TIME
from likeness.rewards.threads import one_thread
from likeness.store.atomic import write_bytes
from likeness.store.content import address
from likeness.store.crew import Crew, CrewError, Lost
from likeness.store.media import MediaError
from likeness.store.progress import Progress, silent
from likeness.store.weights import WeightsError, file_hash
from likeness.training.corpus.card import Card, card_of
from likeness.training.corpus.encoding import Encoders
from likeness.training.corpus.footage import (
    Footage,
    Take,
    UnfitError,
    complaint,
    study,
    takes,
    window_starts,
)
from likeness.training.corpus.forgetting import Tombstones
from likeness.training.corpus.holding import held
from likeness.training.corpus.index import index_of, write_index
from likeness.training.corpus.listing import Listed
from likeness.training.corpus.people import SAME_PERSON
from likeness.training.corpus.records import (
    SHARDS,
    SUFFIX,
    ClipRecord,
    Refusal,
    Shard,
    record_of,
    stamp,
)
from likeness.training.corpus.settings import CorpusSettings, describe, freeze


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What every process of a making is told.

    Attributes:
        checkpoint: folder or name of a preset; its codec and encoders are used.
        out: folder of the corpus.
        settings: how clips become windows.
        device: of the codec, in every process.

    """

    checkpoint: str
    out: Path
    settings: CorpusSettings
    device: str = "cpu"


class ClipMaker:
    """Makes the shards and the record of a clip; loads encoders when it first needs them."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._encoders: Encoders | None = None
        self._heard: tuple[Footage, np.ndarray] | None = None

    def __reduce__(self) -> tuple:
        """Cross to another process without the encoders, which are loaded there."""
        return ClipMaker, (self.plan,)

    @property
    def encoders(self) -> Encoders:
        """The checkpoint's encoders and the world's judges."""
        if self._encoders is None:
            plan = self.plan
            self._encoders = Encoders.load(plan.checkpoint, plan.settings.world, plan.device)
        return self._encoders

    def __call__(self, clip: Listed) -> ClipRecord:
        """Make a clip's shards and record it, or why it was refused.

        Raises:
            DiskFullError: no room on the disk; nothing half-written is left.
            LikenessError: a part of the checkpoint or weights are missing.

        """
        with one_thread():
            return self._make(clip)

    def _make(self, clip: Listed) -> ClipRecord:
        size, modified = stamp(clip.path)
        footage, shards, refused = None, [], []
        try:
            footage = self._study(clip)
            for number, take in enumerate(self._takes(footage)):
                if isinstance(take, UnfitError):
                    refused.append(Refusal(kind=take.kind, reason=take.reason))
                    continue
                made, left_out = self._take(number, take, footage, clip.prompt)
                shards += made
                refused += left_out
        except UnfitError as error:
            refused.append(Refusal(kind=error.kind, reason=error.reason))
        except MediaError as error:
            shards = []
            reason = str(error).removeprefix(f"{clip.path}: ")
            refused.append(Refusal(kind="unreadable", reason=reason))
        record = ClipRecord(
            name=clip.name,
            size=size,
            modified=modified,
            hash="" if size < 0 else file_hash(clip.path),
            frames=0 if footage is None else len(footage),
            shards=tuple(shards),
            refused=tuple(refused),
        )
        record.save(clip, self.plan.out)
        return record

    def _study(self, clip: Listed) -> Footage:
        config, detector = self.encoders.config, self.encoders.judges.faces.detector
        return study(clip.path, config.fps, detector, self.plan.settings.least)

    def _takes(self, footage: Footage) -> Iterator[Take | UnfitError]:
        config = self.encoders.config
        return takes(footage, (config.height, config.width), self.plan.settings.crop)

    def _take(
        self, number: int, take: Take, footage: Footage, prompt: str
    ) -> tuple[list[Shard], list[Refusal]]:
        settings = self.plan.settings
        fit, refused = [], []
        for start in window_starts(len(take.frames), settings.frames, settings.step, TIME):
            wrong = complaint(take, start, settings.frames, settings.seen, settings.astray)
            if wrong is None:
                fit.append(start)
            else:
                at = (take.start + start) / footage.fps
                refused.append(Refusal(kind=wrong.kind, reason=wrong.reason, start=at))
        if not fit:
            return [], refused
        if self._heard is None or self._heard[0] is not footage:
            self._heard = footage, self.encoders.hear(footage)
        heard = self._heard[1]
        shared, moved = self.encoders.shared(take, prompt), self.encoders.movement(take, footage)
        shards = []
        for first in range(0, len(fit), settings.shard):
            starts = fit[first : first + settings.shard]
            windows = self.encoders.windows(take, footage, heard, starts, settings.frames)
            if moved is not None:
                cut = np.stack([moved[start : start + settings.frames] for start in starts])
                windows["movement"] = torch.from_numpy(cut)
            data = save({name: t.contiguous() for name, t in {**shared, **windows}.items()})
            name = _keep(data, self.plan.out)
            at = tuple(take.start + start for start in starts)
            shards.append(Shard(hash=name, take=number, starts=at))
        return shards, refused


def _keep(data: bytes, out: Path) -> str:
    """Write a shard to the address of its hash, and return the hash."""
    name = hashlib.sha256(data).hexdigest()
    write_bytes(address(out / SHARDS, name, SUFFIX), data)
    return name


def make_corpus(
    plan: Plan,
    clips: Sequence[Listed],
    crew: Crew,
    *,
    threshold: float = SAME_PERSON,
    progress: Progress = silent,
) -> Card:
    """Make a corpus, or go on with one: clips that are done and unchanged are not done again.

    Args:
        plan: with which checkpoint and settings, and where.
        clips: all that are to be in it.
        crew: who does the work; it changes nothing but the time.
        threshold: cosine of mean embeddings from which clips that name nobody show one person.
        progress: told after every clip.

    Raises:
        CorpusError: the folder holds a corpus that was made otherwise or is being made, a clip
            shows somebody who was forgotten in it, or nobody says who is shown and there is no
            recogniser to find it out.
        DiskFullError: no room on the disk; the same call goes on where it was.

    """
    with held(plan.out):
        Tombstones.read(plan.out).refuse(clips)
        maker = ClipMaker(plan)
        encoders = maker.encoders
        described = describe(encoders.config, encoders.parts, encoders.judges, plan.settings)
        if encoders.judges.recogniser is None and any(clip.identity is None for clip in clips):
            raise WeightsError(
                "who is shown must be told, by a table with a column `identity`: there is no face "
                "recogniser to find it out (`likeness weights` says which file is missing)"
            )
        freeze(described, plan.out)
        todo = [clip for clip in clips if record_of(clip, plan.out) is None]
        done = len(clips) - len(todo)
        progress(done, len(clips), "clips")
        for _, record in crew.follow(maker, todo):
            if isinstance(record, Lost):
                raise CrewError(
                    f"{record.reason}: run the same command again with fewer --workers; clips that "
                    "are done are kept"
                )
            done += 1
            progress(done, len(clips), record.name)
        index = index_of(clips, plan.out, threshold)
        write_index(index, plan.out)
        card = replace(
            card_of(index, clips, plan.out), forgotten=len(Tombstones.read(plan.out).people)
        )
        card.save(plan.out)
        return card
