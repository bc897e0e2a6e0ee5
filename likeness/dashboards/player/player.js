// The player: what is seen of a Transport, and its keys.

const VIEWS = [
  ["side", "Side by side"],
  ["flip", "Flip A and B"],
  ["difference", "Difference of A and B"],
];
const KEYS = "Space plays · ← → step · Home, End · L loops · M sound · 1 2 3 view · X flips A and B";
const players = new WeakMap();

export default function (component) {
  const { data, parentElement } = component;
  const told = JSON.stringify(data);
  const before = players.get(parentElement);
  if (!before || before.told !== told) {
    before?.end();
    players.set(parentElement, new Player(parentElement, data, told));
  }
  return () => {
    players.get(parentElement)?.end();
    players.delete(parentElement);
  };
}

class Player {
  constructor(parent, data, told) {
    Object.assign(this, { data, told, view: "side", flipped: false });
    const style = getComputedStyle(parent.host ?? parent);
    const given = style.getPropertyValue("--st-chart-categorical-colors").split(",");
    this.colours = given.length > 1 ? given.map((one) => one.trim()) : ["#0072b2", "#d55e00"];
    this.root = make("section", { class: "player", tabindex: "0", "aria-label": "Player" });
    this.stage = make("div", { class: "stage side" });
    this.panes = data.videos.map((video, index) => this.pane(video, index));
    this.canvas = make("canvas", { role: "img", "aria-label": "Difference of A and B, brightened" });
    this.stage.append(...this.panes.map((pane) => pane.figure), this.canvas);
    const videos = this.panes.map((pane) => pane.video);
    this.transport = new Transport(videos, data.fps, () => this.show());
    this.pairing = data.pair ?? [0, Math.min(1, videos.length - 1)];
    this.root.append(this.stage, this.controls());
    if (data.curves.length) {
      const place = make("div", { class: "curves" });
      this.root.append(place);
      const seek = (frame) => this.seek(frame);
      this.move = drawCurves(place, data.curves, data.frames, this.colours, seek);
    }
    this.root.append(make("p", { class: "keys" }, KEYS));
    this.root.addEventListener("keydown", (event) => this.key(event));
    this.holder = parent.querySelector(".holder") ?? parent;
    this.holder.replaceChildren(this.root);
    this.hear(data.sound);
    videos.forEach((video) => {
      video.addEventListener("loadeddata", () => this.show());
      video.addEventListener("seeked", () => this.paint());
    });
    this.show();
  }

  pane(told, index) {
    const figure = make("figure", {});
    const caption = make("figcaption", {});
    const name = make("b", {}, told.label);
    if (told.tone !== null) {
      figure.classList.add("toned");
      figure.style.setProperty("--tone", this.colours[told.tone % this.colours.length]);
    }
    const mute = make("button", { type: "button", class: "mute", "aria-label": `Sound of ${told.label}` }, "Sound");
    mute.addEventListener("click", () => this.hear(mute.ariaPressed === "true" ? -1 : index));
    caption.append(name, make("small", {}, told.note));
    const video = make("video", { preload: "auto", playsinline: "", src: told.url, tabindex: "-1" });
    video.setAttribute("aria-label", told.label);
    video.muted = true;
    video.addEventListener("error", () => {
      if (video.getAttribute("src")) figure.classList.add("broken");
    });
    video.addEventListener("click", () => this.toggle());
    figure.classList.add("loading");
    video.addEventListener("loadeddata", () => figure.classList.remove("loading"));
    const frame = make("div", { class: "frame" });
    const lost = make("p", { class: "lost", role: "alert" }, "Its file is missing or damaged.");
    frame.append(video, mute, make("p", { class: "wait" }, "Loading"), lost);
    figure.append(frame, caption);
    return { figure, video, mute, label: told.label };
  }

  controls() {
    const bar = make("div", { class: "bar", role: "toolbar", "aria-label": "Transport" });
    const button = (label, text, act) => {
      const made = make("button", { type: "button", "aria-label": label, title: label }, text);
      made.addEventListener("click", act);
      bar.append(made);
      return made;
    };
    const choice = (label, options, value, act) => {
      const made = make("select", { "aria-label": label, title: label });
      options.forEach(([key, text]) => made.append(make("option", { value: key }, text)));
      made.value = value;
      made.addEventListener("change", () => act(made.value));
      bar.append(made);
      return made;
    };
    button("One frame back", "−1", () => this.transport.step(-1));
    this.playing = button("Play", "Play", () => this.toggle());
    this.playing.classList.add("play");
    button("One frame on", "+1", () => this.transport.step(1));
    this.slider = make("input", { type: "range", min: 0, max: 0, step: 1, value: 0, "aria-label": "Frame" });
    this.slider.addEventListener("input", () => this.seek(Number(this.slider.value)));
    this.time = make("output", { class: "time" });
    bar.append(this.slider, this.time);
    this.looping = button("Loop", "Loop", () => this.setLoop(!this.transport.loop));
    this.looping.ariaPressed = "true";
    const speeds = ["0.1", "0.25", "0.5", "1", "2"].map((value) => [value, `${value}×`]);
    choice("Speed", speeds, "1", (value) => this.transport.setSpeed(Number(value)));
    if (this.panes.length > 1) {
      this.viewing = choice("View", VIEWS, "side", (value) => this.look(value));
      const names = this.panes.map((pane, index) => [String(index), pane.label]);
      this.sides = ["A", "B"].map((side, place) => {
        const made = choice(side, names, String(this.pairing[place]), (value) => {
          this.pairing[place] = Number(value);
          this.show();
        });
        made.hidden = true;
        return made;
      });
      this.flip = button("Show the other (X)", "A", () => this.turn());
      this.flip.hidden = true;
    }
    return bar;
  }

  toggle() {
    if (this.transport.playing) this.transport.rest();
    else this.transport.play();
  }

  seek(frame) {
    const going = this.transport.playing;
    if (going) this.transport.start(frame);
    else this.transport.seek(frame);
  }

  setLoop(on) {
    this.transport.loop = on;
    this.looping.ariaPressed = String(on);
  }

  hear(index) {
    this.heard = index >= 0 ? index : this.heard;
    this.panes.forEach((pane, place) => {
      pane.video.muted = place !== index;
      pane.mute.ariaPressed = String(place === index);
    });
  }

  look(view) {
    if (!this.viewing) return;
    this.view = this.viewing.value = view;
    this.stage.className = `stage ${view}`;
    this.sides.forEach((side) => (side.hidden = view === "side"));
    this.flip.hidden = view !== "flip";
    this.show();
  }

  turn() {
    if (this.view !== "flip") this.look("flip");
    this.flipped = !this.flipped;
    this.show();
  }

  show() {
    const { transport } = this;
    const frame = transport.frame;
    this.root.dataset.state = transport.busy ? "seeking" : transport.playing ? "playing" : "paused";
    this.root.dataset.frame = frame;
    this.slider.max = transport.frames - 1;
    this.slider.value = frame;
    this.slider.ariaValueText = `frame ${frame + 1} of ${transport.frames}`;
    this.time.textContent = `${frame + 1} / ${transport.frames} · ${(frame / this.data.fps).toFixed(2)} s`;
    const word = transport.playing ? "Pause" : "Play";
    if (this.playing.textContent !== word) {
      this.playing.textContent = this.playing.ariaLabel = this.playing.title = word;
    }
    const [a, b] = this.pairing;
    const seen = this.flipped ? b : a;
    this.panes.forEach((pane, index) => {
      pane.figure.classList.toggle("hidden", this.view === "flip" && index !== seen);
    });
    if (this.flip) this.flip.textContent = `Shows ${this.flipped ? "B" : "A"}`;
    this.move?.(frame);
    this.paint();
  }

  paint() {
    if (this.view !== "difference") return;
    const [a, b] = this.pairing.map((index) => this.panes[index].video);
    if (a.readyState < 2 || b.readyState < 2) return;
    const { canvas } = this;
    if (canvas.width !== a.videoWidth) Object.assign(canvas, { width: a.videoWidth, height: a.videoHeight });
    const pen = canvas.getContext("2d");
    pen.globalCompositeOperation = "copy";
    pen.drawImage(a, 0, 0, canvas.width, canvas.height);
    pen.globalCompositeOperation = "difference";
    pen.drawImage(b, 0, 0, canvas.width, canvas.height);
  }

  key(event) {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const on = event.composedPath()[0];
    if (on.tagName === "SELECT" || (on.tagName === "BUTTON" && [" ", "Enter"].includes(event.key))) return;
    const acts = {
      " ": () => this.toggle(),
      ArrowLeft: () => this.transport.step(-1),
      ArrowRight: () => this.transport.step(1),
      Home: () => this.seek(0),
      End: () => this.seek(this.transport.frames - 1),
      l: () => this.setLoop(!this.transport.loop),
      m: () => this.hear(this.panes.some((pane) => !pane.video.muted) ? -1 : (this.heard ?? 0)),
      1: () => this.look("side"),
      2: () => this.look("flip"),
      3: () => this.look("difference"),
      x: () => this.turn(),
    };
    const act = acts[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!act) return;
    event.preventDefault();
    event.stopPropagation(); // the page has keys of its own
    act();
  }

  end() {
    this.transport.end();
  }
}
