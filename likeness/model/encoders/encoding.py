"""Requests in pixels and samples to the tensors of a :class:`Conditioning`."""

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate

from likeness.model.conditioning import Conditioning, Request
from likeness.model.config import GeneratorConfig, ModelError
from likeness.model.encoders.codec import TIME
from likeness.model.encoders.interfaces import Codec, SpeechEncoder
from likeness.model.encoders.text import TextEncoder
from likeness.model.network.streams import tokens_in_boxes


def to_signed(frames: np.ndarray) -> Tensor:
    """uint8 pixels to float32 in -1..1."""
    return torch.from_numpy(np.ascontiguousarray(frames)).float() / 127.5 - 1


def to_pixels(video: Tensor) -> np.ndarray:
    """About -1..1 to uint8, rounded."""
    return ((video.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).cpu().numpy()


def finite(latents: Tensor) -> Tensor:
    """Return latents that can be decoded.

    Raises:
        ModelError: they hold NaN or infinity.

    """
    if not bool(torch.isfinite(latents).all()):
        raise ModelError("latents hold NaN or infinity: the checkpoint or its input is damaged")
    return latents


def fit_size(images: Tensor, config: GeneratorConfig) -> Tensor:
    """Resize (N, H, W, C) to the generator's height and width, smoothed when it shrinks."""
    size = (config.height, config.width)
    if images.shape[1:3] == size:
        return images
    planes = interpolate(images.permute(0, 3, 1, 2), size, mode="bilinear", antialias=True)
    return planes.permute(0, 2, 3, 1)


def boxes_by_latent(boxes: Tensor) -> Tensor:
    """Union of face boxes over the frames of each latent frame.

    (..., 1 + 4k, 4) to (..., 1 + k, 4); NaN where none of the frames has a face.
    """
    groups = torch.cat([boxes[..., :1, :].expand(*boxes.shape[:-2], TIME - 1, 4), boxes], -2)
    groups = groups.unflatten(-2, (-1, TIME))
    missing = groups.isnan()
    low = torch.where(missing, torch.inf, groups).amin(-2)
    high = torch.where(missing, -torch.inf, groups).amax(-2)
    union = torch.cat([low[..., :2], high[..., 2:]], -1)
    return torch.where(union.isinf(), torch.nan, union)


def background_tokens(hidden: Tensor, visible: float) -> Tensor:
    """(B, H, W) bool to (B, N) tokens of 16 x 16 pixels of which at least ``visible`` shows."""
    covered = avg_pool2d(hidden[:, None].float(), 16)
    return (1 - covered >= visible).flatten(1)


def reference_tokens(boxes: Tensor, config: GeneratorConfig) -> Tensor:
    """(B, T, 4) face boxes by latent frame to (B, N) tokens of 16 x 16 pixels that show the face.

    TAVR, section 3.1: only these are kept, so that the reference's scene can't be copied.
    """
    return tokens_in_boxes(boxes, config.token_size, config.face_margin, config.face_share).flatten(
        1
    )


def encode_background(codec: Codec, pixels: Tensor, hidden: Tensor) -> Tensor:
    """(B, H, W, 3) in -1..1, its hidden part made grey, to latents (B, C, 1, h, w)."""
    shown = pixels * ~hidden[..., None]
    return codec.encode(shown[:, None])


def reference_part(request: Request, config: GeneratorConfig) -> tuple[Tensor, Tensor]:
    """Frames (1, T, H, W, 3) in -1..1 and boxes (1, T, 4) as fractions of the frame."""
    wanted = config.reference_frames
    clip, boxes = request.reference, request.reference_boxes
    if len(clip.frames) < wanted:
        raise ModelError(
            f"the reference has {len(clip.frames)} frames and {wanted} are needed: "
            "give a longer one, or ask for fewer reference frames (1 + 4k)"
        )
    if not np.isfinite(boxes[:wanted]).all(1).any():
        raise ModelError(
            f"no face was found in the first {wanted} frames of the reference: "
            "give a reference that shows the face"
        )
    height, width = clip.frames.shape[1:3]
    scale = torch.tensor([width, height, width, height], dtype=torch.float32)
    frames = fit_size(to_signed(clip.frames[:wanted]), config)
    fractions = torch.from_numpy(np.asarray(boxes[:wanted], np.float32)) / scale
    return frames[None], fractions[None]


@torch.no_grad()
def encode_requests(
    requests: list[Request],
    config: GeneratorConfig,
    codec: Codec,
    text: TextEncoder,
    speech: SpeechEncoder,
) -> Conditioning:
    """Encode requests into one batch of conditions."""
    if not requests:
        raise ModelError("no requests to encode")
    parts = [reference_part(r, config) for r in requests]
    frames = torch.cat([p[0] for p in parts])
    boxes = boxes_by_latent(torch.cat([p[1] for p in parts]))
    hidden = torch.stack([_fit_mask(r.hidden, config) for r in requests])
    pixels = torch.cat([fit_size(to_signed(r.background[None]), config) for r in requests])
    return Conditioning(
        text=text([r.prompt for r in requests]),
        empty_text=text([""] * len(requests)),
        audio=_rows(speech, [r.driving for r in requests], config.frames, config.fps),
        background=encode_background(codec, pixels, hidden),
        background_keep=background_tokens(hidden, config.background_visible),
        reference=codec.encode(frames),
        reference_keep=reference_tokens(boxes, config),
        reference_audio=_rows(
            speech, [r.reference.audio for r in requests], config.reference_frames, config.fps
        ),
        hidden=avg_pool2d(hidden[:, None].float(), 8)[:, :, None],
        hidden_pixels=hidden,
    )


def _rows(speech: SpeechEncoder, audio: list[np.ndarray], frames: int, fps: float) -> Tensor:
    return torch.from_numpy(np.stack([speech(a, frames, fps) for a in audio]))


def _fit_mask(hidden: np.ndarray, config: GeneratorConfig) -> Tensor:
    image = torch.from_numpy(hidden.astype(np.float32))[None, :, :, None]
    return fit_size(image, config)[0, :, :, 0] > 0.25
