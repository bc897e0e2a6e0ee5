import os
from pathlib import Path

import tinies
from pytest import TempPathFactory, fixture, skip

from likeness.rewards.vision.chat import ChatModel
from likeness.rewards.vision.checkpoints import Placement


@fixture(scope="session")
def qwen(tmp_path_factory: TempPathFactory):
    return tinies.qwen(tmp_path_factory.mktemp("qwen"))


@fixture(scope="session")
def llava(tmp_path_factory: TempPathFactory):
    return tinies.llava(tmp_path_factory.mktemp("llava"))


@fixture(scope="session")
def speakers(qwen, llava):
    return {
        "qwen2_vl": ChatModel.load(qwen, Placement()),
        "llava": ChatModel.load(llava, Placement()),
    }


@fixture(scope="session")
def real_weights() -> Path:
    folder = Path(os.environ.get("LIKENESS_WEIGHTS", ""))
    if not (folder / "yunet_n_640_640.onnx").is_file():
        skip("LIKENESS_WEIGHTS names no folder of real weights")
    return folder
