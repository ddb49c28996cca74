// Sends one label at a time; the server lands it and returns the next item as an HTML fragment.
// A label that could not be sent is stored in the browser and retried until the server has landed it.
"use strict";

const place = document.getElementById("item");
const status = document.getElementById("status");
const trouble = document.getElementById("trouble");
const help = document.getElementById("help");
const base = place.dataset.base;
const unsavedKey = `assay-unsaved:${place.dataset.task}:${place.dataset.person}`;
const retryDelaysMs = [500, 1000, 2000, 4000];
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

function showError(text) {
  trouble.textContent = text;
  trouble.hidden = !text;
}

async function request(path, body) {
  const post = { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
  const response = await fetch(base + path, body === undefined ? {} : post);
  if (response.status >= 500) throw new TypeError((await response.json().catch(() => ({}))).message || "The server reported an error.");
  const content = response.headers.get("content-type")?.startsWith("application/json") ? await response.json() : { message: await response.text() };
  return { ok: response.ok, refused: response.status === 403, ...content };
}

// Retries until the server responds; a rejected request is shown as an error and not retried.
async function requestWithRetry(path, body) {
  for (let attempt = 0; ; attempt += 1) {
    try {
      const result = await request(path, body);
      showError(result.ok ? "" : result.message);
      return result;
    } catch (error) {
      const reason = error.message === "Failed to fetch" ? "The server does not respond." : error.message;
      showError(body && body.choice ? `Not saved yet, retrying. ${reason}` : `Retrying. ${reason}`);
      await pause(retryDelaysMs[Math.min(attempt, retryDelaysMs.length - 1)]);
    }
  }
}

async function exclusively(work) {
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

async function send(label) {
  localStorage.setItem(unsavedKey, JSON.stringify(label));
  status.textContent = "Saving…";
  const result = await requestWithRetry("/save", label);
  if (!result.refused) localStorage.removeItem(unsavedKey);
  else showError("Not saved: the server was restarted. Your label is kept in this browser and is saved when you open the new address that `assay review` printed for you.");
  if (result.ok) {
    show(result.html);
  }
  status.textContent = result.ok ? `Saved: ${label.choice.replaceAll("_", " ")}` : "";
}

const choose = (button) => exclusively(() => {
  button.setAttribute("aria-pressed", "true");
  return send({ assignment_id: article().dataset.assignment, choice: button.dataset.choice, note: note().value.trim() || null });
});

const undo = () => exclusively(async () => {
  const result = await requestWithRetry("/undo", {});
  if (result.ok) {
    show(result.html);
    status.textContent = "Withdrawn";
  }
});

const look = (step) => exclusively(async () => {
  const from = encodeURIComponent(article().dataset.assignment);
  const result = await requestWithRetry(`/beside?step=${step}&from=${from}`);
  if (result.ok) show(result.html);
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
if (unsaved) exclusively(() => send(JSON.parse(unsaved)));
else document.getElementById("question").focus({ preventScroll: true });
