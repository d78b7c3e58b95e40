"use strict";
// The gallery: filters and a search over the embedded items, cards made as they scroll near, an address for every item.
// Text is only ever set as text.
(() => {
  const filtersPlace = document.getElementById("gallery-filters");
  if (!filtersPlace) return;
  const { items, pictures, flips: totals } = JSON.parse(document.getElementById("gallery-items").textContent);
  const cards = document.getElementById("gallery-cards");
  const count = document.getElementById("gallery-count");
  const more = document.getElementById("gallery-more");
  const SIGNS = { right: "✓", wrong: "✕", unscored: "?" };
  const BATCH = 24;
  const MARKS = { right: "✓ right", wrong: "✕ wrong", unscored: "? unscored" };
  const FLIPS = ["wrong to right", "right to wrong", "both wrong", "both right"];

  const disagree = (a) => Object.values(a.said).includes("right") && Object.values(a.said).includes("wrong");
  // Each filter: its name, and the values of an item under it.
  const FILTERS = {
    flip: (item) => (item.flip ? [item.flip] : []),
    skill: (item) => [item.skill],
    split: (item) => [item.split],
    verdict: (item) => item.answers.flatMap((a) => [
      `${a.sample ? "a sample" : a.who} is ${a.verdict}`,
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

  function foreign(name, className, text) {
    const element = make(name, className, text);
    element.dir = "auto";
    return element;
  }

  function chips(answer) {
    const place = make("span", "chips");
    place.append(make("span", `chip ${answer.verdict}`, MARKS[answer.verdict]));
    // "right, match" and "wrong, wrong" say nothing new.
    if (answer.verdict !== "right" && answer.reason && answer.reason !== answer.verdict) {
      place.append(foreign("bdi", "who", answer.reason));
    }
    if (answer.sampled) place.append(make("span", "who", `sampled: ${answer.sampled[0]} of ${answer.sampled[1]} right`));
    if (disagree(answer)) {
      place.append(foreign("bdi", "who", Object.entries(answer.said).map(([n, said]) => `${n} ${SIGNS[said]}`).join(" ")));
    }
    if (answer.kept) place.append(make("span", "chip kept", "kept"));
    return place;
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

  function address(item) {
    const link = make("a", "", "#");
    link.href = `#item-${item.key}`;
    link.setAttribute("aria-label", "Link to this item");
    return link;
  }

  function card(item) {
    const place = make("article", "card");
    place.id = `item-${item.key}`;
    place.tabIndex = -1;
    const top = make("div", "top");
    const shown = make("div", "pictures");
    shown.append(...item.pictures.map((p, i) => picture(p, i, item.pictures.length)));
    if (item.left) shown.append(make("p", "who", "Picture left out: this page has no room for more."));
    shown.addEventListener("click", () => place.classList.toggle("large"));
    const words = make("div", "words");
    const about = [item.skill, item.split, item.round === null ? null : `round ${item.round}`, item.flip];
    const line = make("p", "about");
    about.filter(Boolean).forEach((part, i) => line.append(i ? " · " : "", foreign("bdi", "", part)));
    line.append(" ", address(item));
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
  const controls = {};
  const index = items.map((item) => Object.fromEntries(Object.entries(FILTERS).map(([n, f]) => [n, new Set(f(item))])));
  let texts = null;
  let words = "";
  let found = [];
  let made = 0;

  function counted(name) {
    const counts = new Map();
    for (const values of index) for (const value of values[name]) counts.set(value, (counts.get(value) || 0) + 1);
    return counts;
  }

  function choose(name, value) {
    if (value) chosen[name] = value; else delete chosen[name];
    filter();
    remember();
  }

  function addFilter(name) {
    const counts = counted(name);
    if (counts.size < 2) return;
    const label = make("label", "", name[0].toUpperCase() + name.slice(1));
    const select = make("select");
    select.dataset.filter = name;
    select.append(new Option("any", ""));
    for (const value of [...counts.keys()].sort()) select.append(new Option(`${value} (${counts.get(value)})`, value));
    select.addEventListener("change", () => choose(name, select.value));
    controls[name] = (value) => { select.value = value; };
    label.append(select);
    filtersPlace.append(label);
  }

  // What changed between the two models is what one comes for: buttons, always in view.
  function addFlips() {
    const counts = counted("flip");
    if (!counts.size) return;
    const row = make("div", "flips");
    row.setAttribute("role", "group");
    row.setAttribute("aria-label", "What changed between the models");
    const buttons = FLIPS.filter((flip) => counts.has(flip)).map((flip) => {
      const button = Object.assign(make("button", "", `${flip} `), { type: "button" });
      button.dataset.flip = flip;
      const [shown, all] = [counts.get(flip), totals[flip]].map((number) => number.toLocaleString("en"));
      button.append(make("span", "who", shown === all ? shown : `${shown} shown of ${all}`));
      button.addEventListener("click", () => choose("flip", chosen.flip === flip ? "" : flip));
      return button;
    });
    controls.flip = (value) => buttons.forEach((b) => b.setAttribute("aria-pressed", String(b.dataset.flip === value)));
    controls.flip("");
    row.append(...buttons);
    filtersPlace.before(row);
  }

  function addSearch() {
    const label = make("label", "search", "Search");
    const field = make("input");
    field.type = "search";
    field.placeholder = "question or answer";
    field.setAttribute("aria-keyshortcuts", "/");
    field.addEventListener("input", () => { words = field.value.trim().toLowerCase(); filter(); });
    label.append(field);
    filtersPlace.append(label);
    return field;
  }

  function textOf(at) {
    texts ??= items.map((i) => [i.question, i.reference || "", ...i.answers.map((a) => a.text)].join("\n").toLowerCase());
    return texts[at];
  }

  function filter() {
    const wanted = Object.entries(chosen);
    for (const [name, set] of Object.entries(controls)) set(chosen[name] || "");
    found = items.filter((_, i) => wanted.every(([n, value]) => index[i][n].has(value)) && (!words || textOf(i).includes(words)));
    made = 0;
    cards.replaceChildren();
    const all = `${items.length.toLocaleString("en")} ${items.length === 1 ? "question" : "questions"}`;
    count.textContent = found.length === items.length ? all : `${found.length.toLocaleString("en")} of ${all}`;
    clear.hidden = wanted.length === 0 && !words;
    next();
  }

  function next() {
    const batch = found.slice(made, made + BATCH);
    made += batch.length;
    cards.append(...batch.map(card));
    more.hidden = made >= found.length;
  }

  function reset() {
    for (const name of Object.keys(chosen)) delete chosen[name];
    words = search.value = "";
    filter();
    remember();
  }

  // The address tells the filters, so that a view can be sent; a page inside of another has no address of its own.
  function remember() {
    const told = new URLSearchParams(chosen).toString();
    try { history.replaceState(null, "", told ? `#show?${told}` : "#gallery"); } catch { /* no address */ }
  }

  function goTo(place) {
    place.focus({ preventScroll: true });
    place.scrollIntoView({ block: "center", behavior: "instant" });
  }

  function open(key) {
    if (!items.some((item) => item.key === key)) return;
    if (!found.some((item) => item.key === key)) { for (const name of Object.keys(chosen)) delete chosen[name]; words = search.value = ""; filter(); }
    const at = found.findIndex((item) => item.key === key);
    while (made <= at) next();
    goTo(document.getElementById(`item-${key}`));
  }

  function follow() {
    if (location.hash.startsWith("#item-")) open(location.hash.slice(6));
    if (!location.hash.startsWith("#show?")) return;
    for (const name of Object.keys(chosen)) delete chosen[name];
    for (const [name, value] of new URLSearchParams(location.hash.slice(6))) if (name in FILTERS) chosen[name] = value;
    filter();
    document.getElementById("gallery").scrollIntoView({ behavior: "instant" });
  }

  function step(from, by) {
    if (by > 0 && !from.nextElementSibling) next();
    const to = by > 0 ? from.nextElementSibling : from.previousElementSibling;
    if (to) goTo(to);
  }

  addFlips();
  for (const name of Object.keys(FILTERS).slice(1)) addFilter(name);
  const search = addSearch();
  const clear = make("button", "", "Clear filters");
  clear.type = "button";
  clear.addEventListener("click", reset);
  filtersPlace.append(clear);
  more.addEventListener("click", next);
  filter();
  window.addEventListener("hashchange", follow);
  // When all is laid out: before that, the item's place still moves.
  window.addEventListener("load", follow);

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const typing = event.target.closest("input, select, textarea");
    const on = event.target.closest(".card");
    if (event.key === "/" && !typing) { event.preventDefault(); search.focus(); search.select(); }
    if (event.key === "Escape" && event.target === search && words) { event.preventDefault(); words = search.value = ""; filter(); }
    else if (event.key === "Escape" && (on || event.target === search)) { reset(); event.target.blur(); }
    const by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (by && on) { event.preventDefault(); step(on, by); }
    if (event.key === "ArrowDown" && event.target === search && cards.firstElementChild) { event.preventDefault(); goTo(cards.firstElementChild); }
    if (event.key === "Enter" && event.target === on) on.classList.toggle("large");
  });

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
