import json

import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers.processors import TemplateProcessing
from transformers import UMT5EncoderModel

from likeness.model import ModelError
from likeness.model.encoders.text import TextEncoder
from likeness.testbed.scene import VOCABULARY, draw_scene


@pytest.fixture
def text() -> TextEncoder:
    return TextEncoder.draw(["a", "man", "talks"], dim=16, length=6, seed=0)


def test_prompts_become_features_and_padding_nothing(text):
    features = text(["a man", ""])
    assert features.shape == (2, 6, 16)
    assert features.dtype == torch.float32
    # Two words and the end; of the empty prompt the end alone.
    assert [int(row.abs().sum(1).gt(0).sum()) for row in features] == [3, 1]


def test_a_prompt_beyond_the_limit_is_refused_unless_it_may_be_cut(text):
    fits = "a man talks a man"
    assert text([fits]).shape == (1, 6, 16)
    message = r"the prompt has 7 tokens and the text encoder takes 6: say it in fewer words"
    with pytest.raises(ModelError, match=message):
        text(["a", f"{fits} talks"])
    ids = text.tokens(f"{fits} talks")[:6]
    with torch.no_grad():
        plain = text.model(torch.tensor([ids])).last_hidden_state
    torch.testing.assert_close(text([f"{fits} talks"], cut=True), plain)


def test_every_caption_of_the_testbed_fits():
    text = TextEncoder.draw(list(VOCABULARY), dim=16, length=24, seed=0)
    longest = max(len(text.tokens(draw_scene(seed).caption())) for seed in range(300))
    assert 20 < longest <= 24


def test_white_space_and_an_end_that_the_tokenizer_adds_change_nothing(text):
    plain = text(["a man talks"])
    assert torch.equal(text(["  a \n man\ttalks "]), plain)
    end = [("</s>", 1)]
    text.tokenizer.post_processor = TemplateProcessing(single="$A </s>", special_tokens=end)
    text.tokenizer.enable_truncation(2)
    assert text.tokenizer.encode("a man").ids[-1] == 1
    text.tokenizer.no_truncation()
    assert torch.equal(text(["a man talks"]), plain)


def test_the_published_layout_is_read(text, tmp_path):
    text.tokenizer.enable_truncation(2)  # as published ones may say
    text.save(tmp_path / "text")
    plain = UMT5EncoderModel.from_pretrained(tmp_path / "text").save_pretrained
    plain(tmp_path / "sharded", max_shard_size="5KB")
    for name in ("tokenizer.json", "length.json"):
        (tmp_path / "sharded" / name).write_bytes((tmp_path / "text" / name).read_bytes())
    assert len(list((tmp_path / "sharded").glob("*.safetensors"))) > 1
    text.tokenizer.no_truncation()
    wanted = text(["a man talks"])
    assert torch.equal(TextEncoder.load(tmp_path / "sharded")(["a man talks"]), wanted)
    # Published with untied embeddings, and under the other of the table's two names.
    file, config = tmp_path / "text" / "model.safetensors", tmp_path / "text" / "config.json"
    state = load_file(file)
    state["encoder.embed_tokens.weight"] = state.pop("shared.weight")
    save_file(state, file)
    told = json.loads(config.read_text()) | {"tie_word_embeddings": False}
    config.write_text(json.dumps(told))
    loaded = TextEncoder.load(tmp_path / "text")
    assert torch.equal(loaded(["a man talks"]), wanted)
    loaded.save(tmp_path / "text")  # over what it reads from
    assert torch.equal(loaded(["a man talks"]), wanted)
    assert torch.equal(TextEncoder.load(tmp_path / "text")(["a man talks"]), wanted)


def test_a_tokenizer_that_is_missing_or_none_is_told(text, tmp_path):
    text.save(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{")
    with pytest.raises(ModelError, match="is no tokenizer"):
        TextEncoder.load(tmp_path)
    (tmp_path / "tokenizer.json").unlink()
    with pytest.raises(ModelError, match="needs its tokenizer"):
        TextEncoder.load(tmp_path)
