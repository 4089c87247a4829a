// Trajectories in the plane: two methods side by side at the same time, on the same data, with the same solver.
"use strict";
const element = (name, attributes = {}, ...children) => {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
};

const choice = (text, names, label) => {
  const select = element("select");
  for (const name of names) select.append(new Option(label(name), name));
  return [element("label", {}, text, select), select];
};

// Keeps the choice where the new list has it.
const refill = (select, names, label) => {
  const before = select.value;
  select.replaceChildren(...names.map((name) => new Option(label(name), name)));
  if (names.includes(before)) select.value = before;
};

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// Base64 of little-endian 16-bit whole numbers, as coordinates in a square around the data.
const UNIT = 16384;
const unpacked = (text) => new Int16Array(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer);

class Panel {
  constructor(methods, first) {
    this.methods = methods;
    this.first = first;
    [this.label, this.select] = choice("method", [], (name) => name);
    this.canvas = element("canvas", { role: "img" });
    this.readout = element("p", { class: "readout" });
    this.root = element("div", { class: "panel" }, this.label, this.canvas, this.readout);
  }

  offer(names) {
    const started = this.select.options.length > 0;
    refill(this.select, names, (name) => this.methods[name]);
    if (!started) this.select.selectedIndex = Math.min(this.first, names.length - 1);
  }

  draw(dataset, solver, time) {
    const view = dataset.views[this.select.value][solver];
    view.points ??= unpacked(view.x);
    dataset.ends ??= unpacked(dataset.target);
    const size = Math.round(this.canvas.clientWidth * devicePixelRatio) || 600;
    this.canvas.width = this.canvas.height = size;
    const pen = this.canvas.getContext("2d");
    const dot = size / 230;
    const place = (value) => (0.5 + (0.49 * value) / UNIT) * size;
    const spot = (x, y, radius) => {
      pen.beginPath();
      pen.arc(place(x), size - place(y), radius, 0, 7);
      pen.fill();
    };
    pen.fillStyle = colour("--target");
    for (let i = 0; i < dataset.ends.length; i += 2) spot(dataset.ends[i], dataset.ends[i + 1], dot * 0.8);
    const count = view.points.length / view.t.length / 2;
    const last = view.t.length - 1;
    const now = view.t[0] + time * (view.t[last] - view.t[0]);
    let whole = last;
    while (whole > 0 && view.t[whole] > now) whole--;
    const part = whole < last ? (now - view.t[whole]) / (view.t[whole + 1] - view.t[whole]) : 0;
    const at = (frame, i) => view.points[frame * count * 2 + i];
    const between = (i) => (part ? (1 - part) * at(whole, i) + part * at(whole + 1, i) : at(whole, i));
    pen.strokeStyle = colour("--paths");
    pen.lineWidth = dot * 0.6;
    for (let k = 0; k < 2 * count; k += 2) {
      pen.beginPath();
      for (let frame = 0; frame <= whole; frame++) pen.lineTo(place(at(frame, k)), size - place(at(frame, k + 1)));
      pen.lineTo(place(between(k)), size - place(between(k + 1)));
      pen.stroke();
    }
    pen.fillStyle = colour("--source");
    for (let k = 0; k < 2 * count; k += 2) spot(at(0, k), at(0, k + 1), dot * 0.7);
    pen.fillStyle = colour("--points");
    for (let k = 0; k < 2 * count; k += 2) spot(between(k), between(k + 1), dot * 1.2);
    const words = `${count} points of ${this.methods[this.select.value]} on ${dataset.label}, ${solver}, at t = ${now.toFixed(2)}`;
    this.canvas.setAttribute("aria-label", `${words}. ${view.facts}`);
    this.readout.textContent = view.facts;
  }
}

class Flow {
  constructor(root) {
    this.data = JSON.parse(document.getElementById(root.dataset.source).textContent);
    const datasets = this.data.datasets;
    let label, solvers;
    [label, this.dataset] = choice("data", Object.keys(datasets), (name) => datasets[name].label);
    [solvers, this.solver] = choice("solver", [], (name) => name);
    this.time = element("input", { type: "range", min: 0, max: 100, step: 1, value: 100 });
    this.shown = element("output");
    this.play = element("button", { type: "button", class: "play" }, "Play");
    const time = element("label", { class: "time" }, element("span", {}, "time ", this.shown), this.time);
    this.panels = [new Panel(this.data.methods, 0), new Panel(this.data.methods, 1)];
    const key = element("p", { class: "key" }, `Seed ${this.data.seed}:`);
    for (const [name, words] of [["source", "source"], ["points", "now"], ["target", "test data"]])
      key.append(element("span", { style: `--mark: var(--${name})` }, words));
    root.append(
      element("div", { class: "controls" }, label, solvers, time, this.play),
      element("div", { class: "panels" }, ...this.panels.map((panel) => panel.root)),
      key,
    );
    for (const select of [this.dataset, this.solver, ...this.panels.map((panel) => panel.select)])
      select.addEventListener("change", () => this.offer());
    this.time.addEventListener("input", () => this.draw());
    this.play.addEventListener("click", () => (this.running ? this.stop() : this.start()));
    this.offer();
    new ResizeObserver(() => this.draw()).observe(root);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
  }

  // A solver is offered if both methods have it; a method, if it has any.
  offer() {
    const views = this.data.datasets[this.dataset.value].views;
    for (const panel of this.panels) panel.offer(Object.keys(views));
    const [left, right] = this.panels.map((panel) => views[panel.select.value]);
    refill(this.solver, Object.keys(left).filter((name) => name in right), (name) => name);
    this.draw();
  }

  draw() {
    const time = Number(this.time.value) / 100;
    this.shown.textContent = time.toFixed(2);
    this.time.setAttribute("aria-valuetext", `t = ${time.toFixed(2)}`);
    for (const panel of this.panels) panel.draw(this.data.datasets[this.dataset.value], this.solver.value, time);
  }

  // With reduced motion the points jump from one time to the next, twice a second.
  start() {
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    if (Number(this.time.value) >= 100) this.time.value = 0;
    this.play.textContent = "Pause";
    this.running = setInterval(() => {
      this.time.value = Number(this.time.value) + (calm ? 10 : 1);
      this.draw();
      if (Number(this.time.value) >= 100) this.stop();
    }, calm ? 500 : 40);
  }

  stop() {
    clearInterval(this.running);
    this.running = null;
    this.play.textContent = "Play";
  }
}

for (const root of document.querySelectorAll(".flow")) new Flow(root);
