import numpy as np
import pytest
import torch
from torch import Tensor

from likeness.benchmark.curation.masks import NAME, PersonMasks
from likeness.store.weights import VARIABLE, WEIGHTS, WeightsError


class Answers(torch.nn.Module):
    """Stands for the network: says what it is told."""

    def __init__(self, labels: list[int], scores: list[float]) -> None:
        super().__init__()
        self.labels, self.scores = torch.tensor(labels), torch.tensor(scores)

    def forward(self, pictures: list[Tensor]) -> list[dict[str, Tensor]]:
        (picture,) = pictures
        masks = torch.zeros(len(self.labels), 1, *picture.shape[1:])
        for k in range(len(self.labels)):
            masks[k, 0, :, 10 * k : 10 * k + 10] = 0.9
        return [{"labels": self.labels, "scores": self.scores, "masks": masks}]


def masks(labels, scores) -> PersonMasks:
    made = PersonMasks.__new__(PersonMasks)
    made.net = Answers(labels, scores)
    return made


FRAME = np.zeros((40, 60, 3), np.uint8)


def test_people_that_are_sure_are_masked_and_nothing_else():
    region = masks([1, 18, 1, 1], [0.9, 0.9, 0.3, 0.8]).region([FRAME], (40, 60))
    assert region is not None
    seen = np.flatnonzero(region[20])
    assert seen.tolist() == [*range(12), *range(28, 42)]  # 2 pixels wider on each side


def test_the_region_has_the_size_that_is_asked_for():
    region = masks([1], [0.9]).region([FRAME, FRAME], (20, 30))
    assert region is not None
    assert region.shape == (20, 30)
    assert region[:, :5].all()


def test_nobody_is_no_mask():
    assert masks([18], [0.9]).region([FRAME], (40, 60)) is None


def test_missing_weights_say_how_to_get_them(tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    with pytest.raises(WeightsError, match=f"{NAME} missing.*curl"):
        PersonMasks.load()


@pytest.mark.slow
def test_the_published_form_of_the_weights_is_loaded(tmp_path, monkeypatch):
    from torchvision.models.detection import maskrcnn_resnet50_fpn

    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = maskrcnn_resnet50_fpn(weights=None, weights_backbone=None)
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    torch.save(net.state_dict(), tmp_path / WEIGHTS[NAME].file)
    loaded = PersonMasks.load()
    assert len(loaded.hash) == 64
    region = loaded.region([FRAME], (20, 30))
    assert region is None or region.shape == (20, 30)
