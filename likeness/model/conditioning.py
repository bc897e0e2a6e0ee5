"""What a generation is asked for, as tensors: c = {a_drv, R_id, C_aux} of TAVR eq. 1."""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from likeness.model.config import latent_frames
from likeness.store.clip import Clip


@dataclass(frozen=True, kw_only=True, eq=False)
class Request:
    """One generation, in pixels and samples.

    Attributes:
        driving: (samples,) float32 speech at 16 kHz.
        reference: clip of the person, in another scene.
        reference_boxes: (T_ref, 4) face boxes in pixels; a NaN row is a frame without a face.
        background: (H, W, 3) uint8 of the wanted scene.
        hidden: (H, W) True where the background is masked, that is where the person will be.
        prompt: caption of the wanted scene.
        movement: (F, K) coefficients a video frame to be followed, in the units of the checkpoint's
            scale; frames beyond their end and NaN ones are free. None for free movement.
        manner: (F_any, K) coefficients of a clip whose way of moving is wanted, or None.

    """

    driving: np.ndarray
    reference: Clip
    reference_boxes: np.ndarray
    background: np.ndarray
    hidden: np.ndarray
    prompt: str
    movement: np.ndarray | None = None
    manner: np.ndarray | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Conditioning:
    """A batch of conditions for the transformer; every tensor has the batch first.

    Attributes:
        text: (B, L, D_text) features of the prompt, zeros for the empty prompt's branch.
        empty_text: (B, L, D_text) features of the empty prompt.
        audio: (B, frames, D_audio) of the driving speech.
        background: (B, C, 1, h, w) latents with the hidden region grey.
        background_keep: (B, N) tokens that show something.
        reference: (B, C, T_ref, h, w) latents.
        reference_keep: (B, N_ref) tokens inside the face boxes.
        reference_audio: (B, frames_ref, D_audio) of the reference's own speech.
        hidden: (B, 1, 1, h, w) share of each latent cell that the person may cover, 0..1.
        hidden_pixels: (B, H, W) bool, the same in pixels.
        motion: (B, C, M, h, w) latents of what went before, or None at a clip's beginning. The
            driving speech then starts at the first of these, with its last video frame.
        movement: (B, T, size) normalised coefficients of the new latent frames, to be followed, or
            None. NaN frames are free.
        reference_movement: (B, T_any, size) of the reference or of another clip whose manner is
            wanted, or None. NaN frames are left out.

    """

    text: Tensor
    empty_text: Tensor
    audio: Tensor
    background: Tensor
    background_keep: Tensor
    reference: Tensor
    reference_keep: Tensor
    reference_audio: Tensor
    hidden: Tensor
    hidden_pixels: Tensor
    motion: Tensor | None = None
    movement: Tensor | None = None
    reference_movement: Tensor | None = None

    def __len__(self) -> int:
        return len(self.text)

    @property
    def new_frames(self) -> int:
        """Latent frames to generate: those that the driving speech covers, without the motion."""
        known = 0 if self.motion is None else self.motion.shape[2]
        return latent_frames(self.audio.shape[1]) - known

    def map(self, function: Callable[[Tensor], Tensor]) -> "Conditioning":
        """Apply a function to every tensor."""
        mapped: dict[str, Any] = {}
        for name in (f.name for f in fields(self)):
            tensor = getattr(self, name)
            mapped[name] = None if tensor is None else function(tensor)
        return Conditioning(**mapped)

    def __getitem__(self, rows: slice | list[int] | Tensor) -> "Conditioning":
        return self.map(lambda tensor: tensor[rows])

    def each(self, times: int) -> "Conditioning":
        """Give every row ``times`` rows beside each other, for samples of one condition."""
        return self if times == 1 else self.map(lambda tensor: tensor.repeat_interleave(times, 0))

    def to(self, device: torch.device | str) -> "Conditioning":
        """Move every tensor."""
        return self.map(lambda tensor: tensor.to(device))

    def in_type(self, dtype: torch.dtype) -> "Conditioning":
        """Bring all but the masks to a type."""
        return self.map(lambda tensor: tensor.to(dtype) if tensor.is_floating_point() else tensor)

    @staticmethod
    def stack(parts: "list[Conditioning]") -> "Conditioning":
        """Concatenate batches of one shape; movement that some of them lack is free there."""
        joined: dict[str, Any] = {}
        for name in (f.name for f in fields(Conditioning)):
            rows = [getattr(part, name) for part in parts]
            if "movement" in name and any(row is not None for row in rows):
                rows = _filled(rows, [len(part) for part in parts])
            joined[name] = None if rows[0] is None else torch.cat(rows)
        return Conditioning(**joined)

    def without(
        self,
        *,
        text: Tensor | None = None,
        audio: Tensor | None = None,
        reference: Tensor | None = None,
        reference_audio: Tensor | None = None,
        reference_movement: Tensor | None = None,
    ) -> "Conditioning":
        """Drop parts of the condition in the rows where a (B,) bool mask is True.

        The reference's movement goes with the reference, and can go alone.
        """
        out = self
        if text is not None:
            out = replace(out, text=torch.where(text[:, None, None], self.empty_text, self.text))
        if audio is not None:
            out = replace(out, audio=self.audio * ~audio[:, None, None])
        if reference is not None:
            out = replace(out, reference_keep=self.reference_keep & ~reference[:, None])
        for rows in (reference, reference_movement):
            if rows is not None and out.reference_movement is not None:
                left = out.reference_movement.masked_fill(rows[:, None, None], torch.nan)
                out = replace(out, reference_movement=left)
        if reference_audio is not None:
            keep = ~reference_audio[:, None, None]
            out = replace(out, reference_audio=self.reference_audio * keep)
        return out

    def branch(self, name: str) -> "Conditioning":
        """Withhold what a guidance branch goes without, but for the reference: the cache does."""
        rows = self.all_rows()
        if name == "no_audio":
            return self.without(audio=rows)
        if name == "no_movement":
            return replace(self, movement=None)
        return self.without(audio=rows, text=rows) if name == "neither" else self

    def all_rows(self, value: bool = True) -> Tensor:
        """Make a (B,) mask for :meth:`without`."""
        return torch.full((len(self),), value, device=self.text.device)


def _filled(rows: list[Tensor | None], sizes: list[int]) -> list[Tensor]:
    """Bring movements (B, T, size), of which there is one, to the longest T with frames of NaN."""
    given = [one for one in rows if one is not None]
    longest, size = max(one.shape[1] for one in given), given[0].shape[2]
    filled: list[Tensor] = []
    for one, batch in zip(rows, sizes, strict=True):
        whole = given[0].new_full((batch, longest, size), torch.nan)
        if one is not None:
            whole[:, : one.shape[1]] = one
        filled.append(whole)
    return filled


def anchored(cond: Conditioning, anchor: Tensor) -> Conditioning:
    """Put a whole latent frame (B, C, 1, h, w) in the place of the masked background.

    It is that of the first frame of the first chunk, in the further chunks of a long clip (TAVR,
    section 3.1): it fixes the person's and the scene's looks, so that errors don't add up.
    """
    return replace(cond, background=anchor, background_keep=torch.ones_like(cond.background_keep))
