from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from likeness.cli.console import bars, print_json, say
from likeness.cli.options import AsJson

if TYPE_CHECKING:
    from collections.abc import Iterator

    from likeness.rewards.calibration import Point
    from likeness.rewards.identity import IdentityReward
    from likeness.rewards.labelled import Labelled
    from likeness.rewards.portraits import Portrait
    from likeness.store import Clip


def calibrate(
    table: Annotated[
        Path | None,
        typer.Argument(
            help="CSV or Parquet with columns left, right, same (1 or 0), or path, identity.",
        ),
    ] = None,
    *,
    testbed: Annotated[
        int, typer.Option(help="Take this many drawn people instead of a table.", min=0)
    ] = 0,
    recogniser: Annotated[
        Path | None, typer.Option(help="An ONNX face recogniser; else the one that scores use.")
    ] = None,
    normalisation: Annotated[
        Literal["auto", "insightface", "imagenet", "none"],
        typer.Option(help="What that recogniser's pixels look like."),
    ] = "auto",
    least_frames: Annotated[
        int, typer.Option(help="Frames with a face a clip must have; 1 for photos.", min=1)
    ] = 20,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the threshold; else beside the weights.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the intervals.", min=0)] = 0,
    as_json: AsJson = False,
) -> None:
    """Find from which similarity on a face recogniser sees one person in two clips.

    Prints the share of true pairs found (TAR) where few wrong ones pass (FAR), with intervals over
    people, and keeps the strictest threshold that the pairs support: scores of the same recogniser
    then say whether it is the same person.
    """
    from dataclasses import asdict

    from likeness.rewards.calibration import decide, points
    from likeness.rewards.thresholds import keep
    from likeness.store import LikenessError

    if (table is None) == (testbed == 0):
        raise LikenessError("give either a table or --testbed PEOPLE")
    reward = _reward("real" if testbed == 0 else "testbed", recogniser, normalisation, least_frames)
    labelled, clips = _drawn(testbed) if table is None else _listed(table)
    portraits, left_out = _look(reward, labelled, clips)
    trials = labelled.trials(portraits)
    found = points(trials, seed=seed)
    threshold = decide(trials, found, reward.recogniser.hash)
    path = keep(threshold, out)
    if as_json:
        rows = [asdict(point) for point in found]
        kept = {"threshold": asdict(threshold), "file": str(path), "points": rows}
        print_json(kept | {"left_out": left_out})
        return
    for name, reason in left_out.items():
        say(f"left out {name}: {reason}")
    say(
        f"{threshold.genuine} pairs of one person, {threshold.impostor} of different people, "
        f"{threshold.people} people"
    )
    for point in found:
        say(_line(point))
    say(f"kept {threshold.value:.3f} ({threshold.rule}) for {threshold.recogniser[:16]} in {path}")


def _reward(
    world: Literal["testbed", "real"],
    file: Path | None,
    normalisation: Literal["auto", "insightface", "imagenet", "none"],
    least_frames: int,
) -> "IdentityReward":
    from likeness.rewards.identity import IdentityReward
    from likeness.rewards.recognisers import OnnxRecogniser
    from likeness.rewards.sets import RewardSet
    from likeness.store import LikenessError

    rewards = RewardSet.load(world)
    known = rewards.recogniser if file is None else OnnxRecogniser(file, normalisation)
    if known is None:
        raise LikenessError("no face recogniser is here; see `likeness weights`")
    return IdentityReward(rewards.faces, known, least_frames)


def _listed(table: Path) -> "tuple[Labelled, Iterator[Clip | str]]":
    from likeness.rewards.labelled import read_clip, read_labelled
    from likeness.store import LikenessError

    def clips() -> "Iterator[Clip | str]":
        for path in labelled.paths:
            try:
                yield read_clip(path)
            except LikenessError as error:
                yield str(error)

    labelled = read_labelled(table)
    return labelled, clips()


def _drawn(people: int) -> "tuple[Labelled, Iterator[Clip | str]]":
    """Film two scenes of each person, 1 s long."""
    from likeness.rewards.labelled import all_pairs
    from likeness.testbed.cast import cast, take_of

    acts = [(person, scene) for person in cast("spare", people) for scene in (0, 1)]
    names = [person.identity for person, _ in acts]
    paths = [Path(f"{person.identity}/{scene}") for person, scene in acts]
    return all_pairs(paths, names), (take_of(person, scene, 1.0).clip for person, scene in acts)


def _look(
    reward: "IdentityReward", labelled: "Labelled", clips: "Iterator[Clip | str]"
) -> "tuple[list[Portrait], dict[str, str]]":
    """Embed one clip at a time, so that one is in memory; say which can't be."""
    import numpy as np

    from likeness.rewards.portraits import Portrait

    portraits, left_out = [], {}
    with bars("looking at faces") as progress:
        for number, (path, clip) in enumerate(zip(labelled.paths, clips, strict=True), start=1):
            found = (
                Portrait(embeddings=np.zeros((0, 1)), coverage=0.0, complaint=clip)
                if isinstance(clip, str)
                else reward.portraits([clip])[0]
            )
            if found.complaint:
                left_out[str(path)] = found.complaint
            portraits.append(found)
            progress(number, len(labelled.paths), str(path))
    return portraits, left_out


def _line(point: "Point") -> str:
    if point.reason:
        return f"{point.rule}: can't be told: {point.reason}"
    return (
        f"{point.rule}: threshold {point.threshold:.3f} "
        f"({point.threshold_low:.3f} to {point.threshold_high:.3f}), "
        f"TAR {point.tar:.3f} ({point.tar_low:.3f} to {point.tar_high:.3f}), FAR {point.far:.2g}"
    )
