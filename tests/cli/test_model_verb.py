import json

import pytest

from likeness.cli import run

PAPER = ["model", "describe", "--preset", "wan2.1-14b", "--ref-frames", "20"]


def described(capsys, *options: str) -> dict:
    assert run([*PAPER, "--json", *options]) == 0
    return json.loads(capsys.readouterr().out)


def test_the_papers_shapes_without_selection(capsys):
    told = described(capsys, "--face-share", "1")
    streams = told["streams"]
    assert (streams["target"], streams["background"], streams["reference"]) == (35280, 1680, 8400)
    assert streams["total"] == 45_360  # TAVR, Table 4
    assert told["reference_self_attention"] == pytest.approx(45.2926e12, rel=1e-6)
    assert told["seconds"]["layer"] == pytest.approx(0.086, rel=0.01)
    assert told["cache_layer"] == 2 * 8400 * 5120 * 2
    assert told["cache_bytes"] == 40 * told["cache_layer"]


def test_the_papers_shapes_with_selection(capsys):
    told = described(capsys)
    assert told["streams"]["reference_before"] == 8400
    assert told["streams"]["total"] == pytest.approx(37_715, abs=1)
    assert told["seconds"]["layer"] == pytest.approx(0.070, rel=0.01)
    assert told["branches"] == 3
    seconds = told["seconds"]
    assert seconds["clip"] == pytest.approx(72 * seconds["forward"] + seconds["reference"])


def test_parameters_by_part(capsys):
    parts = described(capsys)["parameters"]
    assert sum(p["parameters"] for p in parts if p["wan"]) == 14_288_491_584
    assert {p["name"] for p in parts if not p["wan"]} == {
        "audio embedder",
        "audio cross-attention",
        "stream embedding",
    }


def test_size_length_and_gpu_are_options(capsys):
    shorter = described(capsys, "--frames", "41", "--height", "256", "--width", "448")
    assert shorter["streams"]["target"] == 11 * 16 * 28
    slower = described(capsys, "--gpu", "a100")
    faster = described(capsys)
    assert slower["seconds"]["clip"] / faster["seconds"]["clip"] == pytest.approx(790 / 312, 0.01)
    later = described(capsys, "--motion-latents", "2", "--background-share", "0.5")
    assert (later["streams"]["motion"], later["streams"]["background"]) == (3360, 840)


@pytest.mark.parametrize("preset", ["tiny", "wan2.1-1.3b", "wan2.1-14b"])
def test_the_table_of_every_preset(preset, capsys):
    assert run(["model", "describe", "--preset", preset, "--ref-frames", "17"]) == 0
    told = capsys.readouterr().out
    for row in ("target", "before selection", "Wan2.1's", "added to these", "a layer", "roofline"):
        assert row in told
    assert max(map(len, told.splitlines())) <= 120


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--preset", "wan3"], "no preset called 'wan3'; known are tiny, wan2.1-1.3b, wan2.1-14b"),
        (["--gpu", "abacus"], "no GPU called 'abacus'; known are h200, h100"),
        (["--ref-frames", "0"], "1 to 48 frames (TAVR, Figure 3), got 0"),
        (["--ref-frames", "49"], "1 to 48 frames (TAVR, Figure 3), got 49"),
        (["--face-share", "0"], "above 0 and at most 1, got 0.0"),
        (["--background-share", "1.5"], "got 1.5"),
        (["--motion-latents", "21"], "0 to 20 for a clip of 81 frames, got 21"),
        (["--frames", "80"], "1 + 4k, got 80"),
        (["--height", "470"], "multiple of 16, got 470"),
    ],
)
def test_bad_input_is_one_line_and_code_2(options, expected, capsys):
    assert run([*PAPER, *options]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("likeness: ")
    assert expected in line
