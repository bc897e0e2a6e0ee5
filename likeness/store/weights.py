import hashlib
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from likeness.store.errors import LikenessError

VARIABLE = "LIKENESS_WEIGHTS"
PACKAGED = Path(__file__).parents[1] / "weights"

Presence = Literal["here", "missing", "differs"]


class WeightsError(LikenessError):
    """Weights that are missing or not the published ones."""


@dataclass(frozen=True, kw_only=True)
class WeightsFile:
    """One file of published weights, or one folder of them.

    Attributes:
        name: what code calls it.
        file: its name in the weights folder; of a folder where `parts` names what it holds.
        licence: of the weights, and what it keeps users from.
        size: bytes; None where it was never seen here.
        sha256: of the file; None where it was never seen here.
        source: where it is published.
        needed_by: what uses it.
        parts: files that a folder must hold; empty for a single file.
        command: what to run to get it, with `{path}` for where it belongs; empty where there is
            no such command.

    """

    name: str
    file: str
    licence: str
    size: int | None
    sha256: str | None
    source: str
    needed_by: str
    parts: tuple[str, ...] = ()
    command: str = ""


_BUFFALO_LICENCE = "non-commercial research only, as all of insightface's packs"
_BUFFALO_SOURCE = "github.com/deepinsight/insightface, release v0.7, buffalo_l.zip unpacked"

_FILES = (
    WeightsFile(
        name="yunet",
        file="yunet_n_640_640.onnx",
        licence="Apache-2.0",
        size=317466,
        sha256="25a606a145a5b6d7271ae138fbd00eba91dad8b83222ae3f2c7ecd0f4a7b0e31",
        source="github.com/ShiqiYu/libfacedetection.train, commit 0047ac24af",
        needed_by="rewards.faces: finding faces in recorded clips",
    ),
    WeightsFile(
        name="mobilefacenet",
        file="foamliu_MobileFaceNet.onnx",
        licence="Apache-2.0; trained on MS-Celeb-1M, for tests and trials only",
        size=3998070,
        sha256="b7120c095d60094f28a4a54ba6a8bf51b297a6273fb40ef6350dfec1f63d9507",
        source="github.com/foamliu/MobileFaceNet, commit a6cc9032a6",
        needed_by="rewards.identity: telling recorded people apart",
    ),
    WeightsFile(
        name="openseeface_landmarks",
        file="openseeface_lm_model0_opt.onnx",
        licence="BSD-2-Clause",
        size=1902521,
        sha256="43c9c58f03701cc15b8423c49b78af348a6397334d348887e0fda59013275c29",
        source="github.com/emilianavt/OpenSeeFace, commit dee5bb7606",
        needed_by="rewards.motion: 66 face landmarks in recorded clips",
    ),
    WeightsFile(
        name="niqe",
        file="niqe_pris_params.npz",
        licence="Apache-2.0",
        size=11850,
        sha256="2a7c182a68c9e7f1b2e2e5ec723279d6f65d912b6fcaf37eb2bf03d7367c4296",
        source="github.com/XPixelGroup/BasicSR, commit 8d56e3a045",
        needed_by="rewards.quality: statistics of pristine pictures",
    ),
    WeightsFile(
        name="maskrcnn",
        file="maskrcnn_resnet50_fpn_coco-bf2d0c1e.pth",
        licence="BSD-3-Clause; trained on COCO",
        size=None,
        sha256=None,
        source="torchvision's MaskRCNN_ResNet50_FPN_Weights.COCO_V1",
        needed_by="benchmark.curation: masking people; head and shoulders are blocked out without",
        command="curl -fo {path} "
        "https://download.pytorch.org/models/maskrcnn_resnet50_fpn_coco-bf2d0c1e.pth",
    ),
    WeightsFile(
        name="syncnet",
        file="syncnet_v2.model",
        licence="MIT code; weights published for research",
        size=None,
        sha256=None,
        source="github.com/joonson/syncnet_python, its download_model.sh",
        needed_by="rewards.lipsync: lip sync in recorded clips",
    ),
    WeightsFile(
        name="buffalo_l_detector",
        file="buffalo_l/det_10g.onnx",
        licence=_BUFFALO_LICENCE,
        size=None,
        sha256=None,
        source=_BUFFALO_SOURCE,
        needed_by="rewards.faces: instead of yunet where it is here",
    ),
    WeightsFile(
        name="buffalo_l",
        file="buffalo_l/w600k_r50.onnx",
        licence=_BUFFALO_LICENCE,
        size=None,
        sha256=None,
        source=_BUFFALO_SOURCE,
        needed_by="rewards.identity: instead of mobilefacenet where it is here",
    ),
    WeightsFile(
        name="openclip_l14",
        file="CLIP-ViT-L-14-laion2B-s32B-b82K",
        licence="MIT; trained on LAION-2B, which its authors offer for research",
        size=None,
        sha256=None,
        source="huggingface.co/laion/CLIP-ViT-L-14-laion2B-s32B-b82K",
        needed_by="rewards.vision: whether recorded clips show what the prompt asks for",
        parts=("open_clip_config.json",),
        command="hf download laion/CLIP-ViT-L-14-laion2B-s32B-b82K --local-dir {path}",
    ),
    WeightsFile(
        name="openclip_b32",
        file="CLIP-ViT-B-32-laion2B-s34B-b79K",
        licence="MIT; trained on LAION-2B, which its authors offer for research",
        size=None,
        sha256=None,
        source="huggingface.co/laion/CLIP-ViT-B-32-laion2B-s34B-b79K",
        needed_by="rewards.vision: whether recorded clips show what the prompt asks for",
        parts=("open_clip_config.json",),
        command="hf download laion/CLIP-ViT-B-32-laion2B-s34B-b79K --local-dir {path}",
    ),
    WeightsFile(
        name="one_align",
        file="one-align",
        licence="of its page; built on LLaMA-2, whose community licence goes with it",
        size=None,
        sha256=None,
        source="huggingface.co/q-future/one-align",
        needed_by="rewards.vision: Q-Align, with the model's own code",
        parts=("config.json",),
        command="hf download q-future/one-align --local-dir {path}",
    ),
    WeightsFile(
        name="qwen2_vl_2b",
        file="Qwen2-VL-2B-Instruct",
        licence="Apache-2.0",
        size=None,
        sha256=None,
        source="huggingface.co/Qwen/Qwen2-VL-2B-Instruct",
        needed_by="rewards.vision: what VideoReward is an adapter of",
        parts=("config.json",),
        command="hf download Qwen/Qwen2-VL-2B-Instruct --local-dir {path}",
    ),
    WeightsFile(
        name="videoreward",
        file="VideoReward",
        licence="of its page, not checked here",
        size=None,
        sha256=None,
        source="huggingface.co/KwaiVGI/VideoReward, and prompt_template.py of "
        "github.com/KwaiVGI/VideoAlign",
        needed_by="rewards.vision: VideoReward's visual quality, motion quality, text alignment",
        parts=("model_config.json", "prompt_template.py"),
        command="hf download KwaiVGI/VideoReward --local-dir {path} && curl -fo "
        "{path}/prompt_template.py "
        "https://raw.githubusercontent.com/KwaiVGI/VideoAlign/main/prompt_template.py",
    ),
)

WEIGHTS = {file.name: file for file in _FILES}


def weights_folder() -> Path:
    """Return the folder of published weights: LIKENESS_WEIGHTS, or the user's cache folder."""
    if chosen := os.environ.get(VARIABLE):
        return Path(chosen).expanduser()
    return _cache_folder() / "likeness" / "weights"


def find(name: str) -> Path:
    """Return the path of a weights file, or folder, that is here and whole.

    Raises:
        WeightsError: the name is unknown, or the file is missing or of another size, or the
            folder lacks a part.

    """
    if name not in WEIGHTS:
        raise WeightsError(f"no weights called {name!r}; known are {', '.join(sorted(WEIGHTS))}")
    wanted = WEIGHTS[name]
    path = weights_folder() / wanted.file
    if not is_here(name):
        raise WeightsError(
            f"weights {name} missing: {wanted.needed_by} needs {wanted.file} (from "
            f"{wanted.source}) in {path.parent}; {_advice(wanted, path)}, or set {VARIABLE} to "
            "its folder"
        )
    for part in wanted.parts:
        if not (path / part).is_file():
            raise WeightsError(f"{path} holds no {part}; {_advice(wanted, path)}")
    if wanted.size is not None and path.stat().st_size != wanted.size:
        raise WeightsError(
            f"{path} has {path.stat().st_size} bytes instead of {wanted.size}; "
            f"get it again from {wanted.source}"
        )
    return path


def is_here(name: str) -> bool:
    """Whether something lies where a known file or folder of weights belongs."""
    path = weights_folder() / WEIGHTS[name].file
    return path.is_dir() if WEIGHTS[name].parts else path.is_file()


def presence() -> Iterator[tuple[WeightsFile, Presence]]:
    """Yield every known file and whether it is here; `differs` where its hash is another.

    A folder differs where it lacks a part.
    """
    for wanted in _FILES:
        path = weights_folder() / wanted.file
        if wanted.parts:
            lacking = any(not (path / part).is_file() for part in wanted.parts)
            yield wanted, "missing" if not path.is_dir() else "differs" if lacking else "here"
        elif not path.is_file():
            yield wanted, "missing"
        elif wanted.sha256 in (None, file_hash(path)):
            yield wanted, "here"
        else:
            yield wanted, "differs"


def packaged(name: str) -> Path:
    """Return the path of weights that ship with the package, such as `tiny/generator.safetensors`.

    Raises:
        WeightsError: they are not there.

    """
    path = PACKAGED / name
    if not path.exists():
        raise WeightsError(
            f"packaged weights {name} missing from {PACKAGED}; reinstall likeness, or make them "
            "with `likeness testbed build`"
        )
    return path


def file_hash(path: str | Path) -> str:
    """Return the SHA-256 of a file (64 hex digits)."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _advice(wanted: WeightsFile, path: Path) -> str:
    if wanted.command:
        return f"get it with `{wanted.command.format(path=path)}`"
    return "put it there"


def _cache_folder() -> Path:
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local"))
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
