import pytest
import torch
from diffusers.models.attention_dispatch import _AttentionBackendRegistry as Registry

from likeness.model import Generator, ModelError
from likeness.model.config import TINY
from likeness.model.network.transformer import AvatarTransformer3DModel
from likeness.model.placement import Placement, cast_weights, memory_advice, placement_options


def velocity(generator: Generator, cond) -> torch.Tensor:
    g = torch.Generator().manual_seed(3)
    z = torch.randn(1, *generator.latent_shape, generator=g)
    with torch.no_grad():
        return generator.velocity(z, torch.full((1,), 0.6), cond)


def difference(generator: Generator, cond, placement: Placement) -> float:
    """Root mean square of the change, against that of the velocity."""
    plain = velocity(generator, cond)
    placement.apply(generator)
    placed = velocity(generator, cond)
    assert placed.dtype == plain.dtype
    return float((placed - plain).square().mean().sqrt() / plain.square().mean().sqrt())


@pytest.fixture
def cond(generator, request_of):
    return generator.condition([request_of(0)])


@pytest.mark.parametrize("backend", [None, "native", "_native_math"])
def test_attention_backends_agree(generator, cond, backend, monkeypatch):
    monkeypatch.setattr(Registry, "_active_backend", Registry._active_backend)
    assert difference(generator, cond, Placement(attention_backend=backend)) < 1e-5


def test_group_offload_changes_nothing(generator, cond):
    assert difference(generator, cond, Placement(offload="group")) < 1e-6


def test_offloaded_weights_are_there_when_they_are_needed(generator, cond, tmp_path):
    """With the weights on disk between the calls, one that no hook brings back would be noise."""
    plain = velocity(generator, cond)
    generator.transformer.enable_group_offload(
        torch.device("cpu"), num_blocks_per_group=1, offload_to_disk_path=str(tmp_path)
    )
    for parameter in generator.transformer.parameters():
        parameter.data.fill_(float("nan"))
    torch.testing.assert_close(velocity(generator, cond), plain, atol=1e-5, rtol=1e-5)


def test_half_precision_and_eight_bits_stay_near(generator, cond):
    kept = generator.transformer.layers[0].attn1.norm_q.weight
    assert difference(generator, cond, Placement(dtype="bfloat16")) < 0.02
    assert kept.dtype == torch.bfloat16
    assert generator.transformer.scale_shift_table.dtype == torch.float32


def test_eight_bit_storage_stays_near(generator, cond):
    before = sum(p.nbytes for p in generator.transformer.layers[0].parameters())
    error = difference(generator, cond, Placement(storage="fp8"))
    assert 1e-4 < error < 0.06
    after = sum(p.nbytes for p in generator.transformer.layers[0].parameters())
    assert after < 0.5 * before


def test_a_cache_outlives_casts_and_offloading(generator, cond):
    """They write the same weights to and fro; that makes no cache stale."""
    Placement(storage="fp8", offload="group").apply(generator)
    cache = generator.encode_reference(cond)
    for _ in range(2):
        z, t = torch.randn(1, *generator.latent_shape), torch.full((1,), 0.6)
        generator.velocity(z, t, cond, shared=cache)


@pytest.mark.slow
def test_compiled_blocks_agree(generator, cond):
    assert difference(generator, cond, Placement(compile=True)) < 1e-4


BAD = {
    "float16": ({"dtype": "float16"}, "dtype must be one of float32, bfloat16, got 'float16'"),
    "device": ({"device": "abacus"}, "no such device as 'abacus'"),
    "ulysses": ({"ulysses": 0}, "ulysses must be positive, got 0"),
    "both": ({"ulysses": 2, "offload": "group"}, "exclude each other"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_settings_are_refused(name):
    changes, told = BAD[name]
    with pytest.raises(ModelError, match=told):
        Placement(**changes)


def test_what_is_not_possible_here_is_told(generator):
    for placement, told in (
        (Placement(ulysses=3), "must divide 2 heads and 4 x 4 tokens of a frame, got 3"),
        (Placement(ulysses=2), "needs several processes: start them by `torchrun"),
        (Placement(storage="torchao"), "storage torchao needs a GPU with float8"),
        (Placement(attention_backend="psychic"), "attention backend 'psychic': .*one of"),
    ):
        with pytest.raises(ModelError, match=told):
            placement.apply(generator)


def test_options_left_open_are_the_machines(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert placement_options(device=None, compile=None) == Placement()
    assert placement_options(dtype="bfloat16") == Placement(dtype="bfloat16")
    with pytest.raises(ModelError, match="no GPU is here"):
        placement_options(device="cuda")
    with pytest.raises(ModelError, match="colour is no option"):
        placement_options(colour="blue")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert placement_options() == Placement(device="cuda", dtype="bfloat16")


def test_full_memory_says_what_to_turn_on_next():
    def runs_out(**settings) -> str:
        placement = Placement(**settings)
        with pytest.raises(ModelError) as told, memory_advice(placement, one_by_one=True):
            torch.empty(1 << 60, dtype=torch.uint8)
        assert "\n" not in str(told.value)
        return str(told.value)

    assert runs_out() == "out of memory on cpu: choose dtype bfloat16"
    half = {"dtype": "bfloat16"}
    assert runs_out(**half).endswith("choose offload group (slower)")
    assert "choose storage fp8" in runs_out(**half, offload="group")
    assert "choose storage fp8" in runs_out(**half, ulysses=2)
    assert "shorter chunks" in runs_out(**half, offload="group", storage="fp8")
    assert "one by one" in Placement().next_saving()
    with pytest.raises(ModelError, match="one by one"), memory_advice(Placement()):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.")
    with pytest.raises(RuntimeError, match="shapes"), memory_advice(Placement()):
        raise RuntimeError("shapes differ")


def test_float32_stays_where_the_model_wants_it():
    model = AvatarTransformer3DModel(**{**TINY.transformer, "num_layers": 1})
    cast_weights(model, torch.bfloat16)
    full = {name.split(".")[0] for name, p in model.named_parameters() if p.dtype == torch.float32}
    assert full == {"scale_shift_table", "blocks", "condition_embedder"}
    assert model.layers[0].scale_shift_table.dtype == torch.float32
    assert model.layers[0].attn1.to_q.weight.dtype == torch.bfloat16
    assert model.dtype == torch.bfloat16
