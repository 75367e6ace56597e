"""How the page looks: one calm theme, light and dark, without a font or picture from elsewhere."""

from __future__ import annotations

import gradio as gr

__all__ = ["CSS", "HEAD", "theme"]

_SANS = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "Noto Sans", "sans-serif"]
_MONO = ["ui-monospace", "Cascadia Mono", "DejaVu Sans Mono", "monospace"]

_GREEN = gr.themes.Color(
    c50="#edf7f3", c100="#d5ece2", c200="#aedac8", c300="#7fc2a8", c400="#4aa685", c500="#17805e", c600="#12704f",
    c700="#125c43", c800="#114936", c900="#0f3c2e", c950="#08231b", name="angen-green",
)  # fmt: skip

HEAD = """
<meta name="description" content="Angen studio">
<meta name="referrer" content="no-referrer">
<link rel="icon" href="data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Cpath
 d='M3 10v3M6.5 6v7M10 3v10M13.5 8v5' stroke='%2312704f' stroke-width='2.2' stroke-linecap='round'/%3E%3C/svg%3E">
<script>
// The address as it was when the page began, before any tab was drawn.
window.angenStart = Object.fromEntries(
  ["tab", "job"].map((name) => [name, new URLSearchParams(location.search).get(name) || ""]));
// What the browser remembers under a key, in its place among the inputs of a handler.
window.angenRecall = (values, place, key) => {
  const kept = localStorage.getItem(key);
  if (kept !== null) values[place] = kept;
  return values;
};
// A form that a reload leaves as it was set: by the ids of its components. Nothing is kept before it was refilled,
// for components say that they changed when they are drawn.
const angenRefilled = new Set();
window.angenRefill = (key, ids, values) => {
  angenRefilled.add(key);
  try {
    const kept = JSON.parse(localStorage.getItem(key) || "{}");
    return values.map((value, place) => (ids[place] in kept ? kept[ids[place]] : value));
  } catch {
    return values;
  }
};
window.angenKeep = (key, ids, values) => {
  if (!angenRefilled.has(key)) return;
  localStorage.setItem(key, JSON.stringify(Object.fromEntries(ids.map((id, place) => [id, values[place]]))));
};
const angenTab = (id) => document.querySelector(`[role=tab][data-tab-id="${id}"]`);
const angenIsChosen = (id) => angenTab(id)?.getAttribute("aria-selected") === "true";
const angenPause = (ms) => new Promise((done) => setTimeout(done, ms));
// Opens tabs by their ids, outer first. A tab is there only after the one around it is, and a group that was just
// drawn goes back to its first tab once: so it is looked at until it stays, or until somebody presses a button.
let angenPresses = 0, angenPressed = Date.now();
for (const kind of ["pointerdown", "keydown"]) {
  addEventListener(kind, (event) => {
    angenPressed = Date.now();
    const acts = kind === "pointerdown" || event.key === "Enter" || event.key === " ";
    if (acts && event.target.closest?.("button, [role=tab]")) angenPresses++;
  }, true);
}
window.angenOpen = async (path) => {
  const presses = angenPresses;
  for (let tries = 0, calm = 0; tries < 600 && calm < 6 && presses === angenPresses; tries++) {
    const wrong = path.find((id) => !angenIsChosen(id));
    calm = wrong === undefined ? calm + 1 : 0;
    if (wrong !== undefined) angenTab(wrong)?.click();
    await angenPause(50);
  }
  window.angenIsOpen = true;
  if (presses === angenPresses) window.angenRemember(path[path.length - 1]);
};
// The hearts of the page: of each tab that is open, once a second while the window is seen; every fourth second while
// nothing runs and nobody has pressed anything for a while. They are fields that are written to, not buttons that are
// pressed: a press, even an unseen one, closes the cell of a table that somebody is typing into.
let angenSeconds = 0, angenBeats = 0;
setInterval(() => {
  const calm = Date.now() - angenPressed > 10_000 && document.querySelector(".strip [data-idle]");
  if (document.hidden || (angenSeconds++ % 4 && calm)) return;
  for (const heart of document.querySelectorAll(".heart textarea")) {
    if (heart.closest(".column").offsetParent === null) continue;
    heart.value = ++angenBeats;
    heart.dispatchEvent(new Event("input", { bubbles: true }));
  }
}, 1000);
// Keeps the open tab in the address, so that a reload opens it again.
window.angenRemember = async (name) => {
  await angenPause(100);
  if (!window.angenIsOpen || !angenIsChosen(name)) return;
  const address = new URL(location);
  address.searchParams.set("tab", name);
  history.replaceState(null, "", address);
};
</script>
"""

CSS = """
.note:not(:has(p)),
.state:not(:has(p)):not(:has(table)):not(:has(dl)),
.job-status:not(:has(p)), .cuts-place:not(:has(figure)) { display: none; }
.masthead h1 { font-size: 1.25rem; margin: 0; letter-spacing: .01em; }
.masthead h1 span { font-weight: 400; opacity: .75; }
.strip p { margin: 0; font-size: .9rem; color: var(--body-text-color-subdued); }
.note { padding: 0 !important; min-height: 0; }
.note p { margin: .25rem 0; padding: .5rem .75rem; border-left: 4px solid; border-radius: 4px; }
.problem { border-color: #b42318 !important; background: #fef3f2; color: #7a1610 !important; }
.dark .problem { background: #35150f; color: #ffd9d2 !important; }
.problem .remedy { display: block; margin-top: .15rem; }
.told { border-color: #1f7a5c !important; background: #edf7f3; color: #12513c !important; }
.dark .told { background: #10302a; color: #c4eee0 !important; }
.job p { margin: 0 0 .25rem 0; overflow-wrap: anywhere; }
.job progress { width: 100%; height: .5rem; appearance: none; border: 0; border-radius: 4px; overflow: hidden;
  background: var(--border-color-primary); }
.job progress::-webkit-progress-bar { background: var(--border-color-primary); }
.job progress::-webkit-progress-value { background: #17805e; transition: width .4s; }
.job progress::-moz-progress-bar { background: #17805e; }
.wide { overflow-x: auto; }
.job .problem { padding: .5rem .75rem; border-left: 4px solid; border-radius: 4px; }
.note, .state, .job-status, .masthead, .strip, .cuts-place { padding: 0 !important; }
.note p { white-space: pre-line; }
.unsaved { margin: 0; color: #8a5300; }
.dark .unsaved { color: #f4c775; }
.facts { display: flex; flex-wrap: wrap; gap: .25rem 2rem; margin: .25rem 0; }
.facts dt { font-size: .8rem; color: var(--body-text-color-subdued); }
.facts dd { margin: 0; }
table.losses, table.verdicts { border-collapse: collapse; font-size: .85rem; width: 100%; }
table.losses th, table.losses td { text-align: right; padding: .15rem .6rem; }
table.verdicts th, table.verdicts td { text-align: left; vertical-align: top; padding: .3rem .6rem; }
.level { font-weight: 600; }
.level.alarm { color: #b42318; }
.dark .level.alarm { color: #ff9c8c; }
.prose table.losses, .prose table.verdicts { margin: 0; border: 0; }
table.losses caption, table.verdicts caption { text-align: left; padding: .25rem 0; caption-side: top; }
.prose table.losses th, .prose table.losses td, .prose table.verdicts th, .prose table.verdicts td {
  border: 0; border-bottom: 1px solid var(--border-color-primary); }
.dark button[role=tab].selected { color: #58c79f; }
.cuts { margin: 0; }
.cuts svg { width: 100%; height: 80px; display: block; }
.cuts path { stroke: var(--body-text-color-subdued); stroke-width: 1.2; fill: none; vector-effect: non-scaling-stroke; }
.cuts line { stroke: #b42318; stroke-width: 2; vector-effect: non-scaling-stroke; }
.dark .cuts line { stroke: #ff8f7e; }
.cuts figcaption { font-size: .85rem; overflow-wrap: anywhere; }
.empty { color: var(--body-text-color-subdued); margin: .25rem 0; max-width: 46rem; }
/* Rows are recordings and columns what is known of them: nobody adds or deletes either in a table. */
.add-row-button, .body-cell .cell-menu-button,
.cell-menu button:is([aria-label*=" row"], [aria-label*=" column"]) { display: none !important; }
.log textarea { font-family: var(--font-mono); font-size: .8rem; }
"""


def theme() -> gr.themes.Base:
    """The theme; its accent has enough contrast on both grounds."""
    return gr.themes.Default(
        primary_hue=_GREEN, secondary_hue=_GREEN, neutral_hue=gr.themes.colors.slate,
        radius_size=gr.themes.sizes.radius_sm, font=_SANS, font_mono=_MONO,
    ).set(
        body_text_color_subdued="#475569", body_text_color_subdued_dark="#b3bfce", block_info_text_color="#475569",
        block_info_text_color_dark="#b3bfce", block_label_text_color="#334155", block_label_text_color_dark="#cbd5e1",
        block_title_text_color="#1e293b", block_title_text_color_dark="#e2e8f0",
        button_cancel_background_fill="#b42318", button_cancel_background_fill_hover="#8f1c13",
        button_cancel_text_color="#ffffff", button_cancel_background_fill_dark="#a32a1f",
        button_cancel_background_fill_hover_dark="#c0392b", button_cancel_text_color_dark="#ffffff",
        button_primary_background_fill="#17694d", button_primary_background_fill_hover="#12543e",
        button_primary_text_color="#ffffff", button_primary_background_fill_dark="#1d7d5d",
        button_primary_background_fill_hover_dark="#249470", button_primary_text_color_dark="#ffffff",
    )  # fmt: skip
