"""Fine-tuning on pairs with trl's RewardTrainer.

trl 1.16 trains reward models on text alone: it tokenises the columns `chosen` and `rejected`, and
its collator knows no pictures. Its loss is -logsig(chosen - rejected - margin) of whatever inputs
the collator gives. So its data step is left out, and the collator here makes the inputs of both
sides with the model's own processor; loss, metrics, optimiser and loop are trl's.
"""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from trl.trainer.reward_config import RewardConfig
from trl.trainer.reward_trainer import RewardTrainer

from likeness.rewards.preference.ballots import PreferenceError
from likeness.rewards.preference.vision.judge import ASKED, Asked, load_model, model_inputs
from likeness.rewards.preference.vision.pairs import ClipPair, pair_dataset
from likeness.store.atomic import making_folder
from likeness.store.progress import Progress, silent
from likeness.store.recipes import RecipeBook, recipe_table
from likeness.store.toml import to_toml

QUESTION = (
    "These are frames of a video of a talking person. {prompt} "
    "How natural and how true to the person is the video?"
)
RECIPE = "tuning.toml"


@dataclass(frozen=True, kw_only=True)
class TuningConfig:
    """How a vision-language model is tuned on pairs.

    Attributes:
        model: folder of a Hugging Face vision-language model, or a name in its cache.
        question: what it is asked; `{prompt}` stands for the clip's prompt.
        frames: of each clip.
        side: pixels of the frames' longer side, at most.
        steps: of the optimiser.
        batch: pairs a step and device.
        lr: peak learning rate, falling linearly.
        lora_rank: of adapters on all linear layers, merged at the end; 0 tunes all weights.
        gradient_checkpointing: spend time to save memory.
        seed: of the head and of the order of pairs.

    """

    model: str
    question: str = QUESTION
    frames: int = 8
    side: int = 448
    steps: int = 500
    batch: int = 4
    lr: float = 2e-5
    lora_rank: int = 16
    gradient_checkpointing: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("frames", "side", "steps", "batch"):
            if getattr(self, name) < 1:
                raise PreferenceError(f"tuning.{name} must be positive, got {getattr(self, name)}")
        if self.lr <= 0 or self.lora_rank < 0:
            raise PreferenceError(
                f"tuning.lr must be positive and tuning.lora_rank at least 0, got {self.lr} and "
                f"{self.lora_rank}"
            )

    @property
    def asked(self) -> Asked:
        """What the model is shown and asked."""
        return Asked(question=self.question, frames=self.frames, side=self.side)


RECIPES = RecipeBook(
    config=TuningConfig, package="likeness.rewards.preference.vision", root="tuning"
)


@dataclass(frozen=True, kw_only=True)
class Tuned:
    """What came of it.

    Attributes:
        losses: mean loss of each logged step.
        accuracies: share of each logged step's pairs that were ordered right.

    """

    losses: tuple[float, ...]
    accuracies: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class PairCollator:
    """Makes a batch as trl's loss wants it: all chosen sides, then all rejected ones.

    Attributes:
        processor: of the model.
        asked: what the model is asked.

    """

    processor: Any = field(repr=False)
    asked: Asked

    def __call__(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        """Collate rows of :func:`pair_dataset`."""
        pictures = [row[side] for side in ("chosen", "rejected") for row in rows]
        prompts = [row["prompt"] for row in rows] * 2
        inputs: dict[str, Any] = model_inputs(self.processor, self.asked, pictures, prompts)
        return {**inputs, "margin": torch.tensor([row["margin"] for row in rows])}


class PairTrainer(RewardTrainer):
    """trl's trainer over pairs that the collator makes inputs of, and that reports to nobody."""

    def _prepare_dataset(
        self, dataset: Any, processing_class: Any, args: RewardConfig, dataset_name: str
    ) -> Any:
        return dataset

    def _send_telemetry(self) -> None:
        """Send nothing."""


def tune(
    pairs: tuple[ClipPair, ...], config: TuningConfig, folder: Path, progress: Progress = silent
) -> Tuned:
    """Tune a model on pairs and save it, with its processor and what it is asked, to a new folder.

    Raises:
        PreferenceError: there are no pairs, or the model can't be loaded.
        MediaError: a clip can't be read.

    """
    if not pairs:
        raise PreferenceError("no vote for a side: there is nothing to tune on")
    torch.manual_seed(config.seed)  # a fresh head is drawn
    model, processor = load_model(config.model)
    progress(0, config.steps, "reading clips")
    dataset = pair_dataset(pairs, config.frames, config.side)
    with making_folder(folder) as partial:
        trainer = PairTrainer(
            model=model,
            args=_arguments(config, partial),
            data_collator=PairCollator(processor=processor, asked=config.asked),
            train_dataset=dataset,
            processing_class=processor.tokenizer,
            peft_config=_adapters(config),
        )
        progress(0, config.steps, "tuning")
        trainer.train()
        progress(config.steps, config.steps, "tuned")
        tuned: Any = trainer.model
        if config.lora_rank:
            tuned = tuned.merge_and_unload()
        tuned.save_pretrained(partial)
        processor.save_pretrained(partial)
        (partial / ASKED).write_text(json.dumps(asdict(config.asked), indent=1) + "\n")
        (partial / RECIPE).write_text(to_toml(recipe_table(config)))
    logged = [row for row in trainer.state.log_history if "loss" in row]
    return Tuned(
        losses=tuple(row["loss"] for row in logged),
        accuracies=tuple(row["accuracy"] for row in logged),
    )


def _arguments(config: TuningConfig, folder: Path) -> RewardConfig:
    gpu = torch.cuda.is_available()
    return RewardConfig(
        output_dir=str(folder),
        max_steps=config.steps,
        per_device_train_batch_size=config.batch,
        learning_rate=config.lr,
        gradient_checkpointing=config.gradient_checkpointing,
        bf16=gpu,
        use_cpu=not gpu,
        seed=config.seed,
        logging_steps=max(1, config.steps // 50),
        save_strategy="no",
        report_to="none",
        remove_unused_columns=False,
        max_length=None,
        disable_tqdm=True,
        dataloader_pin_memory=gpu,
    )


def _adapters(config: TuningConfig) -> Any:
    if not config.lora_rank:
        return None
    from peft import LoraConfig

    return LoraConfig(
        r=config.lora_rank,
        lora_alpha=2 * config.lora_rank,
        target_modules="all-linear",
        exclude_modules=["score"],
        modules_to_save=["score"],
        task_type="SEQ_CLS",
    )
