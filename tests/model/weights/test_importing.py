import json
import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
from diffusers import WanTransformer3DModel
from diffusers.loaders.single_file_utils import convert_wan_transformer_to_diffusers
from safetensors.torch import load_file, save_file
from wan_files import (
    CONFIG,
    original_names,
    original_state,
    wan,
    write_diffusers,
    write_original,
    write_single,
)

from likeness.cli import run
from likeness.model import Generator, ModelError
from likeness.model.config import PRESETS
from likeness.model.cost.parameters import is_added
from likeness.model.network.transformer import AvatarTransformer3DModel
from likeness.model.sampling.settings import SamplerSettings
from likeness.model.weights.importing import ImportSettings, import_wan
from likeness.model.weights.loading import load_transformer
from likeness.model.weights.tensor_files import INDEX, STEM, Entry, TensorFiles, write_shards
from likeness.model.weights.wan import PREFIX, names_of
from likeness.store.atomic import DiskFullError, WriteError

EXACT = ImportSettings(dtype=torch.float32, shard_bytes=30_000)


def write(layout: str, folder: Path, model: WanTransformer3DModel) -> Path:
    return LAYOUTS[layout](folder, model)


LAYOUTS = {
    "diffusers": partial(write_diffusers, shards=False),
    "diffusers, sharded": partial(write_diffusers, shards=True),
    "diffusers, pipeline": lambda folder, model: (
        write_diffusers(folder / "transformer", model, shards=True).parent
    ),
    "original": partial(write_original, shards=False),
    "original, sharded": partial(write_original, shards=True),
    "original, one file": write_single,
    "original, one file of a pipeline": partial(write_single, prefix=PREFIX),
}


def inputs() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    chance = torch.Generator().manual_seed(5)
    return (
        torch.randn(2, 4, 3, 8, 12, generator=chance),
        torch.tensor([700.0, 250.0]),
        torch.randn(2, 7, 16, generator=chance),
    )


@pytest.mark.parametrize("layout", LAYOUTS)
@torch.no_grad()
def test_an_imported_model_is_wan(layout, tmp_path):
    model = wan()
    done = import_wan(CONFIG, write(layout, tmp_path / "wan", model), tmp_path / "ours", EXACT)
    assert done.taken == len(model.state_dict())
    assert done.shards > 1
    ours = load_transformer(tmp_path / "ours" / "transformer", CONFIG)
    expected = model(*inputs(), return_dict=False)[0]
    torch.testing.assert_close(ours(*inputs()), expected, atol=1e-5, rtol=1e-5)
    # Speech changes nothing before it is trained: its output projections are zero.
    heard = ours(*inputs(), audio=torch.randn(2, 9, 6))
    torch.testing.assert_close(heard, expected, atol=1e-5, rtol=1e-5)


def test_our_table_of_names_is_diffusers():
    ours = {theirs: name for name, theirs in names_of(original_names()).items()}
    for name in original_names():
        assert [ours[name]] == list(convert_wan_transformer_to_diffusers({name: torch.empty(0)}))
    assert set(ours.values()) == set(wan().state_dict())


def files_of(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_new_parameters_come_from_the_seed_as_the_class_draws_them(tmp_path):
    source = write("diffusers", tmp_path / "wan", wan())
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        import_wan(CONFIG, source, tmp_path / name, replace(EXACT, seed=seed))
    assert files_of(tmp_path / "a") == files_of(tmp_path / "b")
    assert files_of(tmp_path / "a") != files_of(tmp_path / "c")
    drawn = load_transformer(tmp_path / "a" / "transformer", CONFIG).state_dict()
    fresh = AvatarTransformer3DModel(**CONFIG.transformer).state_dict()
    for name in filter(is_added, fresh):
        assert drawn[name].shape == fresh[name].shape
        constant = fresh[name].min() == fresh[name].max()
        if constant:
            assert torch.equal(drawn[name], fresh[name]), name
        else:
            assert drawn[name].std() == pytest.approx(fresh[name].std().item(), rel=0.5), name
    layers = [drawn[f"blocks.{n}.attn_audio.to_q.weight"] for n in (0, 1)]
    assert not torch.equal(*layers)


@torch.no_grad()
def test_half_precision_keeps_norms_and_modulation(tmp_path):
    model = wan()
    source = write("original, sharded", tmp_path / "wan", model)
    import_wan(CONFIG, source, tmp_path / "ours")
    ours = load_transformer(tmp_path / "ours" / "transformer", CONFIG)
    state = ours.state_dict()
    assert state["blocks.0.attn1.to_q.weight"].dtype == torch.bfloat16
    assert torch.equal(state["blocks.1.norm2.weight"], model.blocks[1].norm2.weight)
    assert torch.equal(state["scale_shift_table"], model.scale_shift_table)
    z, t, text = inputs()
    out = ours(z.bfloat16(), t, text.bfloat16(), audio=torch.randn(2, 9, 6).bfloat16())
    assert out.dtype == torch.bfloat16
    expected = model(z, t, text, return_dict=False)[0]
    assert (out.float() - expected).norm() / expected.norm() < 0.1


def test_diffusers_reads_what_we_write(tmp_path):
    import_wan(CONFIG, write("original", tmp_path / "wan", wan()), tmp_path / "ours", EXACT)
    folder = tmp_path / "ours" / "transformer"
    theirs = AvatarTransformer3DModel.from_pretrained(folder, torch_dtype=torch.float32)
    ours = load_transformer(folder, CONFIG)
    assert theirs.state_dict().keys() == ours.state_dict().keys()
    for name, tensor in ours.state_dict().items():
        assert torch.equal(tensor, theirs.state_dict()[name]), name


def test_importing_our_own_again_changes_nothing(tmp_path):
    import_wan(CONFIG, write("diffusers", tmp_path / "wan", wan()), tmp_path / "a", EXACT)
    again = import_wan(CONFIG, tmp_path / "a", tmp_path / "b", replace(EXACT, seed=9))
    assert again.drawn == 0
    assert files_of(tmp_path / "a") == files_of(tmp_path / "b")


def test_a_generator_loads_an_imported_transformer(generator, request_of, tmp_path):
    ours = ("audio_dim", "audio_context", "refiner_width")
    arguments = {k: v for k, v in generator.config.transformer.items() if k not in ours}
    WanTransformer3DModel(**arguments).save_pretrained(tmp_path / "wan")
    import_wan(generator.config, tmp_path / "wan", tmp_path / "ours", EXACT)
    with pytest.raises(ModelError, match=r"has no codec\.safetensors, no text"):
        Generator.load(tmp_path / "ours")
    generator.codec.save(tmp_path / "ours" / "codec.safetensors")
    generator.text.save(tmp_path / "ours" / "text")
    loaded = Generator.load(tmp_path / "ours")
    latents = loaded.sample(
        loaded.condition([request_of(0)]), seeds=[1], settings=SamplerSettings(steps=2)
    )
    assert torch.isfinite(latents).all()


def test_shards_read_back(tmp_path):
    chance = torch.Generator().manual_seed(0)
    tensors = {
        "a": torch.randn(3, 5, generator=chance),
        "b": torch.randn(7, generator=chance).half(),
        "c": torch.randn(2, 2, 2, generator=chance).bfloat16(),
        "d": torch.tensor(1.5),
    }
    entries = [Entry(name=n, shape=tuple(t.shape), dtype=t.dtype) for n, t in tensors.items()]
    told: list[int] = []
    shards = write_shards(
        tmp_path, entries, tensors.__getitem__, shard_bytes=76, written=told.append
    )
    assert len(shards) == 2
    assert told == [1, 2, 3, 4]
    files = TensorFiles.open(tmp_path)
    whole = load_file(shards[0]) | load_file(shards[1])
    for name, tensor in tensors.items():
        assert torch.equal(files.read(name), tensor)
        assert torch.equal(whole[name], tensor)


# What is refused: a tampered checkpoint, what it is told as, and nothing written.


def change(folder: Path, edit) -> None:
    """Edit the tensors of a one-file checkpoint."""
    file = folder / f"{STEM}.safetensors"
    state = load_file(file)
    edit(state)
    save_file(state, file)


def drop(state):
    del state["blocks.1.attn1.to_k.weight"]


def add(state):
    state["blocks.2.attn1.to_k.weight"] = torch.zeros(2)


def reshape(state):
    state["proj_out.weight"] = torch.zeros(3, 4)


def retype(state):
    state["proj_out.bias"] = state["proj_out.bias"].to(torch.int32)


def spoil(state):
    state["proj_out.bias"][0] = float("nan")


TENSORS = [
    (drop, r"missing \(1\): blocks.1.attn1.to_k.weight"),
    (add, r"left over \(1\): blocks.2.attn1.to_k.weight"),
    (reshape, r"of another shape \(1\): proj_out.weight is \[3, 4\] and not \[16, 24\]"),
    (retype, r"of another type \(1\): proj_out.bias is I32 and not one of F32, BF16, F16"),
    (spoil, "proj_out.bias is not finite in F32"),
    (lambda state: [add(state), drop(state)], r"missing \(1\).*; left over \(1\)"),
]


def refused(source: Path, tmp_path: Path, message: str, error: type = ModelError) -> None:
    before = sorted(p.name for p in tmp_path.iterdir())
    with pytest.raises(error, match=message) as raised:
        import_wan(CONFIG, source, tmp_path / "ours", EXACT)
    assert "\n" not in str(raised.value)
    assert sorted(p.name for p in tmp_path.iterdir()) == before


@pytest.mark.parametrize(("edit", "message"), TENSORS)
def test_other_tensors_are_refused(edit, message, tmp_path):
    source = write("diffusers", tmp_path / "wan", wan())
    change(source, edit)
    refused(source, tmp_path, message)


def test_what_half_precision_cannot_hold_is_refused(tmp_path):
    source = write("diffusers", tmp_path / "wan", wan())
    change(source, lambda state: state["proj_out.weight"].fill_(1e6))
    with pytest.raises(ModelError, match=r"proj_out\.weight is not finite in F16"):
        import_wan(CONFIG, source, tmp_path / "ours", ImportSettings(dtype=torch.float16))


@pytest.mark.parametrize("suffix", [".pt", ".pth", ".bin", ".ckpt"])
def test_a_pickle_is_refused_unread(suffix, tmp_path):
    pickle = tmp_path / f"wan{suffix}"
    pickle.write_bytes(b"\x80\x04never read")
    refused(pickle, tmp_path, "is a pickle")
    folder = tmp_path / "folder"
    folder.mkdir()
    shutil.move(pickle, folder)
    refused(folder, tmp_path, "is a pickle")


def test_a_pickle_in_the_index_or_behind_another_name_is_refused(tmp_path):
    source = write("original, sharded", tmp_path / "wan", wan())
    index = json.loads((source / INDEX).read_text())
    index["weight_map"]["head.head.weight"] = f"{STEM}-00001-of-00003.bin"
    (source / INDEX).write_text(json.dumps(index))
    refused(source, tmp_path, "is a pickle")
    disguised = tmp_path / "wan.safetensors"
    torch.save({"a": torch.zeros(1)}, disguised)
    refused(disguised, tmp_path, "is no safetensors file or is cut short")


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.999])
@pytest.mark.parametrize("layout", ["diffusers, sharded", "original, one file"])
def test_a_file_cut_short_is_refused(layout, share, tmp_path):
    source = write(layout, tmp_path / "wan", wan())
    file = source if source.is_file() else sorted(source.glob("*.safetensors"))[-1]
    whole = file.read_bytes()
    file.write_bytes(whole[: int(len(whole) * share)])
    refused(source, tmp_path, "cut short")


def test_shards_and_index_must_agree(tmp_path):
    source = write("original, sharded", tmp_path / "wan", wan())
    shard = source / f"{STEM}-00002-of-00003.safetensors"
    kept = shard.read_bytes()
    shard.unlink()
    refused(source, tmp_path, "names .*00002-of-00003.safetensors, which is not there")
    state = load_file(source / f"{STEM}-00001-of-00003.safetensors")
    save_file(state, shard)
    refused(source, tmp_path, "is both in")
    shard.write_bytes(kept)
    index = json.loads((source / INDEX).read_text())
    index["weight_map"]["nowhere"] = shard.name
    (source / INDEX).write_text(json.dumps(index))
    refused(source, tmp_path, "holds nowhere; it does not")
    (source / INDEX).write_text("{")
    refused(source, tmp_path, "no index of shards")


@pytest.mark.parametrize(
    ("layout", "changes", "message"),
    [
        ("diffusers", {"num_layers": 30}, "says num_layers 30, wan-small has 2"),
        ("diffusers", {"num_attention_heads": 4}, "says num_attention_heads 4"),
        ("diffusers", {"eps": 1e-5}, "says eps 1e-05"),
        ("diffusers", {"patch_size": [1, 1, 1]}, "says patch_size"),
        ("diffusers", {"qk_norm": "layer_norm"}, "says qk_norm layer_norm"),
        ("diffusers", {"image_dim": 1280}, "an image-to-video model"),
        ("original", {"num_heads": 4}, "says num_heads 4, wan-small has 2"),
        ("original", {"dim": 48}, "says dim 48, wan-small has 24"),
        ("original", {"model_type": "i2v"}, "says model_type i2v, wan-small has t2v"),
    ],
)
def test_a_config_of_another_model_is_refused(layout, changes, message, tmp_path):
    source = write(layout, tmp_path / "wan", wan())
    file = source / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))
    refused(source, tmp_path, message)


def test_what_is_no_checkpoint_is_refused(tmp_path):
    refused(tmp_path / "nowhere", tmp_path, "no checkpoint at")
    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty", tmp_path, "holds no safetensors")
    source = write("diffusers", tmp_path / "wan", wan())
    (source / "config.json").write_text("[1")
    refused(source, tmp_path, "is no JSON object")
    (source / "config.json").unlink()
    refused(source, tmp_path, "config.json is not there")
    twice = original_state(wan())
    twice[f"{PREFIX}patch_embedding.bias"] = twice["patch_embedding.bias"].clone()
    save_file(twice, tmp_path / "twice.safetensors")
    refused(tmp_path / "twice.safetensors", tmp_path, "patch_embedding.bias twice")


def test_what_stands_in_the_way_or_has_no_room_is_told(tmp_path, monkeypatch):
    source = write("diffusers", tmp_path / "wan", wan())
    ours = tmp_path / "ours"
    ours.mkdir()
    import_wan(CONFIG, source, ours, EXACT)
    kept = files_of(ours)
    refused(source, tmp_path, "is there already", WriteError)
    assert files_of(ours) == kept
    shutil.rmtree(ours)
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage)
    refused(source, tmp_path, "no room on the disk", DiskFullError)


def test_an_import_that_is_stopped_leaves_nothing(tmp_path):
    source = write("diffusers", tmp_path / "wan", wan())
    before = sorted(p.name for p in tmp_path.iterdir())

    def stop(done: int, total: int, note: str) -> None:
        if done == total // 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_wan(CONFIG, source, tmp_path / "ours", EXACT, progress=stop)
    assert sorted(p.name for p in tmp_path.iterdir()) == before


@pytest.fixture
def preset(monkeypatch):
    monkeypatch.setitem(PRESETS, CONFIG.preset, CONFIG)
    return CONFIG.preset


def test_the_command_imports(preset, tmp_path, capsys):
    source = write("original, sharded", tmp_path / "wan", wan())
    ours = tmp_path / "ours"
    command = ["weights", "import", preset, str(source), "--out", str(ours), "--dtype", "fp32"]
    assert run(command) == 0
    told = capsys.readouterr().out
    taken = len(wan().state_dict())
    new = len(load_transformer(ours / "transformer", CONFIG).state_dict()) - taken
    assert f"{taken} tensors of Wan2.1 and {new} new ones (seed 0)" in told
    assert isinstance(json.loads((ours / "config.json").read_text())["transformer"], dict)


@pytest.mark.parametrize("edit", [drop, add, reshape])
def test_the_command_refuses_in_one_line_with_code_2(preset, edit, tmp_path, capsys):
    source = write("diffusers", tmp_path / "wan", wan())
    change(source, edit)
    ours = tmp_path / "ours"
    assert run(["weights", "import", preset, str(source), "--out", str(ours)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("likeness: ")
    assert "does not fit" in line
    assert not ours.exists()


def test_the_command_names_the_presets(tmp_path, capsys):
    source = write("diffusers", tmp_path / "wan", wan())
    command = ["weights", "import", "wan9", str(source), "--out", str(tmp_path / "ours")]
    assert run(command) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "no preset called 'wan9'; known are tiny" in line
    # A published preset refuses what is not its own checkpoint.
    assert run([*command[:2], "wan2.1-1.3b", *command[3:]]) == 2
    assert "import it as the preset that it is" in capsys.readouterr().err
