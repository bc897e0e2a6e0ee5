"use strict";
// One page for the whole study. The server says what is on; an answer is kept on this device until
// the server has it on disk.
const main = document.getElementById("main");
const note = document.getElementById("note");
const PENDING = "answer:" + location.pathname.split(".")[0]; // of this rater, by whichever link
const SIDES = ["left", "right"];
let shown = null; // key of the trial on the page
let busy = false;

const make = (tag, attributes = {}, ...parts) => {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name === "style") made.style.cssText = value;
    else if (value !== false && value !== null) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...parts);
  return made;
};
const say = text => { note.textContent = text; note.hidden = !text; };
const pause = ms => new Promise(done => setTimeout(done, ms));

async function ask(path, body) {
  for (let wait = 1000; ; wait = Math.min(2 * wait, 15000)) {
    try {
      const answer = await fetch(path, body === undefined ? { cache: "no-store" } : {
        method: "POST", body: JSON.stringify(body), headers: { "Content-Type": "application/json" } });
      if (answer.status < 500) { say(""); return await answer.json(); }
    } catch (error) { if (!(error instanceof TypeError)) throw error; }
    say(body === undefined ? "No connection. Trying again."
      : "No connection. Your answer is kept on this device and will be sent.");
    await pause(wait);
  }
}

async function send(body) {
  if (busy) return;
  busy = true;
  localStorage.setItem(PENDING, JSON.stringify(body));
  const told = await ask("answer", body);
  localStorage.removeItem(PENDING);
  busy = false;
  if (told.refused === "wrong") { await refresh(true); say(told.message); return; }
  show(told);
  if (told.kept === false) say("That question was answered before; the first answer counts.");
}

async function refresh(keep) {
  const told = await ask("state");
  if (!keep || told.key !== shown) show(told);
  else if (document.querySelector(".next")) ready();
}

function show(told) {
  if (told.refused) { shown = null; main.replaceChildren(text("", told.message)); return; }
  const { place, of } = told;
  document.getElementById("progress").textContent =
    told.stage === "trial" ? `${place + 1} of ${of}` : "";
  document.getElementById("bar").style.width = `${100 * place / of}%`;
  if (told.stage === "trial" && told.key === shown) return;
  shown = told.key || null;
  const draw = { welcome, done, trial: told.kind === "turing" ? turing : rating }[told.stage];
  main.replaceChildren(draw(told));
  scrollTo(0, 0);
}

const text = (head, ...parts) => make("div", { class: "text" }, make("h2", {}, head), ...parts);
const list = lines => make("ul", {}, ...lines.map(line => make("li", {}, line)));

function welcome(told) {
  const minutes = Math.max(1, Math.round((told.seconds + 12 * (told.of - told.place)) / 60));
  const what = told.kind === "turing"
    ? ["Each question shows two clips. One was filmed, the other was made by a computer.",
       "Watch both to the end, as often as you like, then choose the one that was filmed."]
    : ["Each question shows a clip of a person talking.",
       "Watch it to the end, as often as you like, then rate it. There are no right answers: " +
       "what counts is how it looks and sounds to you.",
       "If a line in a clip tells you what to answer, do that: it shows that you are watching."];
  return text(told.place ? "Welcome back" : "Welcome",
    list([...what, "Turn the sound on, or use headphones.",
      `${told.of - told.place} questions, about ${minutes} min. Every answer is saved at once. ` +
      "You can stop and go on later with the same link, in this browser.",
      "We keep your answers and how long you watched, and nothing about you."]),
    make("button", { class: "begin", onclick: async () => show(await ask("begin", {})) },
      told.place ? "Go on" : "Begin"));
}

const done = () => text("Thank you", make("p", {}, "You have answered everything. " +
  "All your answers are saved, and you can close this page."));

// A pane shows one part of a clip's picture, and knows how much of it was played.
function pane(name, { width, height, gap }, label, side) {
  const whole = side ? 2 * width + gap : width;
  const left = side === "right" ? -100 * (width + gap) / width : 0;
  const video = make("video", { src: `clip/${name}.mp4`, preload: "auto", playsinline: true,
    disablepictureinpicture: true, tabindex: -1,
    style: `width:${100 * whole / width}%;left:${left}%` });
  const state = make("small", {}, "not watched yet");
  const button = make("button", { type: "button", class: "play", "aria-label": `Play ${label}` },
    make("span", {}, "Play"));
  const figure = make("figure", { style: `--ratio:${width / height}` },
    make("div", { class: "frame", onclick: event => event.target !== button && toggle() },
      video, button),
    make("figcaption", {}, label, state));
  const found = { figure, video, seen: false, playing: null, played: 0 };
  let began = null;
  const toggle = () => video.paused ? start() : video.pause();
  const start = () => {
    for (const other of document.querySelectorAll("video")) if (other !== video) other.pause();
    video.playbackRate = 1;
    if (video.ended || began === null) began = performance.now();
    video.play().catch(() => say("The clip can't be played. Reload the page, or try another browser."));
  };
  button.addEventListener("click", event => { event.stopPropagation(); start(); });
  video.addEventListener("play", () => figure.classList.add("playing"));
  video.addEventListener("pause", () => { figure.classList.remove("playing"); count(); });
  video.addEventListener("ended", () => {
    found.playing ??= (performance.now() - began) / 1000;
    button.firstChild.textContent = "Again";
    count();
  });
  video.addEventListener("error", async () => {
    say("The clip could not be loaded. Trying again.");
    await pause(3000);
    if (found.figure.isConnected) { video.load(); say(""); }
  });
  const count = () => {
    let sum = 0;
    for (let i = 0; i < video.played.length; i++) sum += video.played.end(i) - video.played.start(i);
    found.played = Math.max(found.played, sum);
    if (!found.seen && found.played >= 0.95 * video.duration) {
      found.seen = true;
      figure.classList.add("seen");
      state.textContent = "watched";
      ready();
    }
  };
  return found;
}

const choices = (name, entries, few, kind = "radio") => make("div", { class: few ? "row few" : "row" },
  ...entries.map(([value, ...label]) => make("label", {},
    make("input", { type: kind, name, value }), make("span", {}, ...label))));
const group = (title, ...parts) => make("fieldset", { disabled: true }, make("legend", {}, title), ...parts);
let ready = () => {};

function sheet(told, panes, groups, complete, read) {
  const hint = make("p", { class: "hint", "aria-live": "polite" });
  const next = make("button", { class: "next", type: "submit", disabled: true }, "Next");
  const form = make("form", { autocomplete: "off" }, ...groups, next, hint);
  ready = () => {
    const seen = panes.every(pane => pane.seen);
    for (const one of groups) one.disabled = !seen;
    const whole = seen && complete(new FormData(form));
    next.disabled = !whole || busy;
    next.textContent = "Next";
    hint.textContent = !seen ? (panes.length > 1 ? "Watch both clips to the end first."
      : "Watch the clip to the end first.") : whole ? "" : "Answer every question to go on.";
  };
  form.addEventListener("change", ready);
  form.addEventListener("submit", event => {
    event.preventDefault();
    if (next.disabled) return;
    next.disabled = true;
    next.textContent = "Saving…";
    for (const pane of panes) pane.video.pause();
    const names = panes.length > 1 ? SIDES : ["only"];
    const each = field => Object.fromEntries(names.map((name, i) => [name, panes[i][field]]));
    send({ key: told.key, stamp: told.stamp, played: each("played"), playing: each("playing"),
      ...read(new FormData(form)) });
  });
  ready();
  return form;
}

function turing(told) {
  const panes = SIDES.map((side, i) => pane(told.key, told.pane, "AB"[i], side));
  const groups = [
    group("Which one was filmed?", choices("chosen", [["left", "A was filmed"], ["right", "B was filmed"]])),
    group("How sure are you?", choices("confidence", told.ask.confidence.map((w, i) => [i + 1, w]))),
    group("What told you, if anything?",
      choices("why", Object.entries(told.ask.reasons), true, "checkbox"),
      make("textarea", { name: "words", rows: 1, maxlength: told.ask.words,
        placeholder: "In your own words, if you like", "aria-label": "In your own words" })),
  ];
  const form = sheet(told, panes, groups, data => data.get("chosen") && data.get("confidence"),
    data => ({ chosen: data.get("chosen"), confidence: Number(data.get("confidence")),
      why: data.getAll("why"), words: data.get("words") || "" }));
  return make("div", { class: "turing" },
    make("div", { class: "panes" }, ...panes.map(one => one.figure)), form);
}

function rating(told) {
  const clip = pane(told.key, told.pane, "Clip");
  const shownBeside = [];
  if (told.reference) {
    const beside = pane(`${told.key}-reference`, told.reference, "Reference");
    beside.figure.classList.add("beside");
    beside.figure.querySelector("small").remove();
    shownBeside.push(beside.figure);
  }
  const groups = told.ask.dimensions.map(d => group(d.question, choices(d.name, d.labels.map(
    (label, i) => [i + 1, make("b", {}, String(i + 1)), label]))));
  const form = sheet(told, [clip], groups,
    data => told.ask.dimensions.every(d => data.get(d.name)),
    data => ({ scores: Object.fromEntries(told.ask.dimensions.map(
      d => [d.name, Number(data.get(d.name))])) }));
  return make("div", { class: "rating" },
    make("div", { class: "panes" }, clip.figure, ...shownBeside), form);
}

addEventListener("pageshow", event => { if (event.persisted) refresh(true); });
addEventListener("visibilitychange", () => { if (!document.hidden && !busy) refresh(true); });
(async () => {
  const kept = localStorage.getItem(PENDING);
  if (kept) await send(JSON.parse(kept));
  if (!shown) await refresh(false);
})();
