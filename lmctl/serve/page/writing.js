// Writing on: the server sends words as they come, and they are shown at once.
"use strict";

/** The data of server-sent events; an event `error` is thrown, and so is an end without `[DONE]`. */
async function* eventsOf(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) throw new Refused("end", "The server has ended before the last word.");
    const blocks = (rest + value).split("\n\n");
    // An event may come in several parts.
    rest = blocks.pop();
    for (const block of blocks) {
      const lines = block.split("\n");
      const data = lines.at(-1).slice("data: ".length);
      if (lines[0] === "event: error") throw new Refused("event", JSON.parse(data).error);
      if (data === "[DONE]") return;
      yield JSON.parse(data);
    }
  }
}

/** Put a piece into the text. A caret at the end stays there, and another one where it is. */
function insert(content, start, end) {
  const follows = text.selectionStart === text.value.length;
  text.setRangeText(content, start, end, "preserve");
  if (!follows) return;
  text.setSelectionRange(text.value.length, text.value.length);
  text.scrollTop = text.scrollHeight;
}

const written = byId("written");
const counted = (words) => `${words} ${words === 1 ? "word" : "words"}`;

async function writeOn() {
  const before = text.value;
  const line = lastLine();
  const { signal } = (state.writing = new AbortController());
  const asked = { prompts: [line], words: byId("words").valueAsNumber, temperature: byId("temperature").valueAsNumber };
  let hasBegun = false;
  let words = 0;
  showWriting(true);
  try {
    const response = await post("generate", { ...asked, tokens: state.segmenter === "space", stream: true }, signal);
    for await (const told of eventsOf(response)) {
      // What has come after the stop is not shown: the text may be another one.
      signal.throwIfAborted();
      showModel(told);
      if (told.answers) continue;
      if (hasBegun) {
        insert(told.piece, text.value.length, text.value.length);
        if (told.piece.trim()) words += 1;
      } else {
        // The first piece is the line itself, as the model writes it.
        hasBegun = true;
        state.before.push(before);
        byId("undo").disabled = false;
        insert(told.piece, before.length - line.length, before.length);
      }
    }
    written.textContent = `${counted(words)} added.`;
  } catch (error) {
    if (signal.aborted) written.textContent = `Stopped after ${counted(words)}.`;
    else {
      // Not where the next words are reported: they come now.
      report(error, written);
      written.classList.add("error");
    }
  } finally {
    state.writing = null;
    showWriting(false);
    if (hasBegun) changed();
  }
}

function showWriting(isWriting) {
  const [write, stop] = [byId("write"), byId("stop")];
  if (isWriting) {
    // These words belong to the text as it was.
    byId("next").replaceChildren();
    byId("status").textContent = "";
    written.textContent = "Writing…";
    written.classList.remove("error");
    write.setAttribute("aria-busy", "true");
  } else {
    // A disabled button would lose the focus.
    if (document.activeElement === stop) write.focus();
    write.removeAttribute("aria-busy");
  }
  stop.disabled = !isWriting;
}

byId("more").addEventListener("submit", (event) => {
  event.preventDefault();
  if (!state.writing) writeOn();
});

byId("stop").addEventListener("click", stopWriting);

document.addEventListener("keydown", (event) => {
  // An input method has its own use for this key.
  if (event.key === "Escape" && !event.isComposing) stopWriting();
});

// Who types goes on alone.
text.addEventListener("beforeinput", stopWriting);
text.addEventListener("compositionstart", stopWriting);

byId("undo").addEventListener("click", () => {
  setText(state.before.pop());
  byId("undo").disabled = !state.before.length;
  if (!state.before.length) text.focus();
});
