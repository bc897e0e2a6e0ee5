"""What a file says of its making."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from likeness.cli.console import print_json, say
from likeness.cli.options import AsJson

if TYPE_CHECKING:
    from likeness.store.marks.manifest import Manifest

_SECONDS = 20.0  # of a film that are looked at for the watermark
_WRONG = 1
_STATES = {
    "trusted": "signed by somebody on the list of trusted signers; the file is as it was signed",
    "valid": "the file is as it was signed; the signer is on no list of trusted ones",
    "tampered": "file or manifest were changed after signing",
}


def inspect(
    files: Annotated[list[Path], typer.Argument(help="Video files.", metavar="FILE")],
    as_json: AsJson = False,
) -> None:
    """Say of files whether they are marked as generated, and what their manifests claim.

    The exit code is 1 where a manifest is there and the file was changed after it was signed. No
    mark and no manifest doesn't mean that a film was recorded.
    """
    found = [_facts(path) for path in files]
    if as_json:
        print_json(found)
    else:
        for facts in found:
            _print(facts)
    if any((facts["manifest"] or {}).get("state") == "tampered" for facts in found):
        raise typer.Exit(_WRONG)


def _facts(path: Path) -> dict[str, Any]:
    from itertools import islice

    from likeness.store.marks import manifest, watermark
    from likeness.store.media import iter_frames, probe

    info = probe(path)
    signed = manifest.read(path)
    facts: dict[str, Any] = {"file": str(path), "origin": info.origin, "watermark": None}
    if info.video is not None:
        frames = islice(iter_frames(path, fps=None), round(_SECONDS * info.video.fps))
        certainty = watermark.certainty(frames)
        facts["watermark"] = {
            "found": certainty >= watermark.FOUND,  # False for NaN: nothing to look at
            "certainty": certainty,
            "needed": watermark.FOUND,
        }
    return {**facts, "manifest": None if signed is None else _signed(signed)}


def _signed(signed: "Manifest") -> dict[str, Any]:
    from likeness.store.marks.signing import identity

    ours = identity(make=False)
    return {
        "state": signed.state,
        "faults": list(signed.faults),
        "generator": signed.generator,
        "signer": signed.signer,
        "this_machine": ours is not None and ours.serial == signed.serial,
        "source": signed.source,
        "claims": dict(signed.claims),
    }


def _print(facts: dict[str, Any]) -> None:
    say(facts["file"])
    say(f"  container  says {facts['origin']}")
    mark = facts["watermark"]
    if mark is None:
        say("  watermark  no picture to look at")
    else:
        told = "found" if mark["found"] else "not found"
        say(
            f"  watermark  {told}: {mark['certainty']:.1f} deviations above chance, "
            f"{mark['needed']:g} are needed"
        )
    signed = facts["manifest"]
    if signed is None:
        say("  manifest   none")
        return
    say(f"  manifest   {signed['state']}: {_STATES[signed['state']]}")
    for fault in signed["faults"]:
        say(f"             {fault}")
    who = "this machine" if signed["this_machine"] else signed["signer"] or "unknown"
    say(f"  signed by  {who}, with {signed['generator'] or 'an unknown program'}")
    if signed["source"]:
        say(f"  source     {signed['source'].rpartition('/')[2]}")
    for name, value in signed["claims"].items():
        say(f"  {name:9}  {value}")
