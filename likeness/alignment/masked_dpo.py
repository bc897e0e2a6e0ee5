"""Masked DPO of a flow-matching avatar generator (TAVR section 3.2, eq. 7 and A.1).

    L = lambda_mse L_MSE(winner) + lambda_dpo L_DPO + the guards, which are off by default

The reference model is the same network with its adapter off.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple, get_args

import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_, get_total_norm

from likeness.alignment.losses import (
    PairErrors,
    Reduction,
    dpo_loss,
    drift_outside,
    flow_matching_loss,
    masked_error,
)
from likeness.alignment.policy import Policy
from likeness.alignment.preference import Batch, PreferenceSet
from likeness.alignment.training_state import (
    adapter_file,
    check_origin,
    resume_training,
    save_training,
    stream,
)
from likeness.store.errors import LikenessError
from likeness.store.progress import Progress, silent
from likeness.store.runs import RunFolder

ORDER, NOISE = 0, 1


class TrainingError(LikenessError):
    """Settings that can't be, or a run that has diverged."""


@dataclass(frozen=True, kw_only=True)
class MaskedDPOConfig:
    """Settings of masked DPO; the defaults are TAVR's (A.1) wherever it states them.

    Attributes:
        beta: strength of the KL regularisation, for errors that are means. 500 is the paper's;
            a few minutes of a tiny model need 1000 to 2000.
        lambda_mse: weight of flow matching on the winner over the whole frame: the anchor
            without which the model falls apart while z still grows.
        lambda_dpo: weight of the preference.
        mask_reduction: "full_mean" divides the error inside the mask by the whole latent's size,
            "masked_mean" by the mask's: then beta means the same for small and large faces.
        anchor_outside: weight of the mean squared change outside the mask. The masked loss alone
            lets background and shoulders drift. Not in the paper: 0.
        winner_penalty: DPO-Positive's lambda: z falls where the winner's error rises above the
            reference's, against the usual failure of both errors rising. Not in the paper: 0.
        timesteps: lowest and highest t, drawn evenly; 1 is noise. Fine identity is decided at
            low t; at high t two samples of one condition look alike. The paper has all of them;
            a generator that predicts x0 needs a floor such as 0.1, for its error grows as 1 / t^2.
        lora_rank: of the adapter (ours: the paper does not say).
        lora_alpha: the adapter is scaled by lora_alpha / lora_rank.
        lr: of AdamW, constant.
        steps: optimizer steps.
        batch: pairs a step; each costs two samples forward with and two without gradient.
        grad_clip: largest norm of the gradient.
        seed: of adapter, data order, timesteps and noise.
        save_every: steps between checkpoints.
        log_every: steps between rows that carry the norms of both terms' gradients, which cost
            two more backward passes.

    Raises:
        TrainingError: a value is out of its range.

    """

    beta: float = 500.0
    lambda_mse: float = 1.0
    lambda_dpo: float = 2.0
    mask_reduction: Reduction = "full_mean"
    anchor_outside: float = 0.0
    winner_penalty: float = 0.0
    timesteps: tuple[float, float] = (0.0, 1.0)
    lora_rank: int = 16
    lora_alpha: float = 16.0
    lr: float = 1.5e-6
    steps: int = 400
    batch: int = 8
    grad_clip: float = 1.0
    seed: int = 0
    save_every: int = 50
    log_every: int = 10

    def __post_init__(self) -> None:
        name = "alignment.masked_dpo"
        for key in ("beta", "lora_alpha", "lr", "grad_clip"):
            if not getattr(self, key) > 0:
                raise TrainingError(f"{name}.{key} must be positive, got {getattr(self, key)}")
        for key in ("lambda_mse", "lambda_dpo", "anchor_outside", "winner_penalty", "seed"):
            if not getattr(self, key) >= 0:
                raise TrainingError(f"{name}.{key} must be 0 or more, got {getattr(self, key)}")
        for key in ("lora_rank", "steps", "batch", "save_every", "log_every"):
            if getattr(self, key) < 1:
                raise TrainingError(f"{name}.{key} must be 1 or more, got {getattr(self, key)}")
        low, high = self.timesteps
        if not 0 <= low < high <= 1:
            raise TrainingError(
                f"{name}.timesteps must be two numbers rising within 0..1, got {self.timesteps}"
            )
        if self.mask_reduction not in get_args(Reduction):
            raise TrainingError(
                f"{name}.mask_reduction must be {' or '.join(get_args(Reduction))}, "
                f"got {self.mask_reduction!r}"
            )


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How training ended: steps done, whether these are all, and the adapter's file."""

    step: int
    finished: bool
    adapter: Path


class Terms(NamedTuple):
    """The parts of the loss, each with its weight."""

    mse: Tensor
    dpo: Tensor
    outside: Tensor

    @property
    def total(self) -> Tensor:
        """What is minimised."""
        return self.mse + self.dpo + self.outside


Evaluation = Callable[[int], Mapping[str, float]]


def train(
    policy: Policy,
    dataset: PreferenceSet,
    config: MaskedDPOConfig,
    run: RunFolder,
    progress: Progress = silent,
    evaluate: Evaluation | None = None,
) -> Outcome:
    """Train an adapter on preference pairs, from where the run stands to its last step.

    A run that was killed at any moment and is called again with the same arguments ends with
    the same bytes as one that never stopped.

    Args:
        policy: a generator without adapter; it carries the trained one afterwards.
        dataset: the pairs.
        config: the settings.
        run: its folder; takes state, metrics and checkpoints.
        progress: told after every step.
        evaluate: called with the step before each save; its values become a row of the metrics.

    Raises:
        RunError: another process holds the run, or it was started with something else.
        DiskFullError: what was saved before stays.
        TrainingError: the loss is not finite.

    """
    origin = {"config": asdict(config), "dataset": dataset.hash, "base": policy.hash}
    check_origin(run, origin)
    policy.add_lora(rank=config.lora_rank, alpha=config.lora_alpha, seed=config.seed)
    parameters = list(policy.trainable().values())
    # No weight decay: it would pull the adapter, not the model, and the KL term does that job.
    optimizer = torch.optim.AdamW(parameters, lr=config.lr, weight_decay=0.0)
    with run.running():
        step = resume_training(run, policy, optimizer)
        stopping = False
        while step < config.steps and not stopping:
            batch = dataset.batch(data_order(step, config, len(dataset)), parameters[0].device)
            t, noise = draw_noise(step, config, batch)
            terms, metrics = masked_dpo(policy, batch, t, noise, config)
            step += 1
            if step % config.log_every == 0:
                metrics |= _gradient_norms(terms, parameters)
            optimizer.zero_grad()
            terms.total.backward()
            metrics["grad_norm"] = clip_grad_norm_(parameters, config.grad_clip)
            _check_finite(metrics, batch, step)
            optimizer.step()
            run.metrics.append({"step": step} | {k: v.item() for k, v in metrics.items()})
            progress(step, config.steps, f"masked DPO, accuracy {metrics['accuracy']:.2f}")
            due = step % config.save_every == 0 or step == config.steps
            stopping = run.stop_requested
            if due and evaluate is not None:
                run.metrics.append({"step": step, **evaluate(step)})
            if due or stopping:
                save_training(run, policy, optimizer, step, origin)
        finished = step == config.steps
        run.mark("finished" if finished else "stopped", message="" if finished else "on request")
    return Outcome(step=step, finished=finished, adapter=adapter_file(run, step))


def masked_dpo(
    policy: Policy, batch: Batch, t: Tensor, noise: Tensor, config: MaskedDPOConfig
) -> tuple[Terms, dict[str, Tensor]]:
    """Compute the weighted terms of the loss for a batch of pairs, and their metrics.

    Winner and loser get the same t and the same noise, share their condition, and go through
    the network in one forward.

    Args:
        policy: the model, and with its adapter off the reference.
        batch: B pairs.
        t: (B,) in 0..1; z_t = (1 - t) z_0 + t noise.
        noise: (B, C, T, h, w).
        config: weights, beta and reduction.

    """
    z_0 = torch.cat([batch.winner, batch.loser])
    t, noise, mask = torch.cat([t, t]), torch.cat([noise, noise]), torch.cat([batch.mask] * 2)
    s = t.view(-1, 1, 1, 1, 1)
    z_t, target = (1 - s) * z_0 + s * noise, noise - z_0
    with torch.no_grad(), policy.adapters_off():
        reference = policy.velocity(z_t, t, batch.condition)
    prediction = policy.velocity(z_t, t, batch.condition)
    winner, loser = masked_error(prediction, target, mask, config.mask_reduction).chunk(2)
    winner_ref, loser_ref = masked_error(reference, target, mask, config.mask_reduction).chunk(2)
    mse = flow_matching_loss(prediction.chunk(2)[0], target.chunk(2)[0], batch.weight)
    dpo, metrics = dpo_loss(
        PairErrors(winner, winner_ref, loser, loser_ref),
        config.beta,
        weight=batch.weight,
        winner_penalty=config.winner_penalty,
    )
    outside = drift_outside(prediction, reference, mask)
    terms = Terms(config.lambda_mse * mse, config.lambda_dpo * dpo, config.anchor_outside * outside)
    named = {"loss": terms.total, "mse": mse, "dpo": dpo, "outside": outside}
    return terms, {name: value.detach() for name, value in named.items()} | metrics


def data_order(step: int, config: MaskedDPOConfig, pairs: int) -> list[int]:
    """Choose the pairs of a step: permutations of all indices, one after the other."""
    places = range(step * config.batch, (step + 1) * config.batch)
    epochs = {place // pairs for place in places}
    order = {
        epoch: torch.randperm(pairs, generator=stream(config.seed, ORDER, epoch)).tolist()
        for epoch in epochs
    }
    return [order[place // pairs][place % pairs] for place in places]


def draw_noise(step: int, config: MaskedDPOConfig, batch: Batch) -> tuple[Tensor, Tensor]:
    """Timesteps (B,) and noise (B, C, T, h, w) of a step, drawn on the CPU: alike everywhere."""
    generator = stream(config.seed, NOISE, step)
    low, high = config.timesteps
    t = low + (high - low) * torch.rand(len(batch.winner), generator=generator)
    noise = torch.randn(batch.winner.shape, generator=generator)
    return t.to(batch.winner.device), noise.to(batch.winner.device)


def _gradient_norms(terms: Terms, parameters: list[torch.nn.Parameter]) -> dict[str, Tensor]:
    """How hard the anchor and the preference pull: DPO starts at 250 times the MSE's."""
    norms = {}
    for name, term in (("grad_norm_mse", terms.mse), ("grad_norm_dpo", terms.dpo)):
        gradients = torch.autograd.grad(term, parameters, retain_graph=True, allow_unused=True)
        norms[name] = get_total_norm([g for g in gradients if g is not None])
    return norms


def _check_finite(metrics: Mapping[str, Tensor], batch: Batch, step: int) -> None:
    broken = [name for name, value in metrics.items() if not torch.isfinite(value)]
    if broken:
        raise TrainingError(
            f"step {step}: {broken[0]} is not finite on pairs {', '.join(batch.ids)}; lower "
            "alignment.masked_dpo.lr or beta and start a new run"
        )
