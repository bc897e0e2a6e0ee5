import io
import json

from likeness.cli.console import PlainLines, bars, print_json, say


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def lines_of(seconds_a_step: float, steps: int) -> list[str]:
    stream, clock = io.StringIO(), Clock()
    progress = PlainLines("drawing", stream, clock)
    for done in range(steps + 1):
        progress(done, steps, "")
        clock.now += seconds_a_step
    return stream.getvalue().splitlines()


def test_quick_work_takes_two_lines():
    assert lines_of(0.001, 1000) == ["drawing: 0/1000", "drawing: 1000/1000"]


def test_slow_work_is_told_every_tenth():
    told = lines_of(6.0, 100)
    assert told[:3] == ["drawing: 0/100", "drawing: 10/100", "drawing: 20/100"]
    assert len(told) == 11


def test_very_slow_work_is_told_every_minute():
    assert len(lines_of(30.0, 100)) == 51


def test_the_next_piece_of_work_starts_anew():
    stream, clock = io.StringIO(), Clock()
    progress = PlainLines("drawing", stream, clock)
    for total in (2, 3):
        for done in range(total + 1):
            progress(done, total, "faces")
    assert stream.getvalue().splitlines() == [
        "drawing: 0/2  faces",
        "drawing: 2/2  faces",
        "drawing: 0/3  faces",
        "drawing: 3/3  faces",
    ]


def test_progress_goes_to_stderr_and_results_to_stdout(capsys):
    with bars("drawing") as progress:
        progress(1, 1, "done")
    say("result")
    told = capsys.readouterr()
    assert told.out == "result\n"
    assert told.err == "drawing: 1/1  done\n"


def test_bars_on_a_terminal(monkeypatch, capsys):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    with bars("drawing") as progress:
        progress(1, 2, "[noses]")
        progress(2, 2, "ears")
    assert "2/2" in capsys.readouterr().err


def test_json_has_null_for_nan(capsys):
    print_json({"rows": [{"value": float("nan"), "low": 0.5}], "names": ("a", None)})
    assert json.loads(capsys.readouterr().out) == {
        "rows": [{"value": None, "low": 0.5}],
        "names": ["a", None],
    }
