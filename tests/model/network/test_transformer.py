import pytest
import torch
from diffusers import WanTransformer3DModel
from small_network import SMALL, avatar, inputs, randomise, reference_of

from likeness.model.network.streams import Selection, select, tokens_in_boxes
from likeness.model.network.transformer import AvatarTransformer3DModel


@pytest.mark.parametrize("layers,heads,frames", [(1, 1, 1), (2, 2, 3), (3, 4, 2)])
def test_without_reference_and_audio_it_is_wan(layers, heads, frames):
    sizes = {**SMALL, "num_layers": layers, "num_attention_heads": heads}
    wan = WanTransformer3DModel(**sizes).eval()
    randomise(wan, 1)
    ours = AvatarTransformer3DModel(**sizes, audio_dim=6).eval()
    missing, extra = ours.load_state_dict(wan.state_dict(), strict=False)
    assert not extra
    assert all("audio" in name or name == "stream_embedding" for name in missing)
    z, t, text = inputs(frames=frames)
    torch.testing.assert_close(
        ours(z, t, text), wan(z, t, text, return_dict=False)[0], atol=1e-5, rtol=1e-5
    )


def test_new_audio_path_starts_at_zero():
    ours = AvatarTransformer3DModel(**SMALL, audio_dim=6).eval()
    z, t, text = inputs()
    audio = torch.randn(2, 9, 6)
    torch.testing.assert_close(ours(z, t, text, audio=audio), ours(z, t, text))


def test_reference_changes_the_target_but_never_the_other_way():
    model = avatar()
    z, t, text = inputs()
    latents = torch.randn(2, 4, 2, 8, 8)
    cache = reference_of(model, latents, torch.ones(2, 32, dtype=torch.bool))
    with_reference = model(z, t, text, reference=cache)
    assert (with_reference - model(z, t, text)).abs().max() > 1e-3
    # The cache was made without z: other targets read the same keys and values.
    again = reference_of(model, latents, torch.ones(2, 32, dtype=torch.bool))
    for (k, v), (k2, v2) in zip(cache.layers, again.layers, strict=True):
        assert torch.equal(k, k2) and torch.equal(v, v2)


def test_padded_rows_equal_rows_alone():
    model = avatar()
    z, t, text = inputs()
    latents, background = torch.randn(2, 4, 2, 8, 8), torch.randn(2, 4, 1, 8, 8)
    keep, shown = torch.rand(2, 32) > 0.5, torch.rand(2, 16) > 0.5
    keep[1, :20] = False
    audio, heard = torch.randn(2, 9, 6), torch.randn(2, 5, 6)

    def run(rows):
        cache = reference_of(model, latents[rows], keep[rows], heard[rows])
        aside = (background[rows], select(shown[rows]))
        return model(
            z[rows], t[rows], text[rows], audio=audio[rows], background=aside, reference=cache
        )

    both = run(slice(0, 2))
    for row in range(2):
        torch.testing.assert_close(both[row : row + 1], run([row]), atol=1e-5, rtol=1e-5)


def test_a_row_without_reference_equals_no_reference():
    model = avatar()
    z, t, text = inputs()
    latents = torch.randn(2, 4, 2, 8, 8)
    keep = torch.ones(2, 32, dtype=torch.bool)
    keep[0] = False
    out = model(z, t, text, reference=reference_of(model, latents, keep))
    torch.testing.assert_close(out[0], model(z, t, text)[0], atol=1e-5, rtol=1e-5)


def test_selection_keeps_positions():
    model = avatar()
    keep = torch.zeros(1, 32, dtype=torch.bool)
    keep[0, [3, 17]] = True
    latents = torch.randn(1, 4, 2, 8, 8)
    chosen = model.auxiliary_stream(latents, select(keep), kind=1)
    everything = torch.ones(1, 32, dtype=torch.bool)
    whole = model.auxiliary_stream(latents, select(everything), kind=1)
    torch.testing.assert_close(chosen.tokens, whole.tokens[:, [3, 17]])
    torch.testing.assert_close(chosen.rotary[0], whole.rotary[0][:, [3, 17]])


def test_audio_is_heard_frame_by_frame():
    model = avatar(num_layers=1)
    z, t, text = inputs(frames=4)
    audio = torch.randn(2, 13, 6)
    changed = audio.clone()
    changed[:, 12] += 5  # heard by the last latent frame alone (frames 9..12, two on each side)
    # One block: self-attention comes before the audio, so frames can't tell each other yet.
    difference = (model(z, t, text, audio=changed) - model(z, t, text, audio=audio)).abs()
    assert difference[:, :, :3].max() < 1e-5
    assert difference[:, :, 3].max() > 1e-4


def test_two_calls_equal_dense_masked_attention():
    """TAVR eq. 2: one dense attention under the asymmetric mask gives the same target."""
    torch.manual_seed(0)
    target, reference = torch.randn(1, 5, 2, 8), torch.randn(1, 7, 2, 8)
    q, k, v = (torch.cat([target, reference], 1) + i for i in range(3))
    mask = torch.ones(12, 12, dtype=torch.bool)
    mask[5:, :5] = False

    def attention(q, k, v, mask=None):
        q, k, v = (x.transpose(1, 2) for x in (q, k, v))
        return torch.nn.functional.scaled_dot_product_attention(q, k, v, mask).transpose(1, 2)

    dense = attention(q, k, v, mask)
    first = attention(q[:, :5], k, v)
    second = attention(q[:, 5:], k[:, 5:], v[:, 5:])
    torch.testing.assert_close(dense, torch.cat([first, second], 1), atol=1e-5, rtol=1e-5)


def test_tokens_in_boxes():
    boxes = torch.tensor([[0.25, 0.25, 0.5, 0.5], [float("nan")] * 4])
    kept = tokens_in_boxes(boxes, (4, 4), 0.0).view(2, 4, 4)
    assert kept[0].nonzero().tolist() == [[1, 1]]
    assert not kept[1].any()
    assert tokens_in_boxes(boxes[:1], (4, 4), 0.1).sum() == 9
    # A tenth of a token's width more on each side: a tenth of the neighbours is covered.
    assert tokens_in_boxes(boxes[:1], (4, 4), 0.1, share=0.05).sum() == 5
    assert tokens_in_boxes(boxes[:1], (4, 4), 0.1, share=0.5).sum() == 1


def test_select_orders_and_pads():
    keep = torch.tensor([[True, False, True], [False, False, True]])
    chosen = select(keep)
    assert isinstance(chosen, Selection)
    assert chosen.index[0].tolist() == [0, 2]
    assert chosen.index[1, 0] == 2
    assert chosen.valid is not None and chosen.valid.tolist() == [[True, True], [True, False]]
    assert select(torch.ones(2, 3, dtype=torch.bool)).valid is None
