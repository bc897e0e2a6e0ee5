from dataclasses import replace

import torch

from likeness.model.encoders.codec import TinyCodec, token_place
from likeness.training.codec_fitting import CodecTraining, cut, fit_decoder
from likeness.training.drafting import DraftConfig, Drafts, make_drafts


def test_drafts_stand_beside_their_true_clips(generator, talking, tmp_path):
    # Weights are random here: as a velocity they move a clip little from a time near 0.
    generator.config = replace(generator.config, prediction="velocity")
    config = DraftConfig(count=3, batch=2, times=(0.05,), steps=1)
    drafts = make_drafts(generator, talking, config)
    assert drafts.latents.shape == (3, *generator.latent_shape)
    where = [(p, s, slice(a, a + 25)) for p, s, a in drafts.where.tolist()]
    truth = generator.codec.encode(cut(talking, where)[0])
    # From little noise, a draft is near its own clip and far from the others.
    distance = torch.cdist(drafts.latents.flatten(1), truth.flatten(1))
    assert distance.argmin(1).tolist() == [0, 1, 2]
    drafts.save(tmp_path / "drafts.pt")
    torch.testing.assert_close(Drafts.load(tmp_path / "drafts.pt").latents, drafts.latents)


def test_the_decoder_learns_to_mend_drafts(generator, talking, tmp_path):
    """Seams at the edges of tokens: a decoder that never saw them leaves them in."""
    where = torch.tensor([[p, 0, 0] for p in range(3)])
    video, _, _ = cut(talking, [(p, 0, slice(0, 25)) for p in range(3)])
    seams = generator.codec.encode(video) + 0.5 * token_signs()
    drafts = Drafts(latents=seams, where=where)
    errors = []
    for taught in (None, drafts):
        codec = TinyCodec(generator.codec.config)
        codec.load_state_dict(generator.codec.state_dict())
        config = CodecTraining(steps=80, batch=1, frames=5, drafts=1, noise=0.0)
        state = tmp_path / f"{taught is None}.pt"
        fit_decoder(codec, talking, config, state=state, drafts=taught)
        errors.append(float((codec.decode(seams) - video).abs().mean()))
    assert errors[1] < 0.9 * errors[0]


def test_place_repeats_with_every_token():
    place = token_place(16, 24)
    assert place.shape == (1, 4, 16, 24)
    torch.testing.assert_close(place[..., :8, :], place[..., 8:, :])
    torch.testing.assert_close(place[..., :8], place[..., 16:])


def token_signs() -> torch.Tensor:
    """(1, 1, 1, 8, 8) of +1 and -1: neighbouring tokens differ."""
    token = torch.arange(8) // 2
    return (1 - 2 * ((token[:, None] + token) % 2)).float().view(1, 1, 1, 8, 8)
