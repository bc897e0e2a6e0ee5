"""VideoReward: visual quality, motion quality and text alignment as people preferred them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torchvision.transforms import InterpolationMode
from torchvision.transforms.functional import resize

from likeness.rewards.base import Detail, Subject, missing, scored
from likeness.rewards.vision.checkpoints import (
    CheckpointError,
    Placement,
    complain_of_missing,
    folder_hash,
    need_file,
    reading,
)
from likeness.rewards.vision.frames import frames_at, spread
from likeness.rewards.vision.model_config import VideoRewardConfig, fit_size, read_template
from likeness.rewards.vision.videoalign import TOKENS, VideoAlignNet, fill, read_state
from likeness.store.clip import Footage
from likeness.store.progress import Progress, silent
from likeness.store.records import Score

BATCH = 2


class VideoReward:
    """VideoReward's three scores and their sum; relative, higher is better, 0 is its average clip.

    Args:
        net: with its checkpoint.
        processor: of Qwen2-VL, whose tokenizer knows the three tokens.
        config: frames, sizes and normalisation.
        template: the question, with `{text_prompt}`.
        hash: SHA-256 of the files behind them.

    """

    names = ("video_vq", "video_mq", "video_ta", "video_overall")

    def __init__(
        self,
        net: VideoAlignNet,
        processor: Any,
        config: VideoRewardConfig,
        template: str,
        hash: str = "",
    ) -> None:
        self.net = net
        self.processor = processor
        self.config = config
        self.template = template
        self.version = f"videoreward-{config.frames}frames-1"
        self.weights = hash

    @classmethod
    def load(
        cls, folder: Path, base: Path | None, placement: Placement, frames: int = 10
    ) -> "VideoReward":
        """Load the published checkpoint onto its base model.

        Args:
            folder: model_config.json, checkpoint-N, and VideoAlign's prompt_template.py.
            base: folder of Qwen2-VL-2B; None for the one that model_config.json names.
            placement: where it runs.
            frames: shown of every clip, where model_config.json fixes no number; 10 are the two
                a second of a clip of 5 s that the weights were trained on.

        Raises:
            CheckpointError: a folder or file is missing, damaged, or of another model.

        """
        from transformers import AutoProcessor, Qwen2VLForConditionalGeneration

        config = VideoRewardConfig.read(need_file(folder, "model_config.json"), frames)
        template = read_template(need_file(folder, "prompt_template.py"))
        root = base or config.base
        if root is None:
            raise CheckpointError(
                f"{folder}: its base model is not here; name Qwen2-VL-2B's folder"
            )
        need_file(root, "config.json")
        with reading(root, "Qwen2-VL"):
            processor = AutoProcessor.from_pretrained(root, local_files_only=True)
            processor.tokenizer.padding_side = "right"
            loaded: Any = Qwen2VLForConditionalGeneration.from_pretrained(
                root, dtype=placement.dtype, local_files_only=True, output_loading_info=True
            )
            model, info = loaded
            complain_of_missing(root, info)
        with reading(folder, "VideoReward"):
            tokens = cls._add_tokens(processor.tokenizer, model)
            state = read_state(folder)
            if "model.language_model.embed_tokens.weight" not in state:
                raise CheckpointError(f"{folder}: no embedding of {', '.join(TOKENS)}")
            net = VideoAlignNet(model.model, tokens)
            net = fill(net, state, config.rank, config.alpha, config.rslora)
        return cls(
            net.to(placement.device),
            processor,
            config,
            template,
            f"{folder_hash(root)}+{folder_hash(folder)}",
        )

    @staticmethod
    def _add_tokens(tokenizer: Any, model: Any) -> list[int]:
        tokenizer.add_special_tokens(
            {"extra_special_tokens": list(TOKENS)}, replace_extra_special_tokens=False
        )
        with torch.random.fork_rng():  # new rows are drawn, and then read from the checkpoint
            model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
        return tokenizer.convert_tokens_to_ids(list(TOKENS))

    def score(self, subjects: Sequence[Subject], progress: Progress = silent) -> list[Score]:
        """Judge each clip by its prompt, two at a time."""
        asked = [subject for subject in subjects if subject.prompt is not None]
        rows: list[np.ndarray] = []
        for at in range(0, len(asked), BATCH):
            progress(at, len(asked), "videoreward")
            rows.extend(self.raw(asked[at : at + BATCH]))
        progress(len(asked), len(asked), "videoreward")
        found = iter(rows)
        return [
            score
            for subject in subjects
            for score in self._scores(subject, None if subject.prompt is None else next(found))
        ]

    def detail(self, subject: Subject) -> Detail:
        """Give the head's outputs before normalising, and how many frames were shown."""
        if subject.prompt is None:
            return Detail()
        raw = zip(self.names, self.raw([subject])[0], strict=False)
        values = {f"{name}_raw": float(value) for name, value in raw}
        return Detail(values={**values, "video_frames": float(self.config.frames)})

    @torch.inference_mode()
    def raw(self, subjects: Sequence[Subject]) -> np.ndarray:
        """Run subjects with prompts through the network: (n, 3) float64 before normalising."""
        inputs = self.processor(
            text=[self.prompt(subject.prompt or "") for subject in subjects],
            videos=[self.video(subject.clip) for subject in subjects],
            padding=True,
            return_tensors="pt",
            videos_kwargs={"do_resize": False, "do_sample_frames": False},
        ).to(self.net.head.weight.device)
        return self.net(inputs).double().cpu().numpy()

    def normalise(self, raw: np.ndarray) -> dict[str, float]:
        """Bring three outputs to deviations from the training's mean, and add their sum."""
        levels = ((raw - np.array(self.config.mean)) / np.array(self.config.std)).tolist()
        return dict(zip(self.names, [*levels, sum(levels)], strict=True))

    def prompt(self, text: str) -> str:
        """Write out the chat."""
        content = [
            {"type": "video"},
            {"type": "text", "text": self.template.replace("{text_prompt}", text)},
        ]
        return self.processor.apply_chat_template(
            [{"role": "user", "content": content}], add_generation_prompt=True
        )

    def video(self, clip: Footage) -> torch.Tensor:
        """Take the clip's frames, evenly from first to last: (frames, 3, h, w) 0..255."""
        size = list(fit_size(clip.size[1], clip.size[0], self.config.most_pixels))
        return torch.stack(
            [
                resize(
                    torch.tensor(frame).permute(2, 0, 1),
                    size,
                    interpolation=InterpolationMode.BICUBIC,
                    antialias=True,
                )
                for frame in frames_at(clip, spread(len(clip), self.config.frames))
            ]
        )

    def _scores(self, subject: Subject, raw: np.ndarray | None) -> list[Score]:
        if raw is None:
            return [missing(self, subject, name, "no prompt given") for name in self.names]
        levels: Mapping[str, float] = self.normalise(raw)
        return [scored(self, subject, name, levels[name]) for name in self.names]
