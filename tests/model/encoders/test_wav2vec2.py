import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from transformers import Wav2Vec2Config, Wav2Vec2Model

from likeness.model import ModelError
from likeness.model.encoders.audio import LogMel, log_mel
from likeness.model.encoders.wav2vec2 import HearingSettings, Wav2Vec2Speech

SIZES = {
    "hidden_size": 12,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 16,
    "conv_dim": [8] * 7,
    "num_conv_pos_embeddings": 4,
    "num_conv_pos_embedding_groups": 2,
    "feat_extract_norm": "layer",  # local in time, unlike the norm over groups
    "do_stable_layer_norm": True,
}
PLAIN = HearingSettings(normalise=False)


def model(**changes) -> Wav2Vec2Model:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        made = Wav2Vec2Model(Wav2Vec2Config(**SIZES | changes)).eval()
        # As drawn the convolutions all but silence their input.
        for name, parameter in made.named_parameters():
            if "conv" in name and parameter.dim() == 3:
                torch.nn.init.normal_(parameter, std=0.3)
    return made


@pytest.fixture(scope="module")
def speech() -> Wav2Vec2Speech:
    return Wav2Vec2Speech(model(), PLAIN)


def voice(seconds: float, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (rng.standard_normal(round(seconds * 16_000)) * 0.1).astype(np.float32)


def with_settings(speech: Wav2Vec2Speech, **changes) -> Wav2Vec2Speech:
    return Wav2Vec2Speech(speech.model, replace(speech.settings, **changes))


def test_the_published_layout_hears_fifty_times_a_second(speech):
    assert (speech.stride, speech.field) == (320, 400)
    assert speech.width(25.0) == 12


@pytest.mark.parametrize(("fps", "frames"), [(25.0, 25), (24.0, 31), (30.0, 7), (60.0, 5)])
@pytest.mark.parametrize("layers", [(-1,), (1,), (0, 2), (-2, -1)])
def test_rows_are_the_plain_models_states_at_the_frames_middles(speech, fps, frames, layers):
    audio = voice(3.0)
    rows = with_settings(speech, layers=layers)(audio, frames, fps)
    assert rows.shape == (frames, 12)
    assert rows.dtype == np.float32
    middles = (np.arange(frames) + 0.5) * 16_000 / fps
    count = int((middles[-1] - 200) // 320) + 2  # states up to the one behind the last middle
    wave = np.zeros(count * 320 + 80, np.float32)
    kept = audio[: round(frames / fps * 16_000)]
    wave[: len(kept)] = kept[: len(wave)]
    with torch.no_grad():
        heard = speech.model(torch.from_numpy(wave)[None], output_hidden_states=True)
    every = [*heard.hidden_states[:-1], heard.last_hidden_state]
    states = sum(every[layer][0].numpy() for layer in layers) / len(layers)
    assert len(states) == count
    naive = [np.interp(middles, 320 * np.arange(count) + 200, column) for column in states.T]
    np.testing.assert_allclose(rows, np.stack(naive, 1), atol=1e-5)
    assert rows.std(0).min() > 1e-3


def test_an_impulse_changes_rows_near_it_alone(speech):
    # What goes into the first layer has seen 400 samples and 4 / 2 states on either side.
    ear = with_settings(speech, layers=(0,))
    frames = 50
    quiet = voice(2.0)
    before = ear(quiet, frames, 25.0)
    for frame in (0, 10, 49):
        loud = quiet.copy()
        loud[frame * 640 + 320] += 0.9
        change = np.abs(ear(loud, frames, 25.0) - before).max(1)
        assert change[frame] > 1e-4
        assert set(np.flatnonzero(change > 1e-7)) <= set(range(frame - 3, frame + 4))


def test_speech_beyond_a_window_changes_nothing(speech):
    ear = with_settings(speech, window=1.0, margin=0.2)
    audio = voice(4.0)
    before = ear(audio, 100, 25.0)
    loud = audio.copy()
    loud[: 640 * 10] += voice(0.4, seed=1)
    change = np.abs(ear(loud, 100, 25.0) - before).max(1)
    assert (change[:10] > 1e-5).all()
    # The first window keeps 30 states, two a frame; the second begins 10 of them earlier, where
    # the change has ended.
    assert change[15:].max() == 0


def test_windows_bound_what_is_heard_at_once_and_cover_everything(speech, monkeypatch):
    ear = with_settings(speech, window=2.0, margin=0.5, layers=(0,))
    lengths: list[int] = []
    plain = ear.model.forward

    def forward(wave, **settings):
        lengths.append(wave.shape[1])
        return plain(wave, **settings)

    monkeypatch.setattr(ear.model, "forward", forward)
    for seconds in (1, 2, 3, 10, 31):
        audio = voice(seconds)
        rows = ear(audio, seconds * 25, 25.0)
        count = len(lengths)
        whole = with_settings(ear, window=1000.0)(audio, seconds * 25, 25.0)
        del lengths[count:]
        # Before attention a window's margin hides its ends.
        np.testing.assert_allclose(rows, whole, atol=1e-5)
    assert max(lengths) <= 2.0 * 16_000 + 400
    assert len(lengths) > 31


def test_short_speech_ends_in_silence_and_long_speech_is_cut(speech):
    long = voice(3.0)
    assert np.array_equal(speech(long, 25, 25.0), speech(long[:16_000], 25, 25.0))
    short = long[:8_000]
    padded = np.concatenate([short, np.zeros(8_000, np.float32)])
    np.testing.assert_allclose(speech(short, 25, 25.0), speech(padded, 25, 25.0), atol=1e-6)
    nothing = speech(np.zeros(0, np.float32), 25, 25.0)
    assert np.array_equal(nothing, speech(np.zeros(16_000, np.float32), 25, 25.0))


def test_silence_is_not_the_row_of_no_audio(speech):
    for ear in (speech, LogMel()):
        silence = ear(np.zeros(16_000, np.float32), 25, 25.0)
        assert np.abs(silence).max(1).min() > 0.1


def test_normalised_speech_is_heard_alike_at_every_loudness_and_offset(speech):
    ear = with_settings(speech, normalise=True)
    audio = voice(1.0)
    other = audio * 5 + 0.5
    np.testing.assert_allclose(ear(audio, 25, 25.0), ear(other, 25, 25.0), atol=1e-3)
    assert not np.allclose(speech(audio, 25, 25.0), speech(other, 25, 25.0), atol=0.05)


def test_log_mel_is_an_encoder_too(tmp_path):
    ear = LogMel.load(tmp_path)
    assert ear.width(25.0) == 160
    assert np.array_equal(ear(voice(1.0), 25, 25.0), log_mel(voice(1.0), 25, 25.0))


def test_saved_and_loaded_it_hears_the_same(speech, tmp_path):
    ear = with_settings(speech, layers=(1, -1), window=5.0)
    ear.save(tmp_path / "speech")
    loaded = Wav2Vec2Speech.load(tmp_path / "speech")
    assert loaded.settings == ear.settings
    assert np.array_equal(loaded(voice(1.0), 25, 25.0), ear(voice(1.0), 25, 25.0))
    loaded.save(tmp_path / "speech")
    assert np.array_equal(loaded(voice(1.0), 25, 25.0), ear(voice(1.0), 25, 25.0))
    half = Wav2Vec2Speech(model().bfloat16(), PLAIN)
    half.save(tmp_path / "half")
    assert Wav2Vec2Speech.load(tmp_path / "half").model.dtype == torch.bfloat16
    assert half(voice(1.0), 25, 25.0).dtype == np.float32


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"layers": [3]}, "speech.layers has 3; there are 3 hidden states"),
        ({"layers": []}, "speech.layers must name a layer"),
        ({"window": 4.0}, "must be longer than both its margins, got 4 s with margins of 2 s"),
        ({"layer": 1}, "is not how speech is heard"),
    ],
)
def test_bad_settings_are_told(speech, changes, message, tmp_path):
    speech.save(tmp_path)
    file = tmp_path / "settings.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))
    with pytest.raises(ModelError, match=message):
        Wav2Vec2Speech.load(tmp_path)
