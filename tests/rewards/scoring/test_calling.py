"""Scoring as a call, and as functions of trl's trainers."""

import math
import subprocess
import sys

import pytest

import likeness.rewards
from likeness.rewards.scoring.calling import CallError
from likeness.rewards.scoring.functions import film_of, text_of
from likeness.rewards.scoring.scorer import Scorer
from likeness.rewards.sets import score_names
from likeness.rewards.vision.extras import ExtraError
from likeness.store.media import decode

ALL = list(score_names())
MOVEMENT = ["mouth_coupling", "naturalness", "style"]
SYSTEM = {"role": "system", "content": "You draw people."}


@pytest.fixture(scope="module")
def person(films):
    return decode(films / "person.mp4")


@pytest.fixture(scope="module")
def clip(films):
    return decode(films / "made" / "a.mp4")


class TestScore:
    def test_clips_in_memory_and_on_disk_give_the_same(self, films, clip, person):
        held = likeness.rewards.score([clip], reference=person)
        read = likeness.rewards.score(films / "made" / "a.mp4", reference=films / "person.mp4")
        assert [score.reward for score in held] == [score.reward for score in read] == ALL
        for a, b in zip(held, read, strict=True):
            assert (a.value, a.reason) == (b.value, b.reason) or math.isnan(a.value)
        assert {score.clip for score in held} == {clip.hash}

    def test_a_clip_that_cannot_be_read_stops_no_other(self, films, person):
        paths = [films / "made" / "c.mp4", films / "made" / "a.mp4"]
        scores = likeness.rewards.score(paths, reference=[None, person])
        assert all("not a media file" in (score.reason or "") for score in scores[: len(ALL)])
        assert scores[len(ALL)].value > 0

    def test_extra_rewards_come_after_the_others(self, films, clip, person):
        paths = [films / "made" / "c.mp4", clip]
        scores = likeness.rewards.score(paths, reference=person, extra=["movement"])
        assert [score.reward for score in scores] == [*ALL, *MOVEMENT] * 2
        made = {score.reward: score for score in scores[len(ALL) + len(MOVEMENT) :]}
        plain = likeness.rewards.score(clip, reference=person)
        assert {s.reward: s.value for s in plain if s.reason is None} == {
            name: made[name].value for name in ALL if made[name].reason is None
        }
        assert 0 <= made["mouth_coupling"].value <= 1
        assert 0 <= made["naturalness"].value <= 1

    def test_an_extra_reward_that_there_is_not(self, clip):
        with pytest.raises(ExtraError, match="no extra reward called 'beauty'; known are"):
            likeness.rewards.score(clip, extra=["beauty"])

    def test_as_many_references_as_clips(self, clip):
        with pytest.raises(CallError, match="reference: 2 of them for 1 clips; give one"):
            likeness.rewards.score([clip], reference=[clip, clip])

    def test_importing_the_rewards_costs_nothing(self):
        code = "import sys, likeness.rewards; sys.exit('torch' in sys.modules)"
        assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


class TestRewardFunctions:
    def test_each_is_called_by_its_name_and_gives_numbers_or_none(self, films, clip, person):
        functions = likeness.rewards.reward_funcs(["identity_ref", "sync_c"])
        assert [function.__name__ for function in functions] == ["identity_ref", "sync_c"]
        completions = [clip, films / "made" / "b.mp4", str(films / "made" / "c.mp4")]
        given = {
            "prompts": ["a", "b", "c"],
            "completions": completions,
            "completion_ids": [[1], [2], [3]],
            "reference": [person] * 3,
            "seed": [0, 1, 2],
            "trainer_state": object(),
        }
        identity, sync = (function(**given) for function in functions)
        assert identity[0] == identity[1] > 0.3 and identity[2] is None
        assert sync[0] is not None and sync[1:] == [None, None]
        expected = likeness.rewards.score(clip, reference=person)
        assert identity[0] == pytest.approx(expected[0].value, abs=1e-6)

    def test_a_batch_is_scored_once_for_all(self, clip, monkeypatch):
        judged = []
        judge = Scorer.judge
        monkeypatch.setattr(
            Scorer, "judge", lambda self, subject: judged.append(1) or judge(self, subject)
        )
        functions = likeness.rewards.reward_funcs(["quality", "sync_d"])
        for _ in range(2):
            prompts, completions = ["a"], [[{"role": "assistant", "content": clip}]]
            assert all(f(prompts=prompts, completions=completions)[0] for f in functions)
        assert len(judged) == 2

    def test_reasons_and_coverage_are_logged_where_the_trainer_lends_a_hand(self, films, clip):
        logged, measured = {}, {}
        (function,) = likeness.rewards.reward_funcs(["sync_c"])
        function(
            prompts=["a", "b"],
            completions=[clip, films / "made" / "b.mp4"],
            log_extra=logged.__setitem__,
            log_metric=measured.__setitem__,
        )
        assert logged == {"sync_c_missing": ["", "no sound"]}
        assert measured == {"sync_c/coverage": 0.5}

    def test_columns_may_be_called_otherwise(self, clip, person):
        (function,) = likeness.rewards.reward_funcs(["identity_ref"], columns={"reference": "who"})
        assert function(prompts=["a"], completions=[clip], who=[person])[0] > 0.3
        assert function(prompts=["a"], completions=[clip], reference=[person]) == [None]

    def test_extra_rewards_are_functions_too(self, clip):
        (function,) = likeness.rewards.reward_funcs(["mouth_coupling"], extra=["movement"])
        (expected,) = (
            score
            for score in likeness.rewards.score(clip, extra=["movement"])
            if score.reward == "mouth_coupling"
        )
        assert function(prompts=["a"], completions=[clip]) == [pytest.approx(expected.value)]

    def test_a_reward_that_there_is_not(self):
        with pytest.raises(CallError, match="no reward beauty; there are identity_ref"):
            likeness.rewards.reward_funcs(["motion", "beauty"])

    @pytest.mark.parametrize(
        ("prompt", "text"),
        [
            ("a hat", "a hat"),
            ("", None),
            ([SYSTEM, {"role": "user", "content": "a hat"}], "a hat"),
            (
                [
                    {
                        "role": "user",
                        "content": [{"type": "image"}, {"type": "text", "text": "a hat"}],
                    }
                ],
                "a hat",
            ),
            (None, None),
        ],
    )
    def test_the_words_of_a_prompt(self, prompt, text):
        assert text_of(prompt) == text

    def test_a_completion_without_a_clip_is_refused(self):
        with pytest.raises(CallError, match="must be a clip, its path, or messages"):
            film_of([{"role": "assistant", "content": None}])


@pytest.mark.slow
def test_trl_takes_them(films, clip, person, tmp_path):
    """trl's own trainer calls the functions, and turns None into NaN."""
    import torch
    from datasets import Dataset
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
    from trl import GRPOConfig, GRPOTrainer

    words = Tokenizer(models.WordLevel({"<pad>": 0, "<eos>": 1, "a": 2}, unk_token="<pad>"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=words, pad_token="<pad>", eos_token="<eos>"
    )
    config = LlamaConfig(
        vocab_size=3, hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1
    )
    trainer = GRPOTrainer(
        model=LlamaForCausalLM(config),
        reward_funcs=likeness.rewards.reward_funcs(["identity_ref", "sync_c"]),
        args=GRPOConfig(output_dir=str(tmp_path), report_to=[], use_cpu=True, bf16=False),
        train_dataset=Dataset.from_list([{"prompt": "a"}] * 8),
        processing_class=tokenizer,
    )
    assert trainer.reward_func_names == ["identity_ref", "sync_c"]
    inputs = [{"prompt": "a", "reference": person} for _ in range(2)]
    completions = [clip, films / "made" / "b.mp4"]
    rewards = trainer._calculate_rewards(inputs, ["a", "a"], completions, [[2], [2]])
    assert rewards.shape == (2, 2)
    assert torch.isfinite(rewards).tolist() == [[True, True], [True, False]]
