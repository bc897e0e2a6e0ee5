"""The rewards against the straightforward pipeline of perf/scoring.py, on a real film."""

import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType

import pytest

from likeness.store.weights import WeightsError, find

SCRIPT = Path(__file__).parents[2] / "perf" / "scoring.py"


@pytest.fixture
def scoring(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    for name in ("yunet", "mobilefacenet", "openseeface_landmarks"):
        try:
            find(name)
        except WeightsError as error:
            pytest.skip(str(error))
    spec = importlib.util.spec_from_file_location("perf_scoring", SCRIPT)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "perf_scoring", module)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_values_are_those_of_a_straightforward_pipeline(
    scoring: ModuleType, tmp_path: Path
) -> None:
    folder = os.environ.get("LIKENESS_MEDIA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("LIKENESS_MEDIA names no folder of real clips")
    cases = scoring.cut(Path(folder), tmp_path, scoring.FILMS[:1], 1)
    plain, ours, worst = scoring.compare(cases, scoring.save_syncnet(tmp_path))
    assert worst < 1e-3
    assert plain[1] > 1.3 * ours[1]  # seconds of processors; the reference is read for one clip
