import tinies
from pytest import TempPathFactory, fixture

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
