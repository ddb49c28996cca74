// One label at a time: a key is sent, the server has it in the warehouse, the next item comes back as a piece of HTML.
// A label that could not be sent is kept in this browser and sent again until the server has it.
"use strict";

const place = document.getElementById("item");
const status = document.getElementById("status");
const trouble = document.getElementById("trouble");
const help = document.getElementById("help");
const base = `/label/${encodeURIComponent(place.dataset.person)}`;
const unsavedKey = `assay-unsaved:${place.dataset.task}:${place.dataset.person}`;
const waits = [500, 1000, 2000, 4000];
let busy = false;

const article = () => place.querySelector(".item");
const note = () => document.getElementById("note");
const choices = () => [...place.querySelectorAll(".choice")];
const pause = (ms) => new Promise((done) => setTimeout(done, ms));

function show(html) {
  place.innerHTML = html;
  window.scrollTo(0, 0);
  document.getElementById("question").focus({ preventScroll: true });
}

function complain(text) {
  trouble.textContent = text;
  trouble.hidden = !text;
}

async function ask(path, body) {
  const post = { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
  const answer = await fetch(base + path, body === undefined ? {} : post);
  if (answer.status >= 500) throw new TypeError((await answer.json().catch(() => ({}))).message || "The server had a fault.");
  const told = answer.headers.get("content-type")?.startsWith("application/json") ? await answer.json() : { message: await answer.text() };
  return { ok: answer.ok, ...told };
}

// Asks until the server answers; what it refuses is said, and not asked again.
async function insist(path, body) {
  for (let attempt = 0; ; attempt += 1) {
    try {
      const told = await ask(path, body);
      complain(told.ok ? "" : told.message);
      return told;
    } catch (fault) {
      const why = fault.message === "Failed to fetch" ? "The page's server does not answer." : fault.message;
      complain(body && body.choice ? `Not saved yet, trying again. ${why}` : `Trying again. ${why}`);
      await pause(waits[Math.min(attempt, waits.length - 1)]);
    }
  }
}

async function alone(work) {
  if (busy) return;
  busy = true;
  place.classList.add("saving");
  try {
    await work();
  } finally {
    busy = false;
    place.classList.remove("saving");
  }
}

async function send(said) {
  localStorage.setItem(unsavedKey, JSON.stringify(said));
  status.textContent = "Saving…";
  const told = await insist("/save", said);
  localStorage.removeItem(unsavedKey);
  if (told.ok) {
    show(told.html);
  }
  status.textContent = told.ok ? `Saved: ${said.choice.replaceAll("_", " ")}` : "";
}

const choose = (button) => alone(() => {
  button.setAttribute("aria-pressed", "true");
  return send({ assignment_id: article().dataset.assignment, choice: button.dataset.choice, note: note().value.trim() || null });
});

const undo = () => alone(async () => {
  const told = await insist("/undo", {});
  if (told.ok) {
    show(told.html);
    status.textContent = "Taken back";
  }
});

const look = (step) => alone(async () => {
  const from = encodeURIComponent(article().dataset.assignment);
  const told = await insist(`/beside?step=${step}&from=${from}`);
  if (told.ok) show(told.html);
  status.textContent = "";
});

function move(step) {
  const all = choices();
  const here = all.indexOf(document.activeElement);
  const next = here < 0 ? (step > 0 ? 0 : all.length - 1) : Math.min(Math.max(here + step, 0), all.length - 1);
  all[next]?.focus();
}

const keys = {
  ArrowDown: () => move(1),
  ArrowUp: () => move(-1),
  ArrowLeft: () => look("back"),
  ArrowRight: () => look("forward"),
  u: undo,
  n: () => note()?.focus(),
  e: () => place.classList.toggle("whole"),
  g: () => place.querySelector(".guidance")?.toggleAttribute("open"),
  "?": () => help.showModal(),
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || event.isComposing || help.open) return;
  if (event.target === note()) {
    if (event.key === "Escape") document.getElementById("question").focus();
    return;
  }
  const scrolls = event.target.classList?.contains("long") && event.key.startsWith("Arrow");
  const chosen = choices().find((button) => button.dataset.key === event.key);
  const act = chosen ? () => choose(chosen) : keys[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  if (!act || scrolls) return;
  event.preventDefault();
  act();
});

document.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  if (button.id === "help-button") help.showModal();
  else if (button.classList.contains("choice")) choose(button);
  else if (button.dataset.do === "undo") undo();
  else if (button.dataset.do) look(button.dataset.do);
});

const unsaved = localStorage.getItem(unsavedKey);
if (unsaved) alone(() => send(JSON.parse(unsaved)));
else document.getElementById("question").focus({ preventScroll: true });
