"""Orders to files on one device."""

import fcntl
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from likeness.cli.making.export import export, note_of, write_note
from likeness.cli.making.inputs import Read, read
from likeness.cli.making.long_take import LongTake
from likeness.cli.making.moving import moved
from likeness.cli.making.orders import Order, digest
from likeness.cli.making.settings import Making
from likeness.model import Conditioning, Generator
from likeness.model.encoders.audio import SAMPLE_RATE
from likeness.model.long_video import LongVideoSettings
from likeness.model.placement import memory_advice
from likeness.rewards.sets import RewardSet
from likeness.store.errors import LikenessError
from likeness.store.marks.signing import Identity, identity
from likeness.store.media import Reel
from likeness.store.progress import Progress, silent

State = Literal["made", "kept", "failed", "busy"]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of an order.

    Attributes:
        order: what was asked for.
        state: `made` now; `kept` as it was there already; `failed`; `busy` while another process
            makes it.
        reason: why it failed; empty otherwise.
        note: what the note beside the clip says; empty where there is no clip.

    """

    order: Order
    state: State
    reason: str = ""
    note: dict[str, Any] = field(default_factory=dict)


class Maker:
    """Makes clips one way, on one device.

    Args:
        making: the way.
        generator: with its adapter; its transformer is moved to the device.
        device: as torch names it.

    """

    def __init__(self, making: Making, generator: Generator, device: str) -> None:
        self._making = making
        self._generator = generator
        self._device = torch.device(device)
        self._rewards = RewardSet.load(making.rewards)
        self._signer: Identity | None = identity() if making.provenance else None
        self._facts = {
            "checkpoint": generator.hash,
            "checkpoint_name": making.checkpoint,
            "adapter": None if making.adapter is None else str(making.adapter),
            **making.facts(generator),
        }
        self._placement = making.placement(device)
        self._facts |= {"dtype": self._placement.dtype, "storage": self._placement.storage}
        self._placement.apply(generator)

    def read(self, order: Order) -> Read:
        """Read an order's files; raises a LikenessError where it can't be followed."""
        one = read(order, self._making, self._generator.config, self._rewards.faces)
        return moved(one, self._generator, self._rewards)

    def make(self, orders: list[Read], progress: Progress = silent) -> list[dict[str, Any]]:
        """Generate a batch and write its clips; return their notes."""
        whole = self._generator.config.frames
        longer = [one for one in orders if one.frames > whole]
        short = [one for one in orders if one.frames <= whole]
        with memory_advice(self._placement, one_by_one=self._making.one_by_one):
            notes = {one.order.out: self._make_long(one, progress) for one in longer}
            notes |= self._make_short(short, progress) if short else {}
        return [notes[one.order.out] for one in orders]

    def _make_short(self, orders: list[Read], progress: Progress) -> dict[Path, dict[str, Any]]:
        generator = self._generator
        parts = [
            generator.condition([one.request], reference_frames=self._making.reference_frames)
            for one in orders
        ]
        # The codec stays where it was loaded: it reads and writes pictures of the main memory.
        latents = generator.sample(
            Conditioning.stack(parts).to(self._device),
            seeds=[one.order.seed for one in orders],
            settings=self._making.sampling(generator),
            progress=progress,
        )
        return {
            one.order.out: self._written([generator.decode(row)[0][: one.frames]], one)
            for one, row in zip(orders, latents.cpu().split(1), strict=True)
        }

    def _make_long(self, one: Read, progress: Progress) -> dict[str, Any]:
        """Generate a clip in chunks; stopped, it goes on after its last whole chunk."""
        order, making = one.order, self._making
        parts = order.out.parent / ".parts" / f"{order.out.stem}-{self._key(order)[:16]}"
        settings = LongVideoSettings(
            frames=one.frames,
            seed=order.seed,
            sampler=making.sampling(self._generator),
            anchor=making.anchor,
            reference_frames=making.reference_frames,
        )
        long = LongTake(self._generator, one.request, settings, self._rewards, parts)
        long.make(progress)
        note = self._written(long.blocks(), one, long.facts)
        long.discard()
        return note

    def follow(self, orders: list[Order], *, wait: bool = False) -> list[Outcome]:
        """Make what isn't there yet, in one batch, and tell what became of each order.

        Args:
            orders: of the batch.
            wait: for clips that another process makes; otherwise they are `busy`.

        """
        outcomes: dict[Path, Outcome] = {}
        ready: list[Read] = []
        with ExitStack() as locks:
            for order in orders:
                if not locks.enter_context(_held(order.out, wait=wait)):
                    outcomes[order.out] = Outcome(order=order, state="busy")
                    continue
                try:
                    note = self._there(order)
                    if note is None:
                        ready.append(self.read(order))
                    else:
                        outcomes[order.out] = Outcome(order=order, state="kept", note=note)
                except (LikenessError, OSError) as error:
                    outcomes[order.out] = _failed(order, error)
            outcomes |= {made.order.out: made for made in self._attempted(ready)}
        return [outcomes[order.out] for order in orders]

    def _attempted(self, ready: list[Read]) -> list[Outcome]:
        """Make a batch; when it fails, each clip alone, so that one bad row costs no other."""
        if not ready:
            return []
        try:
            notes = self.make(ready)
        except (LikenessError, OSError) as error:
            if len(ready) == 1:
                return [_failed(ready[0].order, error)]
            return [outcome for one in ready for outcome in self._attempted([one])]
        return [
            Outcome(order=one.order, state="made", note=note)
            for one, note in zip(ready, notes, strict=True)
        ]

    def _there(self, order: Order) -> dict[str, Any] | None:
        note = note_of(order.out)
        return note if note is not None and note.get("key") == self._key(order) else None

    def _key(self, order: Order) -> str:
        """Hash of all that the clip depends on."""
        names = self._facts.keys() - {"checkpoint_name", "adapter"}  # the weights' hash covers both
        facts = {name: self._facts[name] for name in names}
        return digest({**facts, "condition": order.condition, "seed": order.seed})

    def _written(
        self,
        blocks: Iterable[np.ndarray],
        one: Read,
        known: Callable[[], dict[str, Any]] = dict,
    ) -> dict[str, Any]:
        """Write a clip and its note, with what is ``known`` once its last block was written."""
        order = one.order
        facts = {
            "key": self._key(order),
            "condition": order.condition,
            "seed": order.seed,
            "reference": str(order.reference),
            "audio": str(order.audio),
            "background": str(order.background),
            "prompt": order.prompt,
            "reference_start": order.reference_start,
            **{name: str(path) for name, path in order.moving.items()},
            **self._facts,
            "notes": list(one.notes),
        }
        film = Reel(
            blocks=blocks,
            fps=self._generator.config.fps,
            audio=one.speech,
            sample_rate=SAMPLE_RATE,
            origin="generated",
        )
        written = export(film, order.out, facts, mark=self._making.mark, signer=self._signer)
        note = {**facts, **known(), **written}
        write_note(order.out, note)
        return note


def _failed(order: Order, error: Exception) -> Outcome:
    return Outcome(order=order, state="failed", reason=" ".join(str(error).split()))


@contextmanager
def _held(clip: Path, *, wait: bool) -> Iterator[bool]:
    """Hold a clip against other processes; ends with the process. Yields whether it is ours."""
    folder = clip.parent / ".locks"
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / f"{clip.name}.lock", "a", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
            return
        yield True
