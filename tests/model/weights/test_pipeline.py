"""A whole Wan2.1 pipeline and Wav2Vec2 made a generator of ours, part by part."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKLWan
from pipeline_files import WHOLE, write_pipeline, write_wav2vec2
from safetensors.torch import load_file, save_file
from transformers import UMT5EncoderModel, Wav2Vec2Model
from wan_files import wan, write_original

from likeness.cli import run
from likeness.model import Generator, ModelError
from likeness.model.config import PRESETS
from likeness.model.sampling.settings import SamplerSettings
from likeness.model.weights.importing import Imported, ImportSettings, import_wan

ALL = ("transformer", "vae", "text", "speech")


@pytest.fixture(scope="session")
def published(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("published")
    write_pipeline(folder / "pipeline")
    write_wav2vec2(folder / "wav2vec2")
    write_wav2vec2(folder / "old", old=True)
    return folder


@pytest.fixture
def source(published, tmp_path) -> Path:
    """A copy that a test may tamper with."""
    return Path(shutil.copytree(published, tmp_path / "published"))


def bring(source: Path, out: Path, **changes) -> Imported:
    values = {"dtype": torch.float32, "wav2vec2": source / "wav2vec2", "shard_bytes": 20_000}
    return import_wan(WHOLE, source / "pipeline", out, ImportSettings(**values | changes))


def files_of(folder: Path) -> dict[str, bytes]:
    return {
        str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()
    }


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_a_pipeline_becomes_a_generator_that_makes_clips(published, request_of, dtype, tmp_path):
    done = bring(published, tmp_path / "ours", dtype=dtype)
    assert done.parts == ALL
    assert (done.missing, done.unread) == ((), ())
    made = Generator.load(tmp_path / "ours")
    assert made.config.flow_shift == 5.0  # the scheduler's, and not the preset's
    cond = made.condition([request_of(0), request_of(1)])
    assert cond.audio.shape == (2, 9, 12)
    assert cond.text.shape == (2, 30, 16)
    settings = replace(made.sampler_settings, steps=2)
    latents = made.sample(cond, seeds=[1, 2], settings=settings)
    assert latents.shape == (2, 4, 3, 4, 6)
    assert latents.dtype == torch.float32
    frames = made.decode(latents)
    assert frames.shape == (2, 9, 32, 48, 3)
    assert frames.dtype == np.uint8
    streamed = np.concatenate(list(made.stream(latents.split(1, dim=2))), 1)
    assert int(np.abs(streamed.astype(int) - frames).max()) <= 1
    assert made.encode(frames).shape == (2, 4, 3, 4, 6)
    # The file's types are kept: codec and speech encoder are not told to change theirs.
    assert made.transformer.patch_embedding.weight.dtype == dtype
    assert made.text.model.shared.weight.dtype == dtype
    assert made.codec.vae.dtype == made.speech.model.dtype == torch.float32


def test_the_parts_are_the_published_ones(published, tmp_path):
    bring(published, tmp_path / "ours")
    made = Generator.load(tmp_path / "ours")
    pipeline = published / "pipeline"
    vae = AutoencoderKLWan.from_pretrained(pipeline / "vae")
    z = torch.randn(1, 4, 2, 4, 6, generator=torch.Generator().manual_seed(0))
    std, mean = (torch.tensor(v).view(1, 4, 1, 1, 1) for v in _scale(vae))
    with torch.no_grad():
        video = vae.decode(z * std + mean).sample.permute(0, 2, 3, 4, 1)
    torch.testing.assert_close(made.codec.decode(z), video)
    text = UMT5EncoderModel.from_pretrained(pipeline / "text_encoder").eval()
    prompt = "a man in a red shirt"
    ids = made.text.tokens(prompt)
    with torch.no_grad():
        features = text(torch.tensor([ids])).last_hidden_state
    torch.testing.assert_close(made.text([prompt])[:, : len(ids)], features)
    ear = Wav2Vec2Model.from_pretrained(published / "wav2vec2").eval()
    for name, tensor in made.speech.model.state_dict().items():
        assert torch.equal(tensor, ear.state_dict()[name]), name
    assert not made.speech.settings.normalise  # as preprocessor_config.json says


def _scale(vae: AutoencoderKLWan) -> tuple[list[float], list[float]]:
    return vae.config.latents_std, vae.config.latents_mean


def test_old_names_of_wav2vec2_are_the_new_ones(published, tmp_path):
    bring(published, tmp_path / "new")
    bring(published, tmp_path / "old", wav2vec2=published / "old")
    assert files_of(tmp_path / "new") == files_of(tmp_path / "old")


def test_importing_our_own_whole_checkpoint_changes_nothing(published, tmp_path):
    bring(published, tmp_path / "a")
    settings = ImportSettings(dtype=torch.float32, shard_bytes=20_000, seed=9)
    again = import_wan(WHOLE, tmp_path / "a", tmp_path / "b", settings)
    assert again.parts == ALL
    assert again.drawn == 0
    assert files_of(tmp_path / "a") == files_of(tmp_path / "b")


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_whole_generator_saves_and_loads(published, request_of, dtype, tmp_path):
    bring(published, tmp_path / "ours", dtype=dtype)
    made = Generator.load(tmp_path / "ours")
    made.save(tmp_path / "saved")
    loaded = Generator.load(tmp_path / "saved")
    assert loaded.config == made.config
    a, b = (g.condition([request_of(0)]) for g in (made, loaded))
    assert torch.equal(a.text, b.text)
    assert torch.equal(a.audio, b.audio)
    assert torch.equal(a.reference, b.reference)
    if dtype == torch.bfloat16:  # single precision is saved in half
        assert loaded.hash == made.hash
    before = files_of(tmp_path / "ours")
    with pytest.raises(ModelError, match="holds another generator"):
        Generator.load("tiny").save(tmp_path / "ours")
    assert files_of(tmp_path / "ours") == before


def test_parts_come_from_elsewhere_where_the_transformer_stands_alone(published, tmp_path):
    original = write_original(tmp_path / "original", wan(), shards=False)
    for name in ("Wan2.1_VAE.pth", "models_t5_umt5-xxl-enc-bf16.pth"):
        (original / name).write_bytes(b"\x80\x04never read")
    alone = import_wan(WHOLE, original, tmp_path / "alone", ImportSettings(dtype=torch.float32))
    assert alone.parts == ("transformer",)
    assert alone.missing == ("vae", "text", "speech")
    assert alone.unread == ("Wan2.1_VAE.pth", "models_t5_umt5-xxl-enc-bf16.pth")
    message = (
        "has no vae, no text, no speech: `likeness weights import wan-whole PIPELINE "
        "--wav2vec2 WAV2VEC2 --out NEW` makes"
    )
    with pytest.raises(ModelError, match=message):
        Generator.load(tmp_path / "alone")
    settings = ImportSettings(
        dtype=torch.float32,
        pipeline=published / "pipeline",
        wav2vec2=published / "wav2vec2",
        shard_bytes=20_000,
    )
    whole = import_wan(WHOLE, original, tmp_path / "whole", settings)
    assert whole.parts == ALL
    bring(published, tmp_path / "same")
    assert files_of(tmp_path / "whole") == files_of(tmp_path / "same")


# What is refused: one line that says what and where, and nothing written.


def tensors(file: Path, edit) -> None:
    state = load_file(file)
    edit(state)
    save_file(state, file)


def one_of(state) -> str:
    return max(name for name in state if "encoder." in name)


def drop(state):
    del state[one_of(state)]


def add(state):
    state["more"] = torch.zeros(2)


def reshape(state):
    state[one_of(state)] = torch.zeros(3, 4)


def spoil(state):
    state[one_of(state)].fill_(float("nan"))


def pickled(state_file: Path) -> None:
    state_file.with_name("pytorch_model.bin").write_bytes(b"\x80\x04never read")
    state_file.unlink()


FILES = {
    "vae": "pipeline/vae/diffusion_pytorch_model.safetensors",
    "speech": "wav2vec2/model.safetensors",
}


def refused(source: Path, message: str, **changes) -> None:
    before = sorted(p.name for p in source.parent.iterdir())
    with pytest.raises(ModelError, match=message) as raised:
        bring(source, source.parent / "ours", **changes)
    assert "\n" not in str(raised.value)
    assert sorted(p.name for p in source.parent.iterdir()) == before


@pytest.mark.parametrize("part", FILES)
@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (drop, r"does not fit: missing \(1\)"),
        (add, r"left over \(1\): more"),
        (reshape, r"of another shape \(1\)"),
        (spoil, "is not finite in F32"),
    ],
)
def test_other_tensors_of_a_part_are_refused(source, part, edit, message, tmp_path):
    file = source / FILES[part]
    tensors(file, edit)
    refused(source, message)


@pytest.mark.parametrize("part", FILES)
def test_a_pickled_part_is_refused_unread(source, part):
    pickled(source / FILES[part])
    refused(source, "pytorch_model.bin is a pickle")


def test_a_text_encoder_with_a_shard_missing_is_refused(source):
    shards = sorted((source / "pipeline" / "text_encoder").glob("*.safetensors"))
    assert len(shards) > 1
    shards[0].unlink()
    refused(source, "names model-00001-of-.*, which is not there")


@pytest.mark.parametrize(
    ("file", "changes", "message"),
    [
        ("wav2vec2/config.json", {"hidden_size": 16}, "says hidden_size 16, wan-whole takes 12"),
        ("wav2vec2/config.json", {"model_type": "hubert"}, "says model_type hubert and not"),
        ("wav2vec2/config.json", {"add_adapter": True}, "has add_adapter: its rate is not"),
        ("wav2vec2/preprocessor_config.json", {"sampling_rate": 8000}, "says sampling_rate 8000"),
        ("pipeline/text_encoder/config.json", {"d_model": 32}, "says d_model 32, wan-whole takes"),
        ("pipeline/text_encoder/config.json", {"vocab_size": 9}, "they are not of one encoder"),
        ("pipeline/vae/config.json", {"z_dim": 8}, "says z_dim 8, wan-whole takes 4"),
        ("pipeline/vae/config.json", {"scale_factor_spatial": 16}, "not the VAE of Wan2.1"),
        ("pipeline/scheduler/scheduler_config.json", {"flow_shift": -1}, "says flow_shift -1"),
    ],
)
def test_a_config_of_another_model_is_refused(source, file, changes, message):
    path = source / file
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    refused(source, message)


def test_what_is_not_there_or_has_no_use_is_told(source, tmp_path):
    refused(source, "wav/config.json is not there", wav2vec2=source / "wav")
    refused(source, r"is no folder in diffusers' layout: it has no vae/", pipeline=source)
    deaf = replace(WHOLE, speech="log_mel")
    settings = ImportSettings(wav2vec2=source / "wav2vec2")
    with pytest.raises(ModelError, match="wan-whole hears log_mel: it has no use for"):
        import_wan(deaf, source / "pipeline", tmp_path / "ours", settings)
    (source / "pipeline" / "tokenizer" / "tokenizer.json").unlink()
    refused(source, "tokenizer.json is not there")


def test_another_speech_encoder_in_the_folder_is_told(published, tmp_path):
    bring(published, tmp_path / "ours")
    file = tmp_path / "ours" / "config.json"
    told = json.loads(file.read_text())
    told["transformer"]["audio_dim"] = 6
    file.write_text(json.dumps(told))
    with pytest.raises(ModelError, match="speech gives 12 numbers, the transformer's audio_dim"):
        Generator.load(tmp_path / "ours")


def test_the_command_brings_everything_and_says_what_is_missing(
    published, tmp_path, capsys, monkeypatch
):
    monkeypatch.setitem(PRESETS, WHOLE.preset, WHOLE)
    command = ["weights", "import", WHOLE.preset, str(published / "pipeline"), "--dtype", "fp32"]
    assert run([*command, "--out", str(tmp_path / "a")]) == 0
    told = capsys.readouterr().out
    assert "files: transformer, vae, text" in told
    assert "still missing for clips: speech; `likeness weights import wan-whole" in told
    speech = ["--wav2vec2", str(published / "wav2vec2")]
    assert run([*command, *speech, "--out", str(tmp_path / "b")]) == 0
    told = capsys.readouterr().out
    assert "missing" not in told
    assert Generator.load(tmp_path / "b").sampler_settings == SamplerSettings.of(
        replace(WHOLE, flow_shift=5.0)
    )
