"""From scored samples to an aligned checkpoint."""

import hashlib
import subprocess
from collections.abc import Sequence
from pathlib import Path

import torch

from likeness.alignment.masked_dpo import Outcome, train
from likeness.alignment.mining import Mining, candidates, mine
from likeness.alignment.preference import PreferenceSet, preference_set
from likeness.alignment.recipe import Recipe
from likeness.cli.loop.studio import Studio
from likeness.model import Generator
from likeness.store.progress import Progress, silent
from likeness.store.recipes import recipe_table
from likeness.store.records import Checkpoint, ClipEntry, Condition, Pair, Run, Sample, Score
from likeness.store.runs import RunFolder
from likeness.store.workspace import Workspace


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

    TAVR derives the foreground mask from the background input (section 3.2, stage 3).
    """
    workspace = studio.workspace
    names = sorted({pair.condition for pair in pairs})
    conditions = [workspace.get(Condition, name) for name in names]
    encoded = studio.conditioning(conditions) if conditions else None
    latents = {}
    for name in {s for pair in pairs for s in (pair.winner, pair.loser)}:
        array = workspace.get(Sample, name).latents
        if array is not None:
            latents[name] = torch.from_numpy(workspace.get_array(array))
    place = {name: i for i, name in enumerate(names)}
    rows = {} if encoded is None else {n: encoded[[place[n]]] for n in names}
    masks = {pair.id: rows[pair.condition].hidden_pixels[0].numpy() for pair in pairs}
    return preference_set(pairs, latents, rows, masks, recipe.masks)


def align(
    studio: Studio, dataset: PreferenceSet, recipe: Recipe, name: str, progress: Progress = silent
) -> Outcome:
    """Run masked DPO in runs/NAME, or go on with it; the studio's generator carries the adapter.

    The run and its last checkpoint are entered into the workspace.
    """
    workspace = studio.workspace
    path = workspace.path / "runs" / name
    if (path / "run.json").is_file():
        run = RunFolder.open(path)
    else:
        run = RunFolder.create(path, _record(studio, dataset, recipe, name))
    workspace.add(run.record)
    outcome = train(studio.generator, dataset, recipe.masked_dpo, run, progress)
    workspace.set_run_state(name, run.status.state)
    workspace.add(
        Checkpoint(
            id=f"{name}-{outcome.step}",
            run=name,
            step=outcome.step,
            path=str(outcome.adapter.relative_to(workspace.path)),
            hash=hashlib.sha256(outcome.adapter.read_bytes()).hexdigest(),
            preset=studio.generator.config.preset,
        )
    )
    return outcome


def _record(studio: Studio, dataset: PreferenceSet, recipe: Recipe, name: str) -> Run:
    workspace = studio.workspace
    people = set()
    for pair in dataset.pairs:
        condition = workspace.get(Condition, workspace.get(Pair, pair.id).condition)
        person = workspace.get(ClipEntry, condition.references[0]).identity
        if person is not None:
            people.add(person)
    return Run(
        id=name,
        kind="masked_dpo",
        recipe=recipe_table(recipe),
        seeds=(recipe.masked_dpo.seed,),
        commit=code_version(),
        dataset_hash=dataset.hash,
        parent=studio.checkpoint,
        identities=tuple(sorted(people)),
    )


def code_version() -> str:
    """Return the commit of the code that runs, or the version where there is no repository."""
    here = Path(__file__).parent
    try:
        done = subprocess.run(
            ["git", "-C", str(here), "rev-parse", "HEAD"],
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        from importlib.metadata import version

        return f"likeness {version('likeness')}"
    return done.stdout.strip()
