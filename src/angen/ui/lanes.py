"""The lanes on the page: how they look, and what mouse and keys do to them in the browser.

The browser draws nothing itself: the server gives the lanes as HTML (`arrange.lanes_html`), and is told of a press, a
drag or a click as one small record. Presses wait for each other, so that none is lost and each meets the state it was
meant for; after each the focus is where it was.
"""

from __future__ import annotations

from typing import Any

import gradio as gr

__all__ = ["lanes_component"]

_CSS = """
.lanes-scroll { overflow-x: auto; border: 1px solid var(--border-color-primary); border-radius: 4px; }
.lanes-scroll:focus-visible { outline: 2px solid #1f7a5c; }
.lane { display: flex; align-items: stretch; border-top: 1px solid var(--border-color-primary); }
.lane.ruler { border-top: 0; font-size: .75rem; }
.lane-name { position: sticky; left: 0; z-index: 3; flex: 0 0 7rem; padding: .35rem .5rem; overflow: hidden;
  text-overflow: ellipsis; overflow-wrap: anywhere; font-size: .85rem; background: var(--block-background-fill);
  border-right: 1px solid var(--border-color-primary); color: var(--body-text-color); }
.lane-state { display: block; font-size: .75rem; }
.lane-clips { position: relative; flex: 1 1 auto; height: 3.6rem; background: var(--background-fill-secondary); }
.ruler .lane-clips { height: 1.6rem; }
.ruler span { position: absolute; top: .3rem; padding-left: .2rem; border-left: 1px solid var(--border-color-primary);
  color: var(--body-text-color); }
.clip { position: absolute; top: 3px; bottom: 3px; min-width: 10px; padding: 0; overflow: hidden; cursor: grab;
  border: 1px solid #1f7a5c; border-radius: 4px; touch-action: pan-x;
  background: color-mix(in srgb, #1f7a5c 22%, var(--block-background-fill)); }
.clip svg { position: absolute; inset: 0; width: 100%; height: 100%; fill: #1f7a5c; opacity: .55;
  pointer-events: none; }
.clip:focus-visible { outline: 3px solid #b45309; outline-offset: 1px; z-index: 2; }
.clip.chosen { border-width: 3px; border-color: #b45309; }
.clip-name { position: absolute; left: .3rem; top: .1rem; font-size: .75rem; white-space: nowrap;
  pointer-events: none; color: var(--body-text-color); }
.fade { position: absolute; top: 0; bottom: 0; background: rgba(120, 120, 120, .45); pointer-events: none; }
.fade.in { left: 0; clip-path: polygon(0 0, 100% 0, 0 100%); }
.fade.out { right: 0; clip-path: polygon(0 0, 100% 0, 100% 100%); }
.missing { position: absolute; left: .3rem; bottom: .1rem; font-size: .75rem; color: #7a1610; }
.silent .clip { opacity: .45; }
@media (max-width: 480px) { .lane-name { flex-basis: 4.6rem; font-size: .75rem; } }
"""
_JS = """
const waiting = []; let busy = false, focused = '', timer = 0;
const send = () => {
  if (busy || !waiting.length) return;
  busy = true;
  clearTimeout(timer);
  timer = setTimeout(() => { busy = false; send(); }, 1500);
  trigger('select', waiting.shift());
};
const push = (record) => { if (waiting.length < 32) waiting.push(record); send(); };
watch('value', () => {
  busy = false;
  const again = focused && element.querySelector('[data-clip="' + focused + '"]');
  if (again && (document.activeElement === document.body || element.contains(document.activeElement)))
    again.focus({ preventScroll: true });
  send();
});
const known = ['ArrowLeft', 'ArrowRight', 'ArrowUp', 'ArrowDown', ',', '.', '[', ']', '{', '}', 'd', 'D', 'f', 'F',
  'g', 'G', 'Delete', 'Backspace'];
element.addEventListener('focusin', (event) => {
  const clip = event.target.closest('[data-clip]');
  if (clip) focused = clip.dataset.clip;
});
element.addEventListener('keydown', (event) => {
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === 'z') {
    event.preventDefault();
    push({ clip: focused, key: event.shiftKey ? 'redo' : 'undo', shift: false });
    return;
  }
  const clip = event.target.closest('[data-clip]');
  if (!clip || event.ctrlKey || event.metaKey || event.altKey || !known.includes(event.key)) return;
  event.preventDefault();
  push({ clip: clip.dataset.clip, key: event.key, shift: event.shiftKey });
});
let drag = null;
element.addEventListener('pointerdown', (event) => {
  const clip = event.target.closest('[data-clip]');
  if (!clip || event.button !== 0 || event.pointerType === 'touch') return;
  drag = { clip, x: event.clientX, y: event.clientY, moved: false };
  clip.setPointerCapture(event.pointerId);
});
element.addEventListener('pointermove', (event) => {
  if (!drag) return;
  const dx = event.clientX - drag.x, dy = event.clientY - drag.y;
  if (Math.abs(dx) + Math.abs(dy) > 4) drag.moved = true;
  if (drag.moved) drag.clip.style.transform = 'translate(' + dx + 'px,' + dy + 'px)';
});
element.addEventListener('pointerup', (event) => {
  if (!drag) return;
  const { clip, x, moved } = drag;
  drag = null;
  if (!moved) return;
  clip.style.transform = ''; clip.style.pointerEvents = 'none';
  const under = document.elementFromPoint(event.clientX, event.clientY);
  clip.style.pointerEvents = '';
  const lane = under && under.closest('[data-track]');
  const body = clip.closest('.lane-clips');
  const seconds = parseFloat(element.querySelector('.lanes').dataset.seconds);
  const by = (event.clientX - x) / body.clientWidth * seconds;
  push({ clip: clip.dataset.clip, key: 'drag', by, track: lane ? lane.dataset.track : null });
});
element.addEventListener('click', (event) => {
  const clip = event.target.closest('[data-clip]');
  if (!clip) return;
  focused = clip.dataset.clip;
  clip.focus();
  if (!clip.classList.contains('chosen')) push({ clip: clip.dataset.clip, key: 'choose', shift: false });
});
"""


def lanes_component(**options: Any) -> gr.HTML:
    """The place of the lanes; its `select` event carries `clip`, `key`, `shift`, and `by` and `track` of a drag."""
    return gr.HTML("", css_template=_CSS, js_on_load=_JS, label="Lanes", **options)
