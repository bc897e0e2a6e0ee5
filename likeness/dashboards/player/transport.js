// One clock for several videos. The longest leads, of several the one that is heard, so that its
// sound keeps its speed; the others are held to it by theirs, and by a common seek where one has
// fallen far behind. Times are seconds, frames are of the leader.

const NEAR = 0.004; // seconds apart that are left alone
const FAR = 0.12; // seconds apart from which on all are set anew
const PULL = 0.08; // seconds in which a difference would be made up
const MOST = 0.6; // share by which a speed is changed at most
const PATIENCE = 5000; // milliseconds to wait for a video
const LINGER = 400; // milliseconds to wait for the picture of a video that is there

class Transport {
  constructor(videos, fps, changed) {
    Object.assign(this, { videos, fps, changed, loop: true, speed: 1, playing: false });
    this.busy = null; // the seek that is under way
    this.wanted = null; // frame asked for meanwhile
    this.raf = 0;
  }

  get leader() {
    const length = (video) => (Number.isFinite(video.duration) ? video.duration : 0);
    const longest = Math.max(...this.videos.map(length)) - 0.5 / this.fps;
    const all = this.videos.filter((video) => length(video) >= longest);
    return all.find((video) => !video.muted) ?? all[0];
  }

  get frames() {
    return Math.max(1, Math.round((this.leader.duration || 0) * this.fps));
  }

  get frame() {
    if (this.busy) return this.busy.frame;
    return Math.min(this.frames - 1, Math.floor(this.leader.currentTime * this.fps + 1e-3));
  }

  // Show a frame in all videos; of seeks that come faster than they are done, the last counts.
  async seek(frame) {
    const last = this.frames - 1;
    this.wanted = Math.max(0, Math.min(last, Math.round(frame)));
    if (this.busy) return this.busy.done;
    const busy = { frame: this.wanted, done: null };
    this.busy = busy;
    busy.done = (async () => {
      while (this.wanted !== null) {
        busy.frame = this.wanted;
        this.wanted = null;
        this.changed();
        const time = (busy.frame + 0.5) / this.fps; // the middle of a frame is surely in it
        await Promise.all(this.videos.map((video) => settle(video, time, this.fps)));
      }
      this.busy = null;
      this.changed();
    })();
    return busy.done;
  }

  async play() {
    if (this.playing) return;
    this.playing = true;
    await this.start(this.frame >= this.frames - 1 ? 0 : this.frame);
  }

  async start(frame) {
    this.videos.forEach((video) => video.pause());
    await this.seek(frame);
    if (!this.playing) return;
    // Beginning to play takes each its own time: all begin at speed 0, and then move at once.
    this.videos.forEach((video) => (video.playbackRate = 0));
    try {
      await Promise.all(this.videos.map((video) => video.play()));
    } catch (error) {
      this.pause();
      return;
    }
    if (!this.playing || this.busy) return;
    this.videos.forEach((video) => (video.playbackRate = this.speed));
    cancelAnimationFrame(this.raf);
    this.raf = requestAnimationFrame(() => this.tick());
    this.changed();
  }

  pause() {
    this.playing = false;
    cancelAnimationFrame(this.raf);
    this.videos.forEach((video) => video.pause());
    this.changed();
  }

  // Stop on one and the same frame everywhere.
  async rest() {
    const frame = this.frame;
    this.pause();
    await this.seek(frame);
  }

  async step(frames) {
    const next = (this.wanted ?? this.frame) + frames;
    if (this.playing) this.pause();
    await this.seek(next);
  }

  setSpeed(speed) {
    this.speed = speed;
    this.videos.forEach((video) => (video.playbackRate = speed));
  }

  tick() {
    if (!this.playing || this.busy) return;
    const leader = this.leader;
    if (leader.ended || this.frame >= this.frames - 1) {
      if (this.loop) this.start(0);
      else this.rest();
      return;
    }
    for (const video of this.videos) {
      if (video === leader || video.ended) continue;
      const apart = video.currentTime - leader.currentTime;
      if (Math.abs(apart) > FAR && leader.currentTime < video.duration - FAR) {
        this.start(this.frame);
        return;
      }
      const pull = Math.max(-MOST, Math.min(MOST, apart / PULL));
      const rate = this.speed * (Math.abs(apart) < NEAR ? 1 : 1 - pull);
      if (Math.abs(video.playbackRate - rate) > 0.01) video.playbackRate = rate;
    }
    this.changed();
    this.raf = requestAnimationFrame(() => this.tick());
  }

  end() {
    this.playing = false;
    cancelAnimationFrame(this.raf);
    for (const video of this.videos) {
      video.pause();
      video.removeAttribute("src");
      video.load();
    }
  }
}

// Bring a video to a time, or to its last frame where it is shorter, and wait until it shows it.
async function settle(video, time, fps) {
  const end = Number.isFinite(video.duration) ? video.duration - 0.5 / fps : time;
  const aim = Math.max(0, Math.min(time, end));
  if (video.error || (video.readyState >= 2 && Math.abs(video.currentTime - aim) < 1e-4)) return;
  const shown = new Promise((done) => video.requestVideoFrameCallback?.(done) ?? done());
  await first([event(video, "seeked"), event(video, "error"), later(PATIENCE)], () => {
    video.currentTime = aim;
  });
  // A page that is not looked at shows no frames: it is not waited for.
  if (!video.error && !document.hidden) await first([shown, later(LINGER)]);
}

function first(promises, act) {
  const one = Promise.race(promises);
  act?.();
  return one;
}

function event(video, name) {
  return new Promise((done) => video.addEventListener(name, done, { once: true }));
}

function later(milliseconds) {
  return new Promise((done) => setTimeout(done, milliseconds));
}
