// One small chart a reward: a line for each sample, a line where the videos are, a click seeks.

const SVG = "http://www.w3.org/2000/svg";
const TALL = 100; // of a chart's own units; the width is 1000

function drawCurves(place, curves, frames, colours, seek) {
  const charts = curves.map((curve) => drawCurve(place, curve, frames, colours, seek));
  return (frame) => charts.forEach((move) => move(frame));
}

function drawCurve(place, curve, frames, colours, seek) {
  const known = curve.series.flatMap((one) => one.values).filter((value) => value !== null);
  const low = Math.min(...known);
  const high = Math.max(...known);
  const reach = high - low || 1;
  const count = Math.max(frames, ...curve.series.map((one) => one.values.length));
  const x = (frame) => ((frame + 0.5) / count) * 1000;
  const y = (value) => TALL - 4 - ((value - low) / reach) * (TALL - 8);

  const box = make("div", { class: "curve" });
  const head = make("div", { class: "head" });
  head.append(make("b", {}, curve.label));
  const now = make("span", { class: "now" });
  head.append(now);
  const svg = document.createElementNS(SVG, "svg");
  set(svg, {
    viewBox: `0 0 1000 ${TALL}`,
    preserveAspectRatio: "none",
    role: "img",
    "aria-label": `${curve.label} by frame, from ${tell(low)} to ${tell(high)}; a click seeks`,
  });
  curve.series.forEach((one) => {
    const line = document.createElementNS(SVG, "path");
    set(line, { d: path(one.values, x, y), stroke: colours[one.tone % colours.length] });
    if (one.tone % 2) set(line, { "stroke-dasharray": "7 3" });
    svg.append(line);
  });
  const head_line = document.createElementNS(SVG, "line");
  set(head_line, { class: "playhead", y1: 0, y2: TALL });
  svg.append(head_line);
  const scale = make("div", { class: "scale", "aria-hidden": "true" });
  scale.append(make("span", {}, tell(high)), make("span", {}, tell(low)));
  const plot = make("div", { class: "plot" });
  plot.append(scale, svg);
  box.append(head, plot);
  place.append(box);

  const at = (event) => {
    const area = svg.getBoundingClientRect();
    return Math.floor(((event.clientX - area.left) / area.width) * count);
  };
  svg.addEventListener("pointerdown", (event) => {
    svg.setPointerCapture(event.pointerId);
    seek(at(event));
  });
  svg.addEventListener("pointermove", (event) => {
    if (event.buttons) seek(at(event));
  });
  return (frame) => {
    set(head_line, { x1: x(frame), x2: x(frame) });
    now.replaceChildren(
      ...curve.series.map((one) => {
        const value = one.values[frame];
        const told = make("span", {}, value === null || value === undefined ? "–" : tell(value));
        told.style.setProperty("--tone", colours[one.tone % colours.length]);
        told.title = one.label;
        return told;
      })
    );
  };
}

function path(values, x, y) {
  let pen = "M";
  const steps = [];
  values.forEach((value, frame) => {
    if (value === null) pen = "M";
    else {
      const alone = pen === "M" && (values[frame + 1] ?? null) === null;
      steps.push(`${pen}${x(frame).toFixed(1)} ${y(value).toFixed(2)}${alone ? "h0" : ""}`);
      pen = "L";
    }
  });
  return steps.join("");
}

function tell(value) {
  return Math.abs(value) >= 100 ? value.toFixed(0) : value.toPrecision(3);
}

function make(tag, attributes, text) {
  const element = document.createElement(tag);
  set(element, attributes);
  if (text !== undefined) element.textContent = text; // never as HTML: names come from anywhere
  return element;
}

function set(element, attributes) {
  Object.entries(attributes).forEach(([name, value]) => element.setAttribute(name, value));
}
