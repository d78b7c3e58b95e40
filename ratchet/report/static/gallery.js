"use strict";
// The gallery: filters over the embedded items, cards made as they scroll near. Text is only ever set as text.
(() => {
  const filtersPlace = document.getElementById("gallery-filters");
  if (!filtersPlace) return;
  const { items, pictures } = JSON.parse(document.getElementById("gallery-items").textContent);
  const cards = document.getElementById("gallery-cards");
  const count = document.getElementById("gallery-count");
  const more = document.getElementById("gallery-more");
  const SIGNS = { right: "✓", wrong: "✕", unscored: "?" };
  const BATCH = 24;
  const MARKS = { right: "✓ right", wrong: "✕ wrong", unscored: "? unscored" };

  const disagree = (a) => Object.values(a.said).includes("right") && Object.values(a.said).includes("wrong");
  // Each filter: its name, and the values of an item under it.
  const FILTERS = {
    skill: (item) => [item.skill],
    split: (item) => [item.split],
    flip: (item) => (item.flip ? [item.flip] : []),
    verdict: (item) => item.answers.flatMap((a) => [
      `${a.sample ? "a sample is" : "a model is"} ${a.verdict}`,
      ...(a.kept ? ["a sample was kept"] : []),
    ]),
    verifier: (item) => item.answers.flatMap((a) => [
      ...Object.entries(a.said).map(([name, said]) => `${name}: ${said}`),
      ...(disagree(a) ? ["verifiers disagree"] : []),
    ]),
    reason: (item) => item.answers.map((a) => a.reason),
    round: (item) => (item.round === null ? [] : [`round ${item.round}`]),
  };

  function make(name, className, text) {
    const element = document.createElement(name);
    if (className) element.className = className;
    if (text !== undefined) element.textContent = text;
    return element;
  }

  function chips(answer) {
    const place = make("span", "chips");
    const verdict = make("span", `chip ${answer.verdict}`, MARKS[answer.verdict]);
    place.append(verdict);
    // "right, match" and "wrong, wrong" say nothing new.
    if (answer.verdict !== "right" && answer.reason && answer.reason !== answer.verdict) {
      place.append(foreign("bdi", "who", answer.reason));
    }
    if (disagree(answer)) {
      place.append(foreign("bdi", "who", Object.entries(answer.said).map(([n, said]) => `${n} ${SIGNS[said]}`).join(" ")));
    }
    if (answer.kept) place.append(make("span", "chip kept", "kept"));
    return place;
  }

  function foreign(name, className, text) {
    const element = make(name, className, text);
    element.dir = "auto";
    return element;
  }

  function modelAnswer(answer) {
    const place = make("div", `answer ${answer.verdict}`);
    place.append(foreign("div", "who", answer.who), foreign("span", "text", answer.text || "(nothing)"), chips(answer));
    return place;
  }

  function sample(answer) {
    const place = make("li");
    place.append(foreign("span", "text", answer.text || "(nothing)"), chips(answer));
    return place;
  }

  function picture(number, index, total) {
    const image = make("img");
    image.loading = "lazy";
    image.decoding = "async";
    image.alt = total > 1 ? `Picture ${index + 1} of ${total}` : "The picture asked about";
    image.addEventListener("load", () => image.classList.toggle("pixels", image.naturalWidth <= 128));
    image.src = pictures[number];
    return image;
  }

  function card(item) {
    const place = make("article", "card");
    const top = make("div", "top");
    const shown = make("div", "pictures");
    shown.append(...item.pictures.map((p, i) => picture(p, i, item.pictures.length)));
    const words = make("div");
    const about = [item.skill, item.split, item.round === null ? null : `round ${item.round}`, item.flip];
    const line = make("p", "about");
    about.filter(Boolean).forEach((part, i) => line.append(i ? " · " : "", foreign("bdi", "", part)));
    words.append(line, foreign("p", "question", item.question));
    const reference = make("p", "reference");
    reference.append(make("span", "who", item.reference === null ? "No reference" : "Reference "));
    if (item.reference !== null) reference.append(foreign("bdi", "", item.reference));
    words.append(reference);
    top.append(shown, words);
    place.append(top);
    addAnswers(place, item.answers);
    return place;
  }

  function addAnswers(place, answers) {
    const models = answers.filter((a) => !a.sample);
    const samples = answers.filter((a) => a.sample);
    if (models.length) {
      const side = make("div", "models");
      side.append(...models.map(modelAnswer));
      place.append(side);
    }
    if (samples.length) {
      const list = make("ul", "samples");
      list.setAttribute("aria-label", "Sampled completions");
      list.append(...samples.map(sample));
      place.append(list);
    }
  }

  const chosen = {};
  const index = items.map((item) => Object.fromEntries(Object.entries(FILTERS).map(([n, f]) => [n, new Set(f(item))])));
  let found = [];
  let made = 0;

  function addFilter(name) {
    const counts = new Map();
    for (const values of index) for (const value of values[name]) counts.set(value, (counts.get(value) || 0) + 1);
    if (counts.size < 2) return;
    const label = make("label", "", name[0].toUpperCase() + name.slice(1));
    const select = make("select");
    select.dataset.filter = name;
    select.append(new Option("any", ""));
    for (const value of [...counts.keys()].sort()) select.append(new Option(`${value} (${counts.get(value)})`, value));
    select.addEventListener("change", () => { chosen[name] = select.value; filter(); });
    label.append(select);
    filtersPlace.append(label);
  }

  function filter() {
    const wanted = Object.entries(chosen).filter(([, value]) => value);
    found = items.filter((_, i) => wanted.every(([name, value]) => index[i][name].has(value)));
    made = 0;
    cards.replaceChildren();
    const all = `${items.length.toLocaleString("en")} ${items.length === 1 ? "question" : "questions"}`;
    count.textContent = found.length === items.length ? all : `${found.length.toLocaleString("en")} of ${all}`;
    clear.hidden = wanted.length === 0;
    next();
  }

  function next() {
    const batch = found.slice(made, made + BATCH);
    made += batch.length;
    cards.append(...batch.map(card));
    more.hidden = made >= found.length;
  }

  for (const name of Object.keys(FILTERS)) addFilter(name);
  const clear = make("button", "", "Clear filters");
  clear.type = "button";
  clear.addEventListener("click", () => {
    for (const select of filtersPlace.querySelectorAll("select")) select.value = "";
    for (const name of Object.keys(chosen)) delete chosen[name];
    filter();
  });
  filtersPlace.append(clear);
  more.addEventListener("click", next);
  filter();
  if ("IntersectionObserver" in window) {
    const watch = new IntersectionObserver((seen) => {
      if (more.hidden || !seen.some((s) => s.isIntersecting)) return;
      next();
      // Observed anew: where the button is still near, nothing would have crossed the edge.
      watch.unobserve(more);
      watch.observe(more);
    }, { rootMargin: "600px" });
    watch.observe(more);
  }
})();
