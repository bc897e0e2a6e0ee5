"""Masked DPO of a flow-matching avatar generator (TAVR section 3.2, eq. 7 and A.1).

    L = lambda_mse L_MSE(winner) + lambda_dpo L_DPO + the guards, which are off by default

The reference model is the same network with its adapter off, or a frozen copy of what learns.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_, get_total_norm

from likeness.alignment.dpo.beginning import begin, origin_of, reference_of
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
from likeness.alignment.team import Alone, Team, average, average_gradients, held, share_of
from likeness.alignment.training_state import (
    adapter_file,
    check_origin,
    resume_together,
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


def train(  # noqa: PLR0913 the six of a run of one process, and who learns with it
    policy: Policy,
    dataset: PreferenceSet,
    config: MaskedDPOConfig,
    run: RunFolder,
    progress: Progress = silent,
    evaluate: Evaluation | Watched | None = None,
    *,
    team: Team | None = None,
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
        team: processes that learn together, each called with the same arguments; with as many
            pairs a step, whatever their number, they end with the same weights up to rounding.

    Raises:
        RunError: another process holds the run, or it was started with something else.
        DiskFullError: what was saved before stays.
        TrainingError: the loss is not finite, or a guard ends the run; what was saved stays.

    """
    team = team or Alone()
    share = share_of(team, config.batch, "masked_dpo.batch")
    origin = origin_of(policy, dataset, config)
    check_origin(run, origin)
    shelf = Shelf(folder=run.path / "reference", reference=reference_of(origin), config=config)
    begin(policy, config)
    parameters = list(policy.trainable().values())
    # No weight decay: it would pull the adapter, not the model, and the KL term does that job.
    optimizer = torch.optim.AdamW(parameters, lr=config.lr, weight_decay=0.0)
    leads = team.rank == 0
    with held(team, run):
        step = resume_together(team, run, policy, optimizer)
        guard = Guard(config.guards, config.log_every)
        guard.recall(run.metrics.read())
        team.wait()  # until all have read what the first writes from here on
        stopping = False
        while step < config.steps and not stopping:
            turns = places(step, config, len(dataset))[share]
            batch = dataset.batch([turn.pair for turn in turns], parameters[0].device)
            t, noise, reference = _drawn(policy, dataset, batch, (step, turns, share), shelf)
            terms, metrics = masked_dpo(policy, batch, t, noise, config, reference)
            step += 1
            if step % config.log_every == 0:
                metrics |= _gradient_norms(terms, parameters, team)
            optimizer.zero_grad()
            terms.total.backward()
            average_gradients(team, parameters)
            metrics["grad_norm"] = clip_grad_norm_(parameters, config.grad_clip)
            row = average(team, metrics)
            check_finite(row, step, f"on pairs {', '.join(batch.ids)}", ADVICE)
            if told := guard.check(step, {"step": step, **row}):
                row[ALARM] = 1.0
            optimizer.step()
            if config.sync != "never" and step % config.sync_every == 0:
                policy.sync_reference(1.0 if config.sync == "hard" else config.sync_mix)
            due = step % config.save_every == 0 or step == config.steps
            if leads:
                _tell(run, {"step": step, **row}, told)
                progress(step, config.steps, f"masked DPO, accuracy {row['accuracy']:.2f}")
            stopping = team.any(leads and run.stop_requested)
            if leads and due and evaluate is not None:
                _evaluate(evaluate, run, step)
            if due or stopping:
                if leads:
                    save_training(run, policy, optimizer, step, origin)
                team.wait()
        finished = step == config.steps
        if leads:
            run.mark("finished" if finished else "stopped", message=MESSAGES[finished])
    return Outcome(step=step, finished=finished, adapter=adapter_file(run, step))


MESSAGES = {True: "", False: "on request"}
ADVICE = "lower alignment.masked_dpo.lr or beta and start a new run"


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


def _tell(run: RunFolder, row: Mapping[str, float], alarm: str | None) -> None:
    """Write a step's metrics down, and the alarm where there is one."""
    if alarm:
        run.mark("running", message=alarm)
    run.metrics.append(row)


def _evaluate(evaluate: Evaluation | Watched, run: RunFolder, step: int) -> None:
    """Measure a step, write it down, and ask the tripwires."""
    measured = evaluate(step)
    run.metrics.append({"step": step, **measured})
    if isinstance(evaluate, Watched):
        evaluate.check(step, measured)


def _drawn(
    policy: Policy,
    dataset: PreferenceSet,
    batch: Batch,
    place: tuple[int, list[Place], slice],
    shelf: Shelf,
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Draw times and noise of a step, and find the reference's predictions where they are kept."""
    (step, turns, share), config = place, shelf.config
    if not config.fixed_draws:
        return *draw_noise(step, config, batch, share), None
    draws = fixed_draws(config, batch, turns)
    t, noise = zip(*(draw.draw(config, batch.winner.shape[1:]) for draw in draws), strict=True)
    known = shelf.predictions(policy, dataset, [turn.pair for turn in turns], draws)
    device = batch.winner.device
    return torch.stack(t).to(device), torch.stack(noise).to(device), known.to(device)


def _gradient_norms(
    terms: Terms, parameters: list[torch.nn.Parameter], team: Team
) -> dict[str, Tensor]:
    """How hard the anchor and the preference pull: DPO starts at 250 times the MSE's."""
    norms = {}
    for name, term in (("grad_norm_mse", terms.mse), ("grad_norm_dpo", terms.dpo)):
        gradients = torch.autograd.grad(term, parameters, retain_graph=True, allow_unused=True)
        norms[name] = get_total_norm([team.mean(g) for g in gradients if g is not None])
    return norms
