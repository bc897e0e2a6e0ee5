"""The state of a stage: weights, their average, two optimisers and the step."""

import json
from dataclasses import asdict
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
    set_model_state_dict,
)
from torch.distributed.tensor import DTensor
from torch.nn.utils import clip_grad_norm_

from likeness.model.config import latent_frames
from likeness.model.generator import Generator
from likeness.model.network.transformer import AvatarTransformer3DModel
from likeness.training.ahead import Ahead
from likeness.training.batch import Batch, Source
from likeness.training.crew import Crew
from likeness.training.luck import Luck, dice, wish
from likeness.training.muon import Muon, divided, split_parameters, whole
from likeness.training.objective import Objective, total
from likeness.training.stages import Stage, TrainingError
from likeness.training.state import check_same, gathered, spread, write_state
from likeness.training.throughput import Meter

WHOLE = StateDictOptions(full_state_dict=True, cpu_offload=True)
LEARNING = StateDictOptions(full_state_dict=True, cpu_offload=True, ignore_frozen_params=True)


class Learner:
    """One stage at work.

    Everything random comes from (seed, number of the stage, step): a run that was killed and goes
    on from :meth:`save` ends with the same bytes on a CPU.

    Args:
        generator: whose transformer learns, in place.
        source: gives the batches.
        stage: settings.
        seed: of all stages.
        number: of the stage, from 0.
        crew: who trains; this process alone by default.

    """

    def __init__(
        self,
        generator: Generator,
        source: Source,
        stage: Stage,
        *,
        seed: int = 0,
        number: int = 0,
        crew: Crew | None = None,
    ) -> None:
        self.generator = generator
        self.source = source.shaped(stage.frames, stage.size)
        self.stage = stage
        self.crew = crew or Crew()
        self.step = 0
        self._place = (seed, number)
        known = generator.config.motion_latents
        if stage.continued and stage.frames and latent_frames(stage.frames) <= known:
            raise TrainingError(
                f"training.frames = {stage.frames} leaves nothing after {known} motion latents: "
                "take more, or continued = 0"
            )
        self.objective = Objective(generator, stage)
        self.adapter: dict[str, Tensor] | None = None
        self.transformer = self._unfrozen()
        for network in self.objective.networks:
            self.crew.divide(network, stage.token_size(generator.config))
        self.crew.shard(self.transformer)
        matrices, rest = split_parameters(self.transformer)
        self.muon = Muon(matrices, lr=stage.muon_lr, weight_decay=stage.weight_decay)
        self.adam = torch.optim.AdamW(
            rest, lr=stage.adam_lr, betas=(0.9, 0.98), weight_decay=stage.weight_decay
        )
        self.average = {n: p.detach().clone() for n, p in self._learning()}
        self.wrapped: nn.Module = self.crew.wrap(self.objective)
        self._ahead = Ahead()
        self._meter = Meter(
            self.transformer, generator.config, self.crew, frozen=stage.lora is not None
        )

    def _unfrozen(self) -> AvatarTransformer3DModel:
        """Let the weights learn; or an adapter, and the movement stream."""
        transformer, lora = self.generator.transformer.train(), self.stage.lora
        if lora is None:
            return transformer.requires_grad_(True)
        if self.crew.size > 1 and self.crew.division == "shards":
            raise TrainingError(
                "training.lora goes with division = copies: a frozen weight has neither gradient "
                "nor moments to be divided; where it doesn't fit, take gradient_checkpointing or "
                "ulysses"
            )
        seed = int(np.random.default_rng(self._place).integers(2**31))
        self.generator.add_lora(rank=lora.rank, alpha=lora.alpha, targets=lora.targets, seed=seed)
        for name, parameter in transformer.named_parameters():
            if "movement" in name:
                parameter.requires_grad_(True)
        return transformer

    def _learning(self) -> list[tuple[str, nn.Parameter]]:
        """Name the parameters that learn."""
        return [(n, p) for n, p in self.transformer.named_parameters() if p.requires_grad]

    @property
    def origin(self) -> dict[str, Any]:
        """What must be the same where training goes on."""
        seed, number = self._place
        return json.loads(json.dumps({"seed": seed, "number": number, "stage": asdict(self.stage)}))

    def batch(self, step: int) -> tuple[Batch, Luck, float]:
        """Make this process's rows of a step's batch; and the mean weight of its regions."""
        rng, chance = dice(*self._place, step)
        asked = wish(rng, self.stage, self.generator.config.motion_latents)
        draw = self.source.draw(rng, asked)
        rows = self.crew.rows(self.stage.batch)
        batch = self.source.make(draw, self.stage.regions, rows)
        size = self.stage.batch
        motion, scale = batch.cond.motion, self.generator.movement
        luck = Luck.draw(
            chance,
            self.stage,
            torch.Size((size, *batch.clean.shape[1:])),
            None if motion is None else torch.Size((size, *motion.shape[1:])),
            0 if scale is None else scale.size,
        ).rows(rows)
        return batch, luck, float(batch.weight.mean())

    def update(self) -> dict[str, float]:
        """Take one step; returns the loss, its terms and what the step cost.

        Raises:
            TrainingError: the loss is not finite; weights and state are those before the step.

        """
        begin = perf_counter()
        batch, luck, mean = self._ahead.take(self.step, self.batch)
        waited = perf_counter() - begin
        if self.step + 1 < self.stage.steps:
            self._ahead.start(self.step + 1, self.batch)
        device = self.crew.device
        scale = self.crew.mean(torch.tensor(mean, device=device))
        self._set_rates()
        sums: dict[str, Tensor] = {}
        for part in self._parts(len(batch)):
            share = (part.stop - part.start) / len(batch)
            with self.crew.casting():
                terms = self.wrapped(batch[part].to(device), luck.rows(part).to(device), scale)
            (total(terms) * share).backward()
            for name, term in terms.items():
                sums[name] = sums.get(name, term.new_zeros(())) + share * term.detach()
        sums = {name: self.crew.mean(term) for name, term in sums.items()}
        loss = total(sums).item()
        if not torch.isfinite(torch.tensor(loss)):
            raise TrainingError(
                f"the loss is not finite at step {self.step + 1}: the last save is good; lower "
                "the learning rates, or look at the data"
            )
        norm = clip_grad_norm_(self.transformer.parameters(), self.stage.clip)
        self.muon.step()
        self.adam.step()
        self.step += 1
        self._follow()
        spent = perf_counter() - begin
        named = {name: term.item() for name, term in sums.items()}
        return {
            "loss": loss,
            **(named if len(named) > 1 else {}),
            "grad_norm": whole(norm).item(),
            "seconds": spent,
            **self._meter(batch, spent, waited),
        }

    def _parts(self, rows: int) -> list[slice]:
        each = max(1, rows // self.stage.accumulate)
        return [slice(a, min(rows, a + each)) for a in range(0, rows, each)]

    def _set_rates(self) -> None:
        factor = self.stage.learning_rate(self.step)
        for optimiser, lr in ((self.muon, self.stage.muon_lr), (self.adam, self.stage.adam_lr)):
            for group in optimiser.param_groups:
                group["lr"] = lr * factor
            optimiser.zero_grad(set_to_none=True)

    @torch.no_grad()
    def _follow(self) -> None:
        decay = min(self.stage.ema, self.step / (self.step + 10))
        for name, parameter in self._learning():
            self.average[name].lerp_(parameter, 1 - decay)

    def save(self, path: Path) -> None:
        """Write the whole state, at once or not at all; all processes must call this."""
        state = {
            "origin": json.dumps(self.origin),
            "step": self.step,
            "weights": get_model_state_dict(self.transformer, options=LEARNING),
            "average": {name: whole(tensor) for name, tensor in self.average.items()},
            "muon": gathered(self.muon.state_dict()),
            "adam": gathered(self.adam.state_dict()),
        }
        if self.crew.leads:
            write_state(path, state)
        self.crew.wait()

    def load(self, path: Path) -> None:
        """Go on from :meth:`save`.

        Raises:
            TrainingError: the state is of other settings; the message says which.

        """
        state = torch.load(path, weights_only=True)
        check_same(json.loads(state["origin"]), self.origin, str(path))
        self.step = state["step"]
        set_model_state_dict(
            self.transformer,
            state["weights"],
            options=StateDictOptions(full_state_dict=True, strict=self.stage.lora is None),
        )
        for name, tensor in state["average"].items():
            self.average[name] = divided(tensor, self.average[name])
        for optimiser, kept in ((self.muon, state["muon"]), (self.adam, state["adam"])):
            optimiser.load_state_dict(spread(kept, optimiser))

    @torch.no_grad()
    def finish(self) -> Generator:
        """Put the averaged weights into the transformer, ready to generate.

        An adapter is kept as ``adapter`` and merged.

        Returns:
            The generator with whole weights, for one process: where weights or tokens are divided,
            another one on the CPU; all processes must call this.

        """
        for name, parameter in self._learning():
            parameter.copy_(self.average[name])
        if self.stage.lora is not None:
            self.adapter = self.generator.lora_state()
            self.generator.merge_lora()
        self.transformer.eval().requires_grad_(False)
        self.generator.config = self.stage.settled(self.generator.config)
        sharded = any(isinstance(p, DTensor) for p in self.transformer.parameters())
        if not sharded and self.transformer.layout[1] == 1:
            return self.generator
        weights = get_model_state_dict(self.transformer, options=WHOLE)
        generator = self.generator
        transformer = AvatarTransformer3DModel(**generator.config.transformer)
        if self.crew.leads:
            transformer.load_state_dict(weights)
        return generator.with_transformer(transformer.eval().requires_grad_(False))

    def save_average(self, path: Path) -> None:
        """Write the averaged weights in full precision; all processes must call this.

        Those of a stage with an adapter are whole once it is merged, by :meth:`finish`.
        """
        merged = self.transformer.named_parameters()
        found = self.average if self.stage.lora is None else {n: p.detach() for n, p in merged}
        average = {name: whole(tensor).cpu() for name, tensor in found.items()}
        if self.crew.leads:
            write_state(path, average)
        self.crew.wait()
