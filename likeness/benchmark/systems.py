"""The rows of a board as data: what is made, from which inputs, and what the row is there for."""

from dataclasses import dataclass
from typing import Literal

Source = Literal["target", "codec", "reference", "generated"]
Checkpoint = Literal["base", "aligned", "shuffled_pairs"]


@dataclass(frozen=True, kw_only=True)
class System:
    """One way to fill the suite's cases with clips.

    Attributes:
        name: key in board.json.
        label: name for people.
        caption: what the row is for, in a plain sentence.
        source: where its clip comes from: the true clip of the case, the true clip through the
            codec, the reference clip as it is, or the generator.
        checkpoint: which checkpoint generates; None where none does.
        reference: whether the generator sees the reference frames.
        reference_audio: whether it hears the reference's sound.
        shuffled_audio: whether another case's speech is laid over the clip before it is judged.

    """

    name: str
    label: str
    caption: str
    source: Source
    checkpoint: Checkpoint | None = None
    reference: bool = True
    reference_audio: bool = True
    shuffled_audio: bool = False

    @property
    def control(self) -> bool:
        """True for rows that put a checkpoint's number into perspective."""
        plain = self.reference and self.reference_audio and not self.shuffled_audio
        return self.source != "generated" or not plain


_ROWS = (
    System(
        name="base",
        label="Base",
        caption="The checkpoint before alignment.",
        source="generated",
        checkpoint="base",
    ),
    System(
        name="aligned",
        label="Aligned",
        caption="The same checkpoint after masked DPO on mined pairs.",
        source="generated",
        checkpoint="aligned",
    ),
    System(
        name="shuffled_pairs",
        label="Aligned on shuffled pairs",
        caption="The same training with winner and loser drawn by lot: it should raise nothing.",
        source="generated",
        checkpoint="shuffled_pairs",
    ),
    System(
        name="true",
        label="True clip",
        caption="The real clip of the new scene: the ceiling.",
        source="target",
    ),
    System(
        name="codec",
        label="True clip through the codec",
        caption="The true clip encoded and decoded: the best that the generator's latents allow.",
        source="codec",
    ),
    System(
        name="copy",
        label="Copy of the reference",
        caption="The reference clip handed in as the answer, under the new speech: right face, "
        "wrong scene and mouth.",
        source="reference",
    ),
    System(
        name="no_reference",
        label="No reference",
        caption="The base checkpoint without reference frames: what it knows of a face from "
        "everything else.",
        source="generated",
        checkpoint="base",
        reference=False,
    ),
    System(
        name="no_reference_audio",
        label="No reference audio",
        caption="The base checkpoint with the reference's pictures but not its sound.",
        source="generated",
        checkpoint="base",
        reference_audio=False,
    ),
    System(
        name="shuffled_audio",
        label="Shuffled audio",
        caption="The base checkpoint's clip judged against another case's speech: it should be "
        "out of sync.",
        source="generated",
        checkpoint="base",
        shuffled_audio=True,
    ),
)

SYSTEMS: dict[str, System] = {system.name: system for system in _ROWS}


def label(name: str) -> str:
    """Name a system for people; one that the registry does not know keeps its key."""
    return SYSTEMS[name].label if name in SYSTEMS else name
