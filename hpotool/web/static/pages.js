// Keeps an open page current: asks for the same page every few seconds and replaces the parts that changed.
// Without it, the page is complete and stands still.
"use strict";

const EVERY_MS = Number(document.body.dataset.every || 0);
const SLOWEST_MS = 60000;
const live = document.getElementById("live");
const spoken = document.getElementById("spoken");
let wait = EVERY_MS;
let isPaused = false;

// What a person is doing with a part must not be taken from under their hands.
function isInUse(part) {
  const selection = document.getSelection();
  if (selection && !selection.isCollapsed && part.contains(selection.anchorNode)) return true;
  return [...part.querySelectorAll("input:not([type=hidden]), textarea, select")].some(
    (field) => field === document.activeElement || ("defaultValue" in field && field.value !== field.defaultValue),
  );
}

const FOCUSABLE = "a, button, summary, input, textarea, select, [tabindex]";

// The same control in the newer part: at the same place with the same text, else anywhere with that text.
function findAgain(part, control) {
  const isSame = (other) => other && other.tagName === control.tag && other.textContent === control.text;
  const all = [...part.querySelectorAll(FOCUSABLE)];
  return isSame(all[control.place]) ? all[control.place] : all.find(isSame);
}

function replacePart(old, fresh) {
  const focused = old.contains(document.activeElement) ? document.activeElement : null;
  const control = focused && {
    tag: focused.tagName, text: focused.textContent, place: [...old.querySelectorAll(FOCUSABLE)].indexOf(focused),
  };
  const open = [...old.querySelectorAll("details[open]")].map((one) => one.id);
  const tails = [...old.querySelectorAll("[data-tail]")].map((box) => [
    box.id, box.scrollTop, box.scrollTop + box.clientHeight >= box.scrollHeight - 4,
  ]);
  const scrolls = [...old.querySelectorAll(".scroll")].map((box) => box.scrollLeft);
  old.replaceChildren(...fresh.childNodes);
  for (const id of open) document.getElementById(id)?.setAttribute("open", "");
  old.querySelectorAll(".scroll").forEach((box, place) => { box.scrollLeft = scrolls[place] || 0; });
  for (const [id, top, isAtEnd] of tails) {
    const box = document.getElementById(id);
    if (box) box.scrollTop = isAtEnd ? box.scrollHeight : top;
  }
  if (control) findAgain(old, control)?.focus({ preventScroll: true });
}

function show(text) {
  const page = new DOMParser().parseFromString(text, "text/html");
  for (const old of document.querySelectorAll("[data-live]")) {
    const fresh = page.getElementById(old.id);
    if (fresh && fresh.innerHTML !== old.innerHTML && !isInUse(old)) replacePart(old, fresh);
  }
  document.title = page.title;
  const news = page.getElementById("spoken");
  // Read out only what somebody waits for: a new state, not every new figure.
  if (news && spoken && news.textContent !== spoken.textContent) spoken.textContent = news.textContent;
}

function say(text, isWarning) {
  if (live.firstChild?.data !== text) live.replaceChildren(text);
  live.classList.toggle("warning", isWarning);
}

async function refresh() {
  if (document.hidden || isPaused) return;
  try {
    const answer = await fetch(location.href, { headers: { "X-Hpotool-Refresh": "1" }, cache: "no-store" });
    if (!answer.ok) throw new Error(String(answer.status));
    show(await answer.text());
    wait = EVERY_MS;
    say("live", false);
  } catch (error) {
    wait = Math.min(SLOWEST_MS, wait * 2);
    say(`not current: the ${error.message === "503" ? "database" : "server"} does not answer`, true);
  }
}

async function keepCurrent() {
  await refresh();
  setTimeout(keepCurrent, wait);
}

for (const box of document.querySelectorAll("[data-tail]")) box.scrollTop = box.scrollHeight;
if (EVERY_MS > 0) {
  const button = document.getElementById("hold");
  button.hidden = false;
  button.addEventListener("click", () => {
    isPaused = !isPaused;
    button.setAttribute("aria-pressed", String(isPaused));
    say(isPaused ? "updates paused" : "live", false);
    if (!isPaused) refresh();
  });
  document.addEventListener("visibilitychange", refresh);
  say("live", false);
  setTimeout(keepCurrent, wait);
}
