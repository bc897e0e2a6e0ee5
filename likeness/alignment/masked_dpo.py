"""Masked DPO of a flow-matching avatar generator (TAVR section 3.2, eq. 7 and A.1).

    L = lambda_mse L_MSE(winner) + lambda_dpo L_DPO + the guards, which are off by default

The reference model is the same network with its adapter off, or a frozen copy of what learns.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_, get_total_norm

from likeness.alignment.adapter import load_adapter, read_tensors
from likeness.alignment.dpo.config import MaskedDPOConfig
from likeness.alignment.dpo.drawing import (
    Place,
    data_order,
    draw_noise,
    fixed_draws,
    places,
)
from likeness.alignment.dpo.inputs import Inputs, noisy, predict
from likeness.alignment.dpo.link import beta_at
from likeness.alignment.dpo.shelf import Shelf
from likeness.alignment.guards import ALARM, Guard, TrainingError, Watched, check_finite
from likeness.alignment.losses import (
    PairErrors,
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
)
from likeness.store.progress import Progress, silent
from likeness.store.runs import RunFolder

__all__ = [
    "Evaluation",
    "MaskedDPOConfig",
    "Outcome",
    "Terms",
    "TrainingError",
    "data_order",
    "draw_noise",
    "masked_dpo",
    "train",
]


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
    evaluate: Evaluation | Watched | None = None,
) -> Outcome:
    """Train on preference pairs, from where the run stands to its last step.

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
        TrainingError: the loss is not finite, or a guard ends the run; what was saved stays.

    """
    origin = origin_of(policy, dataset, config)
    check_origin(run, origin)
    shelf = Shelf(folder=run.path / "reference", reference=reference_of(origin), config=config)
    begin(policy, config)
    parameters = list(policy.trainable().values())
    # No weight decay: it would pull the adapter, not the model, and the KL term does that job.
    optimizer = torch.optim.AdamW(parameters, lr=config.lr, weight_decay=0.0)
    with run.running():
        step = resume_training(run, policy, optimizer)
        guard = Guard(config.guards, config.log_every)
        guard.recall(run.metrics.read())
        stopping = False
        while step < config.steps and not stopping:
            turns = places(step, config, len(dataset))
            batch = dataset.batch([turn.pair for turn in turns], parameters[0].device)
            t, noise, reference = _drawn(policy, dataset, batch, (step, turns), shelf)
            terms, metrics = masked_dpo(policy, batch, t, noise, config, reference)
            step += 1
            if step % config.log_every == 0:
                metrics |= _gradient_norms(terms, parameters)
            optimizer.zero_grad()
            terms.total.backward()
            metrics["grad_norm"] = clip_grad_norm_(parameters, config.grad_clip)
            row = {name: value.item() for name, value in metrics.items()}
            check_finite(row, step, f"on pairs {', '.join(batch.ids)}", ADVICE)
            if told := guard.check(step, {"step": step, **row}):
                run.mark("running", message=told)
                row[ALARM] = 1.0
            optimizer.step()
            if config.sync != "never" and step % config.sync_every == 0:
                policy.sync_reference(1.0 if config.sync == "hard" else config.sync_mix)
            run.metrics.append({"step": step, **row})
            progress(step, config.steps, f"masked DPO, accuracy {row['accuracy']:.2f}")
            due = step % config.save_every == 0 or step == config.steps
            stopping = run.stop_requested
            if due and evaluate is not None:
                measured = evaluate(step)
                run.metrics.append({"step": step, **measured})
                if isinstance(evaluate, Watched):
                    evaluate.check(step, measured)
            if due or stopping:
                save_training(run, policy, optimizer, step, origin)
        finished = step == config.steps
        run.mark("finished" if finished else "stopped", message="" if finished else "on request")
    return Outcome(step=step, finished=finished, adapter=adapter_file(run, step))


ADVICE = "lower alignment.masked_dpo.lr or beta and start a new run"


def origin_of(policy: Policy, dataset: PreferenceSet, config: MaskedDPOConfig) -> dict[str, Any]:
    """Say what must be the same where a run goes on; its guards may change.

    Raises:
        TrainingError: the adapter to go on from has another rank or alpha than the settings.
        AdapterError: it can't be read.

    """
    settings = asdict(config)
    del settings["guards"]
    origin: dict[str, Any] = {"config": settings, "dataset": dataset.hash, "adapter": ""}
    origin["base"] = policy.hash
    if config.adapter:
        header, _ = read_tensors(Path(config.adapter))
        for key in ("rank", "alpha"):
            if header[key] != settings[f"lora_{key}"]:
                raise TrainingError(
                    f"alignment.masked_dpo.lora_{key} is {settings[f'lora_{key}']}, and the "
                    f"adapter {config.adapter} has {header[key]}; take the adapter's"
                )
        origin["adapter"] = hashlib.sha256(Path(config.adapter).read_bytes()).hexdigest()
    return origin


def reference_of(origin: Mapping[str, Any]) -> str:
    """Hash of the reference model that a run begins with."""
    return f"{origin['base']}{origin['adapter']}"


def begin(policy: Policy, config: MaskedDPOConfig) -> None:
    """Make the policy what the settings say learns, and keep its reference."""
    if config.learns == "full":
        policy.unfreeze()
    elif config.adapter:
        load_adapter(policy, Path(config.adapter))
    else:
        policy.add_lora(rank=config.lora_rank, alpha=config.lora_alpha, seed=config.seed)
    if config.learns == "full" or config.adapter or config.sync != "never":
        policy.keep_reference()


def masked_dpo(
    policy: Policy,
    batch: Batch,
    t: Tensor,
    noise: Tensor,
    config: MaskedDPOConfig,
    reference: Tensor | None = None,
) -> tuple[Terms, dict[str, Tensor]]:
    """Compute the weighted terms of the loss for a batch of pairs, and their metrics.

    Winner and loser get the same t and the same noise, share their condition and its reference
    stream, and go through the network in one forward.

    Args:
        policy: the model and its reference.
        batch: B pairs.
        t: (N,) in 0..1, N = draws x B; z_t = (1 - t) z_0 + t noise.
        noise: (N, C, T, h, w).
        config: weights, beta and reduction.
        reference: (2N, C, T, h, w) velocity of the reference model, where it is known.

    """
    pairs, again = len(batch.winner), len(t) // len(batch.winner)
    inputs = noisy(batch, t, noise)
    if reference is None:
        with torch.no_grad(), policy.as_reference():
            reference = predict(policy, inputs, batch.condition, pairs)
    prediction = predict(policy, inputs, batch.condition, pairs)
    mask = torch.cat([batch.mask] * 2 * again) if config.region == "mask" else None
    weight = batch.weight.repeat(again)
    verdict = None if batch.verdict is None else batch.verdict.repeat(again)
    dpo, metrics = dpo_loss(
        _errors(prediction, reference, inputs, mask, config),
        beta_at(t, config.beta, config.beta_schedule),
        weight=weight,
        winner_penalty=config.winner_penalty,
        link=config.link,
        verdict=verdict,
    )
    mse = flow_matching_loss(prediction.chunk(2)[0], inputs.target.chunk(2)[0], weight)
    outside = mse.new_zeros(()) if mask is None else drift_outside(prediction, reference, mask)
    terms = Terms(config.lambda_mse * mse, config.lambda_dpo * dpo, config.anchor_outside * outside)
    drift = (prediction.detach() - reference).square().mean()
    named = {"loss": terms.total, "mse": mse, "dpo": dpo, "outside": outside, "drift": drift}
    return terms, {name: value.detach() for name, value in named.items()} | metrics


def _errors(
    prediction: Tensor,
    reference: Tensor,
    inputs: Inputs,
    mask: Tensor | None,
    config: MaskedDPOConfig,
) -> PairErrors:
    target, how = inputs.target, config.mask_reduction
    winner, loser = masked_error(prediction, target, mask, how).chunk(2)
    winner_ref, loser_ref = masked_error(reference, target, mask, how).chunk(2)
    return PairErrors(winner, winner_ref, loser, loser_ref)


def _drawn(
    policy: Policy,
    dataset: PreferenceSet,
    batch: Batch,
    place: tuple[int, list[Place]],
    shelf: Shelf,
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Draw times and noise of a step, and find the reference's predictions where they are kept."""
    (step, turns), config = place, shelf.config
    if not config.fixed_draws:
        return *draw_noise(step, config, batch), None
    draws = fixed_draws(config, batch, turns)
    t, noise = zip(*(draw.draw(config, batch.winner.shape[1:]) for draw in draws), strict=True)
    known = shelf.predictions(policy, dataset, [turn.pair for turn in turns], draws)
    device = batch.winner.device
    return torch.stack(t).to(device), torch.stack(noise).to(device), known.to(device)


def _gradient_norms(terms: Terms, parameters: list[torch.nn.Parameter]) -> dict[str, Tensor]:
    """How hard the anchor and the preference pull: DPO starts at 250 times the MSE's."""
    norms = {}
    for name, term in (("grad_norm_mse", terms.mse), ("grad_norm_dpo", terms.dpo)):
        gradients = torch.autograd.grad(term, parameters, retain_graph=True, allow_unused=True)
        norms[name] = get_total_norm([g for g in gradients if g is not None])
    return norms
