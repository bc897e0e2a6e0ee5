import json
import math
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from likeness.benchmark.ablation import FRAMES
from likeness.benchmark.markdown import page
from likeness.cli import run
from likeness.cli.loop.ablating import ablate
from likeness.cli.loop.studio import Sampler
from likeness.model import Generator
from likeness.store.progress import Progress
from likeness.store.workspace import Workspace

PEOPLE = 2
QUICK = Sampler(steps=1, audio_guidance=1.0, reference_guidance=1.0)


class Killed(Exception):
    pass


def bars_that_kill(heading: str, headings: list[str]):
    @contextmanager
    def bars(description: str) -> Iterator[Progress]:
        headings.append(description)

        def progress(done: int, total: int, note: str) -> None:
            if description == heading and done == total and note == "scoring":
                raise Killed

        yield progress

    return bars


@pytest.mark.slow
def test_the_three_studies_of_the_packaged_weights(tmp_path):
    generator, headings = Generator.load("tiny"), []
    with pytest.raises(Killed):
        ablate(
            generator,
            tmp_path,
            bars_that_kill("audio: no sound", headings),
            people=PEOPLE,
            sampler=QUICK,
        )
    assert "selection: whole frame" not in headings
    bars = bars_that_kill("", headings)
    found = ablate(generator, tmp_path, bars, people=PEOPLE, sampler=QUICK)
    frames, audio, selection = found.studies

    with Workspace.open(tmp_path) as workspace:
        samples = len(workspace.samples())
        # Own sound and the preset's selection are the same samples.
        assert samples == PEOPLE * (len(FRAMES) + 3 + 2)

    tokens = [variant.tokens for variant in frames.variants]
    assert tokens == sorted(tokens) and tokens[0] > 0
    face, touched, whole = selection.variants
    assert face.tokens < touched.tokens <= whole.tokens == 5 * 16
    assert face.flops < touched.flops <= whole.flops
    assert all(variant.milliseconds > 0 for variant in selection.variants)
    assert all(math.isnan(variant.milliseconds) for variant in audio.variants)

    for study, names in ((audio, ("own_audio", "no_audio")), (selection, ("face", "frame"))):
        one, other = (study.board.row(name, "identity_target") for name in names)
        assert one is not None and other is not None
        assert -1 <= other.value <= 1 and one.value != other.value
    own, face_row = audio.board.row("own_audio", "sync_c"), selection.board.row("face", "sync_c")
    assert own is not None and face_row is not None
    assert (own.value, own.low) == (face_row.value, face_row.low)
    leak = selection.board.row("face", "leak")
    assert leak is not None and math.isfinite(leak.value)
    assert found.manifest["checkpoints"] == {"base": generator.hash}
    assert page(found).count("by the testbed that") + page(found).count("on the testbed that") == 3


@pytest.mark.slow
def test_the_command_writes_json_and_markdown(tmp_path, capsys):
    words = ["benchmark", "ablate", "model", "--out", str(tmp_path), "--people", "2"]
    assert run([*words, "--steps", "1", "--only", "audio", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads((tmp_path / "ablation.json").read_text())
    assert list(printed["studies"]) == ["audio"]
    text = (tmp_path / "ablation.md").read_text()
    assert printed["studies"]["audio"]["sentence"] in text


def test_a_folder_before_the_last_word_is_refused(tmp_path, capsys):
    assert run(["benchmark", "--out", str(tmp_path), "ablate", "model"]) == 2
    assert "after the last word" in capsys.readouterr().err
    assert run(["benchmark"]) == 2
    assert "--out" in capsys.readouterr().err
