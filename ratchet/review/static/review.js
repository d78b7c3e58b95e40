"use strict";
(() => {
  const at = (id) => document.getElementById(id);
  const say = (id, text) => { at(id).textContent = text; };
  const WORDS = { true: "passed", false: "failed", null: "undecided" };
  let items = [], place = 0, busy = false;

  const tell = (text) => { say("message", text); at("message").hidden = !text; };

  function picture([sha256, width, height], number) {
    const image = new Image();
    image.src = "picture/" + encodeURIComponent(sha256);
    image.alt = "Picture " + (number + 1);
    if (Math.max(width, height) <= 128) image.className = "pixels";
    return image;
  }

  function row(said) {
    const line = document.createElement("tr");
    const score = said.score === null ? "" : said.score.toFixed(3);
    const reason = said.detail ? said.reason + ": " + said.detail : said.reason;
    [said.verifier, WORDS[said.passed], score, reason].forEach((text, number) => {
      const cell = document.createElement(number ? "td" : "th");
      if (!number) cell.scope = "row";
      cell.textContent = text;
      line.append(cell);
    });
    return line;
  }

  function question(turns) {
    return turns.map(([role, text]) => (turns.length > 1 ? role + ": " : "") + text).join("\n");
  }

  function pressed(label) {
    for (const button of document.querySelectorAll("#choices button"))
      button.setAttribute("aria-pressed", String(button.dataset.choice === label));
  }

  function show() {
    const over = place >= items.length;
    at("item").hidden = over;
    at("done").hidden = !over;
    if (over) { at("done").focus(); return; }
    const one = items[place];
    say("place", (place + 1) + " of " + items.length);
    say("why", "Round " + one.round + ", " + one.skill + ": " + one.why.join(", ") + (one.label ? ". You said: " + one.label : ""));
    at("held").hidden = !one.held;
    at("pictures").replaceChildren(...one.pictures.map(picture));
    say("question", question(one.turns));
    say("who", "Answer of " + one.model);
    say("answer", one.text || "(nothing)");
    say("reference", one.reference === null ? "there is none" : one.reference);
    at("before").hidden = one.before === null;
    say("champion", one.before || "");
    at("override").checked = false;
    at("note").value = "";
    at("verdicts").open = false;
    say("verdict", "Together: " + WORDS[one.verdict] + " (" + one.reason + ").");
    at("said").querySelector("tbody").replaceChildren(...one.said.map(row));
    pressed(one.label);
    at("place").focus();
  }

  function go(steps) {
    place = Math.min(Math.max(place + steps, 0), items.length);
    tell("");
    show();
  }

  async function label(choice) {
    const one = items[place];
    if (!one || busy) return;
    const given = { id: one.id, choice, override: at("override").checked, note: at("note").value };
    if (given.override && !given.note.trim()) { tell("An override needs a note that says why."); at("note").focus(); return; }
    busy = true;
    try {
      const reply = await fetch("labels", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(given) });
      const said = await reply.json();
      if (!reply.ok) throw new Error(said.error);
      one.label = said.label;
      go(1);
    } catch (error) {
      tell("Not kept: " + error.message + ". Is ratchet review still running? Try again.");
    } finally {
      busy = false;
    }
  }

  function key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target === at("note")) { if (event.key === "Escape") at("note").blur(); return; }
    const does = {
      1: () => label("right"), 2: () => label("wrong"), 3: () => label("unsure"),
      o: () => { at("override").checked = !at("override").checked; },
      n: () => at("note").focus(),
      v: () => { at("verdicts").open = !at("verdicts").open; },
      ArrowLeft: () => go(-1), ArrowRight: () => go(1),
    }[event.key];
    if (does) { event.preventDefault(); does(); }
  }

  async function start() {
    try {
      const reply = await fetch("queue.json");
      const queue = await reply.json();
      if (!reply.ok) throw new Error(queue.error);
      items = queue.items;
      const open = items.findIndex((one) => !one.label);
      place = open < 0 ? items.length : open;
      tell(items.length ? "" : "Nothing is doubtful in this round.");
      if (items.length) show();
    } catch (error) {
      tell("The queue did not come: " + error.message + ". Start ratchet review again.");
    }
  }

  for (const button of document.querySelectorAll("#choices button"))
    button.addEventListener("click", () => label(button.dataset.choice));
  for (const button of document.querySelectorAll("#steps button"))
    button.addEventListener("click", () => go(Number(button.dataset.step)));
  document.addEventListener("keydown", key);
  start();
})();
