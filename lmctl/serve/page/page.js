// The page of `lmctl serve`. It asks this server alone, and keeps nothing but the text in its fields.
"use strict";

const NEXT_WORDS = 7;
const ALTERNATIVES = 5;
const SHADE_ABOVE_BITS = [2, 5, 9, 13];
const MOST_LINES = 64;
// Words that begin like the last one, and how probable each is among them.
const COMPLETE = { prefix: true, given_prefix: true, ignore_case: true };
const TYPING_MS = 80;
const READING_MS = 400;

const byId = (id) => document.getElementById(id);
const text = byId("text");
const state = { token: "", segmenter: "", before: [], chosen: null, writing: null };

// Asking

class Refused extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

async function post(path, body, signal) {
  const headers = { "Content-Type": "application/json" };
  if (state.token) headers.Authorization = `Bearer ${state.token}`;
  const response = await fetch(`v1/${path}`, { method: "POST", headers, body: JSON.stringify(body), signal });
  if (!response.ok) throw new Refused(response.status, (await response.json()).error);
  return response;
}

async function ask(path, body, signal) {
  const answer = await (await post(path, body, signal)).json();
  showModel(answer);
  return answer;
}

// Each kind of question has one answer on its way; a newer question takes its place.
const underway = new Map();

async function askLatest(kind, path, body) {
  underway.get(kind)?.abort();
  const controller = new AbortController();
  underway.set(kind, controller);
  return ask(path, body, controller.signal);
}

function report(error, place = byId("status")) {
  if (error.name === "AbortError") return;
  if (error.code === 401) askForToken();
  place.textContent = error.code ? error.message : `The server does not answer: ${error.message}`;
}

function askForToken() {
  byId("login").hidden = false;
  byId("token").focus();
  byId("token").select();
}

function showModel({ model, generation }) {
  byId("model").textContent = generation === null ? model : `${model}, generation ${generation}`;
}

// Text

const HAN_OR_KANA = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}]/u;
const CLOSES = /^[\p{Pe}\p{Pf}.,;:!?%。，、；：？！]/u;

const lastLine = () => text.value.slice(text.value.lastIndexOf("\n") + 1);

// A word whose letters are still typed. Scripts without spaces have no such place, and neither have tokens that are
// characters or pieces of words.
function isUnfinished(line) {
  // A letter with its accents or vowel signs.
  const [last] = /[\p{L}\p{N}]\p{M}*$/u.exec(line) ?? [""];
  return last && !HAN_OR_KANA.test(last) && !["char", "sentencepiece"].includes(state.segmenter);
}

/** A line without the end that the server calls `prefix`; its Unicode form and its letter case may be others there. */
function withoutEnd(line, prefix) {
  const alike = (part) => part.normalize("NFKC").toLowerCase();
  let start = line.length - 1;
  while (start > 0 && alike(line.slice(start)) !== alike(prefix)) start -= 1;
  return line.slice(0, start);
}

/** A line with one more word; `prefix` is the part of the word that the line has already. */
function withWord(line, word, prefix) {
  if (prefix) line = withoutEnd(line, prefix);
  if (state.segmenter === "sentencepiece") return line + (line ? word : word.replace(/^▁/u, "")).replaceAll("▁", " ");
  if (state.segmenter === "char") return line + word;
  if (state.segmenter !== "space") {
    if (CLOSES.test(word)) return `${line.trimEnd()}${word}${HAN_OR_KANA.test(word) || /[。，、；：？！]/u.test(word) ? "" : " "}`;
    if (HAN_OR_KANA.test(word)) return line + word;
  }
  // A word that has begun stays where it begins: after an opening quotation mark, there is no space.
  return `${line}${line && !prefix && !/\s$/u.test(line) ? " " : ""}${word} `;
}

// Words that are being written (writing.js) end where they are; the server notices, and computes no more of them.
function stopWriting() {
  state.writing?.abort();
}

function setText(value) {
  stopWriting();
  text.value = value;
  text.setSelectionRange(value.length, value.length);
  text.scrollTop = text.scrollHeight;
  changed();
}

// Next words

function percent(share) {
  if (share >= 0.0995) return `${(100 * share).toFixed(0)} %`;
  return share >= 0.00995 ? `${(100 * share).toFixed(1)} %` : `${(100 * share).toPrecision(1)} %`;
}

async function showNext() {
  const line = lastLine();
  const body = { contexts: [line], k: NEXT_WORDS };
  try {
    const completes = isUnfinished(line);
    let [answer] = (await askLatest("next", "predict", completes ? { ...body, ...COMPLETE } : body)).answers;
    if (completes && !answer.predictions.length) [answer] = (await askLatest("next", "predict", body)).answers;
    if (state.writing) return;
    byId("next").replaceChildren(...answer.predictions.map((found) => bar(found, answer)));
    byId("status").textContent = answer.oov.length ? `Unknown to the model: ${answer.oov.join(" ")}` : "";
  } catch (error) {
    report(error);
  }
}

function bar({ word, prob }, answer) {
  const item = document.createElement("li");
  const button = document.createElement("button");
  button.type = "button";
  button.append(piece("word", word), piece("bar-of"), piece("share", percent(prob)));
  const drawn = piece("bar");
  drawn.style.width = `${100 * prob}%`;
  button.children[1].append(drawn);
  button.children[1].setAttribute("aria-hidden", "true");
  button.addEventListener("click", () => {
    const before = text.value.slice(0, text.value.length - lastLine().length);
    setText(before + withWord(answer.context, word, answer.prefix));
    text.focus();
  });
  item.append(button);
  return item;
}

function piece(name, content = "") {
  const found = document.createElement("span");
  found.className = name;
  found.textContent = content;
  return found;
}

// Surprisal

async function showSurprisal() {
  const lines = text.value.split("\n").filter((line) => line.trim());
  const shaded = byId("shaded");
  // Also if its alternatives are still on their way.
  underway.get("word")?.abort();
  byId("word").hidden = true;
  state.chosen = null;
  if (!lines.length) {
    underway.get("surprisal")?.abort();
    shaded.replaceChildren();
    byId("sum").textContent = "";
    return;
  }
  try {
    const { answers } = await askLatest("surprisal", "surprisal", { texts: lines.slice(-MOST_LINES), eos: false });
    shaded.replaceChildren(...answers.flatMap(shadedLine));
    const first = shaded.querySelector("button");
    if (first) first.tabIndex = 0;
    const words = answers.flatMap((answer) => answer.words);
    const known = words.filter((word) => !word.oov && word.bits !== null);
    const mean = known.reduce((sum, word) => sum + word.bits, 0) / known.length;
    const left = lines.length > MOST_LINES ? `, of the last ${MOST_LINES} lines` : "";
    byId("sum").textContent = known.length
      ? `${words.length} ${words.length === 1 ? "word" : "words"}${left}; the known ones have ${mean.toFixed(2)} bits on average.` : "";
  } catch (error) {
    report(error);
  }
}

function shadedLine({ text: line, words }) {
  // Places are counted in code points, which are not JavaScript's units.
  const characters = Array.from(line);
  const parts = [];
  let done = 0;
  for (const word of words) {
    if (word.start > done) parts.push(characters.slice(done, word.start).join(""));
    done = Math.max(done, word.end);
    if (word.end > word.start) parts.push(shadedWord(word, characters.slice(0, word.start).join("")));
  }
  return [...parts, characters.slice(done).join(""), document.createElement("br")];
}

function shadedWord(word, context) {
  const button = document.createElement("button");
  const shade = word.bits === null ? SHADE_ABOVE_BITS.length : SHADE_ABOVE_BITS.filter((bits) => word.bits >= bits).length;
  button.type = "button";
  button.tabIndex = -1;
  button.className = `s${shade}${word.oov ? " oov" : ""}`;
  button.textContent = word.word;
  button.setAttribute("aria-pressed", "false");
  const show = () => showWord(button, word, context);
  button.addEventListener("mouseenter", show);
  button.addEventListener("focus", show);
  return button;
}

async function showWord(button, word, context) {
  if (state.chosen === button) return;
  state.chosen?.setAttribute("aria-pressed", "false");
  state.chosen = button;
  button.setAttribute("aria-pressed", "true");
  const bits = word.bits === null ? "probability 0" : `${word.bits.toFixed(1)} bits`;
  const shown = byId("word");
  const head = document.createElement("p");
  const name = document.createElement("strong");
  name.textContent = word.word;
  head.append(name, `: ${bits}${word.oov ? ", unknown to the model" : ""}`);
  try {
    const { answers } = await askLatest("word", "predict", { contexts: [context], k: ALTERNATIVES });
    const rest = document.createElement("p");
    rest.className = "alternatives";
    const list = answers[0].predictions.map((found) => `${found.word} ${percent(found.prob)}`);
    rest.textContent = `Most probable here: ${list.join(" · ")}`;
    shown.replaceChildren(head, rest);
    shown.hidden = false;
  } catch (error) {
    report(error);
  }
}

// The words are one stop of the tab key; arrow keys move between them.
byId("shaded").addEventListener("keydown", (event) => {
  const words = [...byId("shaded").querySelectorAll("button")];
  const here = words.indexOf(document.activeElement);
  const steps = { ArrowRight: here + 1, ArrowDown: here + 1, ArrowLeft: here - 1, ArrowUp: here - 1, Home: 0, End: words.length - 1 };
  const there = words[steps[event.key]];
  if (here < 0 || !there) return;
  event.preventDefault();
  words[here].tabIndex = -1;
  there.tabIndex = 0;
  there.focus();
});

// Start

const timers = new Map();

function soon(task, milliseconds) {
  clearTimeout(timers.get(task));
  timers.set(task, setTimeout(task, milliseconds));
}

function changed() {
  soon(showNext, TYPING_MS);
  soon(showSurprisal, READING_MS);
}

// An input method reports the characters that it tries; only those that it decides for count.
text.addEventListener("input", (event) => event.isComposing || changed());
text.addEventListener("compositionend", changed);

byId("login").addEventListener("submit", (event) => {
  event.preventDefault();
  state.token = byId("token").value.trim();
  byId("login").hidden = true;
  byId("status").textContent = "";
  setText(textOfLink() || text.value);
  text.focus();
});

// A link may bring a text: /#text=the%20cat
function textOfLink() {
  return new URLSearchParams(location.hash.slice(1)).get("text") ?? "";
}

async function begin() {
  try {
    const health = await (await fetch("healthz")).json();
    state.segmenter = health.segmenter;
    showModel(health);
    if (health.fills_gaps) {
      text.disabled = true;
      for (const each of document.querySelectorAll("main section ~ section")) each.hidden = true;
      byId("status").textContent =
        "This model fills gaps, so it has no next word. Programs ask it at v1/fill; the reference has an example.";
      return;
    }
    if (health.needs_token) {
      askForToken();
      return;
    }
  } catch (error) {
    report(error);
  }
  setText(textOfLink() || text.value);
}

begin();
