// Learning curves: mean and range over seeds against training steps, methods chosen by their boxes in the legend.
"use strict";
const SVG = "http://www.w3.org/2000/svg";
const drawn = (name, attributes) => {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
};
const STROKES = ["", "6 3", "2 3"];
const look = (k) => ({ stroke: `var(--s${k % 8})`, "stroke-dasharray": STROKES[Math.floor(k / 8) % 3] });
const SHOWN_AT_FIRST = 6;
const [LEFT, RIGHT, TOP, BOTTOM] = [56, 24, 12, 44];

// 1, 2 and 5 times powers of ten between two numbers, about `count` of them.
const ticks = (low, high, logarithmic, count = 6) => {
  const found = [];
  if (logarithmic) {
    const steps = high / low > 1000 ? [1] : [1, 2, 5];
    for (let e = Math.floor(Math.log10(low)); e <= Math.ceil(Math.log10(high)); e++)
      for (const m of steps) found.push(m * 10 ** e);
  } else {
    const raw = (high - low) / count || 1;
    const unit = 10 ** Math.floor(Math.log10(raw));
    const step = unit * [1, 2, 5, 10].find((m) => m * unit >= raw);
    for (let v = Math.ceil(low / step) * step; v <= high; v += step) found.push(v);
  }
  return found.filter((v) => v >= low && v <= high);
};
const plain = (value) => Number(value.toPrecision(3)).toLocaleString("en");

class Curves {
  constructor(root) {
    this.data = JSON.parse(document.getElementById(root.dataset.source).textContent);
    const { datasets, quantities } = this.data;
    let dataset, quantity;
    [dataset, this.dataset] = choice("data", Object.keys(datasets), (name) => datasets[name].label);
    [quantity, this.quantity] = choice("quantity", Object.keys(quantities), (name) => quantities[name]);
    this.svg = drawn("svg", { role: "img" });
    this.legend = element("fieldset", { class: "legend" });
    this.body = element("tbody");
    const names = ["method", "step", "mean", "least", "largest", "seeds"].map((name) => element("th", { scope: "col" }, name));
    const table = element("table", {}, element("thead", {}, element("tr", {}, ...names)), this.body);
    this.caption = table.createCaption();
    const values = element("div", { class: "scroll", role: "group", tabindex: 0, "aria-label": "Last values of the curves" }, table);
    root.append(
      element("div", { class: "controls" }, dataset, quantity),
      this.svg,
      this.legend,
      element("details", { class: "notes" }, element("summary", {}, "The last values"), values),
    );
    this.hidden = new Set(this.present().slice(SHOWN_AT_FIRST));
    for (const select of [this.dataset, this.quantity]) select.addEventListener("change", () => this.draw());
    new ResizeObserver(() => this.draw()).observe(root);
  }

  present() {
    return Object.keys(this.data.methods).filter((m) => Object.values(this.data.datasets).some((d) => m in d.curves));
  }

  draw() {
    const { datasets, methods, quantities } = this.data;
    const dataset = datasets[this.dataset.value];
    const all = this.present()
      .map((name, k) => ({ name, k, curve: dataset.curves[name], rows: dataset.curves[name]?.[this.quantity.value] }))
      .filter((line) => line.rows);
    this.#legend(all);
    const lines = all.filter((line) => !this.hidden.has(line.name));
    this.#table(all);
    const text = `${quantities[this.quantity.value]} on ${dataset.label}`;
    this.caption.textContent = `${text}: last values`;
    this.svg.setAttribute("aria-label", `${text} against training steps: ${lines.map((l) => methods[l.name]).join(", ")}. The last values are in the table below.`);
    this.#plot(lines, quantities[this.quantity.value]);
  }

  #plot(lines, quantity) {
    const wide = this.svg.parentNode.clientWidth;
    const high = Math.min(400, Math.max(260, wide / 2));
    this.svg.setAttribute("viewBox", `0 0 ${wide} ${high}`);
    this.svg.replaceChildren();
    const rows = lines.flatMap((line) => line.rows);
    if (!rows.length) return;
    const [least, largest] = [Math.min(...rows.map((r) => r[2])), Math.max(...rows.map((r) => r[3]))];
    const log = least > 0 && largest / least > 5;
    const scale = log ? Math.log : (v) => v;
    const margin = 0.04 * (scale(largest) - scale(least)) || 1;
    const [bottom, top] = [scale(least) - margin, scale(largest) + margin];
    const steps = Math.max(...rows.map((r) => r[0]));
    const x = (step) => LEFT + (step / steps) * (wide - LEFT - RIGHT);
    const y = (value) => high - BOTTOM - ((scale(value) - bottom) / (top - bottom)) * (high - TOP - BOTTOM);
    const text = (words, attributes) => {
      const made = drawn("text", attributes);
      made.textContent = words;
      this.svg.append(made);
    };
    for (const v of ticks(least, largest, log)) {
      this.svg.append(drawn("line", { class: "rule", x1: LEFT, x2: wide - RIGHT, y1: y(v), y2: y(v) }));
      text(plain(v), { x: LEFT - 6, y: y(v) + 4, "text-anchor": "end" });
    }
    for (const v of ticks(0, steps, false, wide / 90)) text(plain(v), { x: x(v), y: high - BOTTOM + 18, "text-anchor": "middle" });
    text(`${quantity}${log ? " (logarithmic)" : ""} against training steps`, { x: (LEFT + wide - RIGHT) / 2, y: high - 6, "text-anchor": "middle" });
    this.svg.append(drawn("path", { class: "frame", d: `M${LEFT},${TOP}V${high - BOTTOM}H${wide - RIGHT}` }));
    for (const { k, rows: points } of lines) {
      const forth = points.map((r) => `${x(r[0])},${y(r[3])}`);
      const back = points.map((r) => `${x(r[0])},${y(r[2])}`).reverse();
      this.svg.append(drawn("polygon", { class: "band", points: [...forth, ...back].join(" "), fill: `var(--s${k % 8})` }));
    }
    for (const { k, rows: points } of lines)
      this.svg.append(drawn("polyline", { class: "curve", points: points.map((r) => `${x(r[0])},${y(r[1])}`).join(" "), ...look(k) }));
  }

  #legend(lines) {
    const boxes = lines.map(({ name, k }) => {
      const box = element("input", { type: "checkbox" });
      box.checked = !this.hidden.has(name);
      box.addEventListener("change", () => {
        this.hidden[box.checked ? "delete" : "add"](name);
        this.draw();
        this.legend.querySelectorAll("input")[lines.findIndex((line) => line.name === name)].focus();
      });
      const sample = drawn("svg", { viewBox: "0 0 28 8", "aria-hidden": "true" });
      sample.append(drawn("line", { x1: 0, x2: 28, y1: 4, y2: 4, "stroke-width": 2.5, ...look(k) }));
      return element("label", {}, box, sample, this.data.methods[name]);
    });
    this.legend.replaceChildren(element("legend", {}, "methods"), ...boxes);
  }

  #table(lines) {
    this.body.replaceChildren(
      ...lines.map(({ name, curve, rows }) => {
        const numbers = [...rows.at(-1), curve.seeds].map((value) => element("td", { class: "number" }, value));
        return element("tr", {}, element("th", { scope: "row" }, this.data.methods[name]), ...numbers);
      }),
    );
  }
}

for (const root of document.querySelectorAll(".curves")) new Curves(root);
