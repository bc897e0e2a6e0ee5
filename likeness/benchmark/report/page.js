"use strict";

// Each row of clips has one control; the clip that is heard leads, the others follow its clock.
const DRIFT = 0.06;
const rows = [...document.querySelectorAll(".show")].map((root) => new Row(root));

function Row(root) {
  const videos = [...root.querySelectorAll("video")];
  const radios = [...root.querySelectorAll(".sound input")];
  const play = root.querySelector(".play");
  const seek = root.querySelector(".seek");
  const time = root.querySelector(".time");
  const speed = root.querySelector(".speed");
  let playing = false;

  const leader = () => videos[Math.max(0, radios.findIndex((radio) => radio.checked))];

  function hear() {
    videos.forEach((video) => { video.muted = video !== leader(); });
  }

  function moveTo(seconds) {
    videos.forEach((video) => {
      video.currentTime = Math.min(seconds, Math.max(0, (video.duration || 0) - 0.001));
    });
  }

  function show() {
    const { currentTime, duration } = leader();
    if (duration) seek.value = currentTime / duration;
    time.textContent = currentTime.toFixed(2) + " s";
  }

  async function start() {
    rows.forEach((row) => { if (row !== self) row.pause(); });
    playing = true;
    play.textContent = "Pause";
    hear();
    moveTo(leader().ended ? 0 : leader().currentTime);
    try {
      await Promise.all(videos.map((video) => video.play()));
      requestAnimationFrame(tick);
    } catch (error) {
      if (error.name !== "AbortError") pause();
    }
  }

  function pause() {
    playing = false;
    play.textContent = "Play";
    videos.forEach((video) => video.pause());
  }

  function tick() {
    if (!playing) return;
    const lead = leader();
    if (lead.ended) {
      moveTo(0);
      videos.forEach((video) => video.play().catch(() => {}));
    }
    videos.forEach((video) => {
      const late = lead.currentTime - video.currentTime;
      if (video !== lead && !video.ended && !video.seeking && Math.abs(late) > DRIFT) {
        video.currentTime = Math.min(lead.currentTime, video.duration);
      }
    });
    show();
    requestAnimationFrame(tick);
  }

  play.addEventListener("click", () => (playing ? pause() : start()));
  seek.addEventListener("input", () => {
    moveTo(seek.value * (leader().duration || 0));
    time.textContent = (seek.value * (leader().duration || 0)).toFixed(2) + " s";
  });
  speed.addEventListener("change", () => {
    videos.forEach((video) => { video.playbackRate = Number(speed.value); });
  });
  radios.forEach((radio) => radio.addEventListener("change", hear));
  videos.forEach((video, index) => {
    video.controls = false;
    video.addEventListener("click", () => { radios[index].checked = true; hear(); });
  });
  root.classList.add("ready");
  hear();

  const self = { pause };
  return self;
}

// A heading of the board sorts each group of systems by the worse end of that column's intervals.
document.querySelectorAll(".board .sort").forEach((button) => {
  button.addEventListener("click", () => {
    const head = button.closest("th");
    const table = head.closest("table");
    table.querySelectorAll("th[aria-sort]").forEach((other) => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", "descending");
    const bound = (row) => Number(row.cells[head.cellIndex].dataset.bound ?? -Infinity);
    table.querySelectorAll("tbody").forEach((body) => {
      const rows = [...body.rows].filter((row) => !row.classList.contains("group"));
      rows.sort((one, two) => bound(two) - bound(one) || 0).forEach((row) => body.append(row));
    });
  });
});
