// What is shown of the page: one data set of a figure, claims of one verdict, a figure in full size, the contents.
"use strict";
for (const views of document.querySelectorAll(".views")) {
  const figures = [...views.querySelectorAll("figure[data-label]")];
  if (figures.length < 2) continue;
  const group = document.createElement("div");
  group.className = "switch";
  group.setAttribute("role", "group");
  group.setAttribute("aria-label", "Data set of the figure");
  const show = (chosen) => figures.forEach((figure, k) => {
    figure.hidden = k !== chosen;
    group.children[k].setAttribute("aria-pressed", k === chosen);
  });
  figures.forEach((figure, k) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = figure.dataset.label;
    button.addEventListener("click", () => show(k));
    group.append(button);
  });
  views.prepend(group);
  show(0);
}

const claims = [...document.querySelectorAll(".claim")];
const shown = document.querySelector(".shown");
for (const tile of document.querySelectorAll(".tile")) {
  tile.addEventListener("click", () => {
    const only = tile.getAttribute("aria-pressed") === "true" ? null : tile.dataset.filter;
    for (const other of document.querySelectorAll(".tile")) other.setAttribute("aria-pressed", other.dataset.filter === only);
    for (const claim of claims) claim.hidden = only !== null && claim.dataset.verdict !== only;
    const left = claims.filter((claim) => !claim.hidden).length;
    shown.hidden = only === null;
    shown.textContent = `Showing ${left} of ${claims.length} statements: ${only}.`;
  });
}

const large = document.getElementById("large");
for (const figure of document.querySelectorAll(".views figure")) {
  const image = figure.querySelector("img");
  const enlarge = () => {
    const copy = large.querySelector("img");
    copy.src = image.src;
    copy.alt = image.alt;
    large.showModal();
  };
  image.addEventListener("click", enlarge);
  figure.querySelector(".enlarge").addEventListener("click", enlarge);
}

const contents = document.querySelector(".contents details");
if (!matchMedia("(min-width: 84rem)").matches) contents.open = false;
const links = new Map([...contents.querySelectorAll("a")].map((link) => [link.hash.slice(1), link]));
const reading = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    if (!entry.isIntersecting) continue;
    for (const link of links.values()) link.removeAttribute("aria-current");
    links.get(entry.target.id).setAttribute("aria-current", "true");
  }
}, { rootMargin: "0px 0px -80% 0px" });
for (const section of document.querySelectorAll("main > section")) reading.observe(section);
