"""From scored samples to an aligned checkpoint."""

import hashlib
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from likeness.alignment.guards import Watched
from likeness.alignment.masked_dpo import Outcome, train
from likeness.alignment.mining import Mining, candidates, mine, shuffle_pairs
from likeness.alignment.preference import PreferenceError, PreferenceSet, preference_set
from likeness.alignment.recipe import Recipe
from likeness.cli.console import say
from likeness.cli.loop.learnable import REASON, pairs_to_learn
from likeness.cli.loop.studio import Studio
from likeness.cli.loop.tracking import tracked
from likeness.cli.loop.watching import watch_beside
from likeness.cli.revision import code_version
from likeness.model import Generator
from likeness.rewards.sets import RewardSet
from likeness.store.progress import Progress, silent
from likeness.store.recipes import RecipeError, nearest, recipe_table
from likeness.store.records import Checkpoint, ClipEntry, Condition, Pair, Run, Sample, Score
from likeness.store.runs import RunFolder
from likeness.store.workspace import Workspace, WorkspaceError


def base_checkpoint(workspace: Workspace, generator: Generator, path: str) -> Checkpoint:
    """Enter a generator, or find it where a run of this workspace made it."""
    name = generator.hash[:16]
    if known := workspace.find(Checkpoint, id=name):
        return known[0]
    checkpoint = Checkpoint(
        id=name,
        run=None,
        step=0,
        path=path,
        hash=generator.hash,
        preset=generator.config.preset,
    )
    workspace.add(checkpoint)
    return checkpoint


def mine_pairs(
    workspace: Workspace, samples: Sequence[Sample], scores: Sequence[Score], recipe: Recipe
) -> Mining:
    """Mine pairs and enter them."""
    mining = mine(candidates(samples, scores), recipe.mining)
    workspace.add(*mining.pairs)
    return mining


def load_pairs(studio: Studio, pairs: Sequence[Pair], recipe: Recipe) -> PreferenceSet:
    """Read the latents, conditions and masks of pairs; the mask is where the background hides.

    TAVR derives the foreground mask from the background input (section 3.2, stage 3). Pairs whose
    clips are gone, as those of forgotten people, are left out and counted.
    """
    workspace = studio.workspace
    gone: Counter[str] = Counter()
    kept: list[Pair] = []
    latents: dict[str, torch.Tensor] = {}
    for pair in pairs:
        found = _latents(workspace, pair)
        if found is None:
            gone["clips that are gone"] += 1
        else:
            _check_fits(studio.generator, pair, found)
            kept.append(pair)
            latents |= found
    names = sorted({pair.condition for pair in kept})
    conditions = [workspace.get(Condition, name) for name in names]
    encoded = studio.conditioning(conditions) if conditions else None
    place = {name: i for i, name in enumerate(names)}
    rows = {} if encoded is None else {n: encoded[[place[n]]] for n in names}
    masks = {pair.id: rows[pair.condition].hidden_pixels[0].numpy() for pair in kept}
    if gone and not kept:
        raise PreferenceError(
            f"all {len(pairs)} pairs have lost their clips; draw samples and mine pairs anew"
        )
    ties = recipe.masked_dpo.ties
    dataset = preference_set(kept, latents, rows, masks, recipe.masks, ties)
    dataset = replace(dataset, dropped={**dataset.dropped, **gone})
    if recipe.pairs.winner == "generated":
        return dataset
    return _with_true_clips(studio, dataset, {pair.id: pair.condition for pair in kept})


def _check_fits(generator: Generator, pair: Pair, latents: Mapping[str, torch.Tensor]) -> None:
    """Refuse samples that the checkpoint could not have drawn; their length is free."""
    channels, _, *area = generator.latent_shape
    for name, found in latents.items():
        if [found.shape[0], *found.shape[2:]] != [channels, *area]:
            raise PreferenceError(
                f"pair {pair.id}: sample {name} has latents {tuple(found.shape)}, and this "
                f"checkpoint makes {tuple(generator.latent_shape)}: another preset drew it; give "
                "that as --checkpoint, or draw samples and mine pairs anew"
            )


def _latents(workspace: Workspace, pair: Pair) -> dict[str, torch.Tensor] | None:
    """Latents of both samples; None where a sample or its array is no longer there."""
    found: dict[str, torch.Tensor] = {}
    for name in (pair.winner, pair.loser):
        samples = workspace.find(Sample, id=name)
        if not samples or not samples[0].latents:
            return None
        try:
            found[name] = torch.from_numpy(workspace.get_array(samples[0].latents))
        except WorkspaceError:
            return None
    return found


def _with_true_clips(
    studio: Studio, dataset: PreferenceSet, conditions: Mapping[str, str]
) -> PreferenceSet:
    """Put the true clip of each condition in the place of the winner (TAVR Table 5).

    Raises:
        PreferenceError: a condition has none.

    """
    pairs = []
    for pair in dataset.pairs:
        condition = studio.workspace.get(Condition, conditions[pair.id])
        if condition.target is None:
            raise PreferenceError(
                f"pair {pair.id}: its condition has no true clip to be the winner; take "
                "pairs.winner = generated"
            )
        clip = studio.workspace.get_clip(condition.target)
        true = studio.generator.encode(clip.frames[None])[0].cpu()
        pairs.append(replace(pair, winner=true[:, : pair.loser.shape[1]]))
    return replace(dataset, pairs=tuple(pairs))


def check_reward(judges: RewardSet, reward: str) -> None:
    """Refuse a reward that nobody gives.

    Raises:
        RecipeError: it offers the nearest name.

    """
    known = [name for judge in judges.rewards for name in judge.names]
    if reward not in known:
        raise RecipeError(f"alignment.mining.reward: no reward {reward}{nearest(reward, known)}")


def align_on_pairs(
    studio: Studio, judges: RewardSet, recipe: Recipe, name: str, progress: Progress = silent
) -> Outcome:
    """Align on the pairs that the workspace has."""
    workspace = studio.workspace
    if not recipe.pairs.source:
        check_reward(judges, recipe.mining.reward)
    pairs, tested = pairs_to_learn(workspace, recipe.source)
    if recipe.pairs.shuffle:
        pairs = shuffle_pairs(pairs, np.random.default_rng(recipe.masked_dpo.seed))
        workspace.add(*pairs)
    dataset = load_pairs(studio, pairs, recipe)
    for reason, count in (Counter(dataset.dropped) + Counter({REASON: tested})).items():
        say(f"{count} pairs dropped for {reason}")
    learnt_on = {pair.id for pair in dataset.pairs}
    watch = watch_beside(
        studio,
        judges,
        [recipe.mining.reward, *recipe.mining.tolerances],
        [pair for pair in pairs if pair.id in learnt_on],
        workspace.path / "runs" / name,
    )
    return align(studio, dataset, recipe, name, progress, watch and watch.watched)


def align(
    studio: Studio,
    dataset: PreferenceSet,
    recipe: Recipe,
    name: str,
    progress: Progress = silent,
    watched: Watched | None = None,
) -> Outcome:
    """Run masked DPO in runs/NAME, or go on with it; the studio's generator carries the adapter.

    The run and its last checkpoint are entered into the workspace, its state also where it fails.
    """
    workspace = studio.workspace
    run = RunFolder.open_or_create(
        workspace.path / "runs" / name, _record(studio, dataset, recipe, name)
    )
    workspace.add(run.record)
    try:
        with tracked(run, recipe.trackers):
            outcome = train(studio.generator, dataset, recipe.masked_dpo, run, progress, watched)
    finally:
        workspace.set_run_state(name, run.status.state)
    enter_checkpoint(studio, name, outcome.step, outcome.adapter)
    return outcome


def enter_checkpoint(studio: Studio, run: str, step: int, adapter: Path) -> str:
    """Enter a run's checkpoint into the workspace; returns its id."""
    workspace = studio.workspace
    checkpoint = Checkpoint(
        id=f"{run}-{step}",
        run=run,
        step=step,
        path=str(adapter.relative_to(workspace.path)),
        hash=hashlib.sha256(adapter.read_bytes()).hexdigest(),
        preset=studio.generator.config.preset,
    )
    workspace.add(checkpoint)
    return checkpoint.id


def _record(studio: Studio, dataset: PreferenceSet, recipe: Recipe, name: str) -> Run:
    workspace = studio.workspace
    conditions = {workspace.get(Pair, pair.id).condition for pair in dataset.pairs}
    return Run(
        id=name,
        kind="masked_dpo",
        recipe=recipe_table(recipe),
        seeds=(recipe.masked_dpo.seed,),
        commit=code_version(),
        dataset_hash=dataset.hash,
        parent=studio.checkpoint,
        identities=people_of(
            workspace, {workspace.get(Condition, name).references[0] for name in conditions}
        ),
    )


def people_of(workspace: Workspace, clips: Collection[str]) -> tuple[str, ...]:
    """Name the people whom these clips show, where known."""
    people = {workspace.get(ClipEntry, clip).identity for clip in clips}
    return tuple(sorted(person for person in people if person is not None))
