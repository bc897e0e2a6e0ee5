from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from likeness.rewards.scoring.job import Job, Outcome, unscored
from likeness.rewards.scoring.parts import Parts, key_of
from likeness.rewards.scoring.scorer import Scorer
from likeness.rewards.sets import World
from likeness.rewards.threads import one_thread
from likeness.store.crew import Crew, Lost
from likeness.store.errors import LikenessError
from likeness.store.progress import Progress, silent


@dataclass(frozen=True, kw_only=True, eq=False)
class ScoringRun:
    """A scoring of many clips.

    Attributes:
        scorer: what scores one.
        crew: who does it; that changes nothing but the time.
        parts: where results are kept as they come; None to keep none.

    """

    scorer: Scorer
    crew: Crew
    parts: Parts | None = None

    def outcomes(self, jobs: Sequence[Job], progress: Progress = silent) -> Iterator[Outcome]:
        """Yield what comes of jobs, in their order, as soon as all before are done.

        Those whose results are kept, of the same files, rewards and weights, are not done again.

        Raises:
            CrewError: the crew can't begin.
            DiskFullError: no room for the results; those that are there are kept.

        """
        keys = [self._key(job) for job in jobs]
        ready = {place: kept for place, key in enumerate(keys) if (kept := self._kept(key))}
        todo = [place for place in range(len(jobs)) if place not in ready]
        done, next_place = len(ready), 0
        begun = any(kept.unread is None for kept in ready.values())
        if begun:
            progress(done, len(jobs), "kept from before")
        coming = self.crew.follow(self.scorer, [jobs[place].resolved() for place in todo])
        while True:
            while next_place in ready:
                yield ready.pop(next_place)
                next_place += 1
            came = next(coming, None)
            if came is None:
                return
            place, outcome = todo[came[0]], came[1]
            if isinstance(outcome, Lost):
                name = jobs[place].name
                reason = f"{name}: {outcome.reason}"
                outcome = unscored(name, reason, self.scorer.gives, again=True)
            if self.parts is not None:
                self.parts.add(keys[place], outcome)
            ready[place] = outcome
            done += 1
            begun = begun or outcome.unread is None
            if begun:  # where nothing can be read, an error is all there is to say
                progress(done, len(jobs), jobs[place].name)

    def _key(self, job: Job) -> str:
        return "" if self.parts is None else key_of(job, self.scorer)

    def _kept(self, key: str) -> Outcome | None:
        """Return what is kept of a job, if today's rewards would give the same."""
        kept = None if self.parts is None else self.parts.find(key)
        if kept is None or kept.world is None:
            return kept
        given = {(score.reward, score.version, score.weights) for score in kept.scores}
        return kept if given == self._identities(kept.world) else None

    def _identities(self, world: World) -> set[tuple[str, str, str]]:
        try:
            with one_thread():
                rewards = self.scorer.rewards(world)
        except LikenessError:
            return set()  # nothing can be scored now: the scorer will say why
        return {(name, r.version, r.weights) for r in rewards for name in r.names}
