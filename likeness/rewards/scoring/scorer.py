from collections import OrderedDict
from collections.abc import Collection, Sequence
from functools import partial
from pathlib import Path

from likeness.rewards.base import Detail, Detailed, Reward, Subject, missing
from likeness.rewards.scoring.job import Job, Judges, Outcome, unscored
from likeness.rewards.sets import (
    FOLLOWER_NAMES,
    NAMES,
    RewardSet,
    World,
    score_names,
    world_of,
)
from likeness.rewards.threads import one_thread
from likeness.store.clip import Footage
from likeness.store.errors import LikenessError
from likeness.store.film import footage
from likeness.store.media import probe
from likeness.store.records import Score

FPS = 25.0
_STEADY = 1e-3  # share by which a frame rate may be off and still be the same
_KEPT = 4  # references that are held read


class Scorer:
    """Scores jobs one by one with rewards that it loads when it first needs them.

    It crosses to other processes without them, which load their own. Whatever happens over a clip
    becomes the reason why it has no score.

    Args:
        judges: whose rewards; `auto` goes by what the files say made them.
        detail: whether to look behind the scores too.
        names: of scores; rewards that give none of them are left out. None for all.
        extra: rewards by name, as `RewardSet.load` takes them.
        trust_remote_code: whether Python code in a model's folder may run.
        cache: folder in which the faces that were found are kept, as a workspace's `cache/faces`.

    Raises:
        ExtraError: there is no such extra reward, or two give the same score.

    """

    def __init__(
        self,
        judges: Judges = "auto",
        *,
        detail: bool = False,
        names: Collection[str] | None = None,
        extra: Sequence[str] = (),
        trust_remote_code: bool = False,
        cache: Path | None = None,
    ) -> None:
        self.judges: Judges = judges
        self.detail = detail
        self.names = None if names is None else frozenset(names)
        self.extra = tuple(extra)
        self.trust_remote_code = trust_remote_code
        self.cache = cache
        self.gives = score_names(self.extra)
        self.films = Films()
        self._rewards: dict[World, tuple[Reward, ...]] = {}

    def __reduce__(self) -> tuple:
        """Cross to another process without the rewards."""
        settings = {
            "detail": self.detail,
            "names": self.names,
            "extra": self.extra,
            "trust_remote_code": self.trust_remote_code,
            "cache": self.cache,
        }
        return partial(Scorer, self.judges, **settings), ()

    def __call__(self, job: Job) -> Outcome:
        """Score a file on one thread, so that the bits are the same whoever does it."""
        with one_thread():
            try:
                subject, note = self._subject(job), _other_rate(job.clip)
            except LikenessError as error:
                reason = _line(error).replace(str(job.clip), job.name)
                return unscored(job.name, reason, self.gives)
            except Exception as error:  # decoders fail in many ways, and one clip stops no other
                reason = f"{job.name}: {_named(error)}"
                return unscored(job.name, reason, self.gives, again=True)
            return self.judge(subject, note)

    def rewards(self, world: World) -> tuple[Reward, ...]:
        """Load a world's rewards, once.

        Raises:
            WeightsError: the face detector's weights are missing.

        """
        if world not in self._rewards:
            loaded = RewardSet.load(world, self.extra, self.trust_remote_code, self.cache)
            self._rewards[world] = tuple(
                reward
                for reward in loaded.rewards
                if self.names is None or self.names & set(reward.names)
            )
        return self._rewards[world]

    def judge(self, subject: Subject, note: str | None = None) -> Outcome:
        """Score a clip that is read; a note is kept with the scores."""
        world = world_of(subject) if self.judges == "auto" else self.judges
        try:
            rewards = self.rewards(world)
        except LikenessError as error:
            return unscored(subject.key, _line(error), self.gives, again=True)
        scores: list[Score] = []
        details: dict[str, Detail] = {}
        broken: list[str] = []
        for reward in rewards:
            try:
                scores += reward.score([subject])
            except Exception as error:
                reason = f"the reward broke: {_named(error)}"
                broken.append(reason)
                scores += [missing(reward, subject, name, reason) for name in reward.names]
                continue
            if self.detail and isinstance(reward, Detailed):
                try:
                    details[_family(reward)] = reward.detail(subject)
                except Exception as error:
                    broken.append(f"no detail of {_family(reward)}: {_named(error)}")
        return Outcome(
            scores=tuple(scores),
            world=world,
            note="; ".join([*([note] if note else []), *broken]) or None,
            details=details,
            again=bool(broken),
        )

    def _subject(self, job: Job) -> Subject:
        return Subject(
            reference=None if job.reference is None else self.films.read(job.reference),
            target=None if job.target is None else self.films.read(job.target),
            clip=footage(job.clip, fps=FPS, need_audio=False),
            prompt=job.prompt,
            clip_id=job.name,
        )


class Films:
    """Films that several clips are compared with, read once; the least recently used go first.

    Args:
        most: how many are held.

    """

    def __init__(self, most: int = _KEPT) -> None:
        self._most = most
        self._held: OrderedDict[tuple[Path, int, int], Footage | LikenessError] = OrderedDict()

    def read(self, path: Path) -> Footage:
        """Read a film, or take the one that is held where its file is still the same.

        Raises:
            MediaError: it can't be read.

        """
        key = stamp(path)
        if key not in self._held:
            try:
                self._held[key] = footage(path, fps=FPS, need_audio=False)
            except LikenessError as error:
                self._held[key] = error
        self._held.move_to_end(key)
        while len(self._held) > self._most:
            self._held.popitem(last=False)
        found = self._held[key]
        if isinstance(found, LikenessError):
            raise found
        return found


def stamp(path: Path) -> tuple[Path, int, int]:
    """Return a file's path, size and time of change, by which it is known again; -1 for none."""
    try:
        about = path.stat()
    except OSError:
        return path, -1, -1
    return path, about.st_size, about.st_mtime_ns


def _family(reward: Reward) -> str:
    known = {**NAMES, **FOLLOWER_NAMES}
    return next((name for name, of in known.items() if of == reward.names), reward.names[0])


def _other_rate(path: Path) -> str | None:
    video = probe(path).video
    if video is None or abs(video.fps - FPS) <= _STEADY * FPS:
        return None
    return f"{video.fps:.6g} frames a second, judged at {FPS:g}"


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())


def _named(error: Exception) -> str:
    return f"{type(error).__name__}: {_line(error)[:200]}"
