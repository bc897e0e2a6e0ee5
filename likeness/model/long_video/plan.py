"""Where the chunks of a long clip begin and end."""

from dataclasses import dataclass

from likeness.model.config import ModelError, latent_frames


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """One window of a long clip, in latent frames of the whole clip.

    Attributes:
        number: from 0.
        start: its first latent frame, motion included.
        motion: how many of its frames are the last ones of the chunk before.
        length: of the window, motion included.

    """

    number: int
    start: int
    motion: int
    length: int

    @property
    def first_new(self) -> int:
        """Return the first latent frame that it adds."""
        return self.start + self.motion

    @property
    def speech(self) -> slice:
        """Video frames whose speech it hears; the first is the last of its first latent frame."""
        return slice(4 * self.start, 4 * (self.start + self.length - 1) + 1)


def plan_chunks(frames: int, window: int, motion: int) -> list[Chunk]:
    """Cut a clip into windows of one length, each after the first begun by known latents.

    The last one reaches beyond the clip's end where this needs it: what is too much is not shown.

    Args:
        frames: video frames of the clip, 1 or more.
        window: video frames of a chunk, 1 + 4k, motion included.
        motion: latent frames taken over (TAVR, section 3.1: two).

    Raises:
        ModelError: there is nothing to make, or a chunk would add nothing.

    """
    if frames < 1:
        raise ModelError(f"a clip has at least one frame, got {frames}")
    if window < 1 or window % 4 != 1:
        raise ModelError(f"a chunk has 1 + 4k frames, got {window}")
    length = latent_frames(window)
    if not 0 < motion < length:
        raise ModelError(
            f"a chunk of {length} latent frames takes over 1 to {length - 1}, got {motion}"
        )
    total = latent_frames(frames + 3)  # the last latent frame is begun, if not filled
    chunks = [Chunk(number=0, start=0, motion=0, length=length)]
    while (end := chunks[-1].start + length) < total:
        chunks.append(Chunk(number=len(chunks), start=end - motion, motion=motion, length=length))
    return chunks
