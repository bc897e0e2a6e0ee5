"""Whether frames show what the prompt says, by CLIP (Radford et al. 2021) through open_clip."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn.functional import normalize

from likeness.rewards.base import Detail, Subject, missing, scored
from likeness.rewards.cache import ClipCache
from likeness.rewards.vision.checkpoints import (
    CheckpointError,
    Placement,
    folder_hash,
    need_file,
    reading,
)
from likeness.rewards.vision.frames import batched, curve, each_second, frames_at
from likeness.store.clip import Footage
from likeness.store.progress import Progress, silent
from likeness.store.records import Score
from likeness.store.weights import file_hash, find, is_here

BATCH = 32
PUBLISHED = ("openclip_l14", "openclip_b32")


class ClipTextReward:
    """Mean cosine of a frame a second and the prompt, -1..1; real pairs lie about 0.2 to 0.4.

    It is the plain cosine; papers that write 20 to 40 print a hundred times as much. A prompt is
    read up to the length of the model's context (77 tokens in CLIP).

    Args:
        model: of open_clip, in evaluation mode, with `encode_image` and `encode_text`.
        prepare: makes a picture the model's (3, S, S) input.
        tokenize: makes texts the model's (n, L) input.
        hash: SHA-256 of the files behind them.

    """

    names = ("text",)
    version = "openclip-1"

    def __init__(
        self,
        model: nn.Module,
        prepare: Callable[[Image.Image], Tensor],
        tokenize: Callable[[list[str]], Tensor],
        hash: str = "",
    ) -> None:
        self.model: Any = model
        self.prepare = prepare
        self.tokenize = tokenize
        self.weights = hash
        self.pictures = ClipCache(self._pictures)

    @classmethod
    def load(
        cls, path: Path, placement: Placement, architecture: str | None = None
    ) -> "ClipTextReward":
        """Load open_clip's weights from disk; nothing is fetched.

        Args:
            path: a folder with open_clip_config.json and weights, as Hugging Face has them; or a
                file of weights alone.
            placement: where it runs.
            architecture: of a file of weights: open_clip's name for it, such as `ViT-B-32`.

        Raises:
            CheckpointError: the path is missing, damaged, or of another architecture.

        """
        import open_clip

        if path.is_file() and architecture is None:
            raise CheckpointError(f"{path}: name the architecture of a file of weights: ViT-B-32")
        if not path.is_file():
            need_file(path, "open_clip_config.json")
        name = architecture if path.is_file() and architecture else f"local-dir:{path}"
        precisions = {torch.float32: "fp32", torch.bfloat16: "bf16", torch.float16: "fp16"}
        with reading(path, "open_clip's weights"):
            made: Any = open_clip.create_model_and_transforms(
                name,
                pretrained=str(path) if path.is_file() else None,
                precision=precisions[placement.dtype],
                device=placement.device,
                require_pretrained=True,
            )
            model, _, prepare = made
            tokenize = open_clip.get_tokenizer(name)
        digest = file_hash(path) if path.is_file() else folder_hash(path)
        return cls(model.eval(), prepare, tokenize, digest)

    def score(self, subjects: Sequence[Subject], progress: Progress = silent) -> list[Score]:
        """Compare each clip with its prompt."""
        progress(0, len(subjects), "text")
        asked = [subject for subject in subjects if subject.prompt is not None]
        found = iter(self.pictures([subject.clip for subject in asked]))
        scores = [
            missing(self, subject, "text", "no prompt given")
            if subject.prompt is None
            else scored(self, subject, "text", float(self._cosines(subject, next(found)).mean()))
            for subject in subjects
        ]
        progress(len(subjects), len(subjects), "text")
        return scores

    def detail(self, subject: Subject) -> Detail:
        """Give the cosine of each frame that was looked at."""
        if subject.prompt is None:
            return Detail()
        cosines = self._cosines(subject, self.pictures([subject.clip])[0])
        frames = each_second(subject.clip)
        return Detail(curves={"text": curve(len(subject.clip), frames, cosines.tolist())})

    @torch.inference_mode()
    def _cosines(self, subject: Subject, pictures: Tensor) -> np.ndarray:
        words = self.tokenize([subject.prompt or ""]).to(self._device)
        direction = normalize(self.model.encode_text(words).float(), dim=-1).cpu()
        return (pictures @ direction[0]).double().numpy()

    @torch.inference_mode()
    def _pictures(self, clips: Sequence[Footage]) -> list[Tensor]:
        """Directions of each clip's frames: (frames, D), of length 1."""
        return [self._look(clip) for clip in clips]

    def _look(self, clip: Footage) -> Tensor:
        parts = []
        for batch in batched(frames_at(clip, each_second(clip)), BATCH):
            inputs = torch.stack([self.prepare(Image.fromarray(frame)) for frame in batch])
            first = next(self.model.parameters())
            codes = self.model.encode_image(inputs.to(first.device, first.dtype))
            parts.append(normalize(codes.float(), dim=-1).cpu())
        return torch.cat(parts)

    @property
    def _device(self) -> torch.device:
        return next(self.model.parameters()).device


def published_text(placement: Placement) -> ClipTextReward:
    """Load the largest of the published models that is here.

    Raises:
        WeightsError: none is here, or it is damaged.

    """
    name = next((name for name in PUBLISHED if is_here(name)), PUBLISHED[-1])
    return ClipTextReward.load(find(name), placement)
