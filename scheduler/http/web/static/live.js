/* Live pages: one stream of news for the page; whatever shows live parts is told that something changed. */
"use strict";
(() => {
  const CHANGED = "kwhen:changed";
  const told = document.querySelector("[data-live]");
  const say = (text, tone) => {
    if (told && told.textContent !== text) { told.textContent = text; told.dataset.tone = tone; }
  };
  const changed = (detail) => document.body.dispatchEvent(new CustomEvent(CHANGED, { detail }));

  if (told && window.EventSource) {
    let lost = false;
    const stream = new EventSource(told.dataset.live);
    stream.onopen = () => {
      say("Live", "good");
      if (lost) changed({ what: "reconnected" });
      lost = false;
    };
    stream.onmessage = (message) => changed(JSON.parse(message.data));
    stream.onerror = () => { lost = true; say("Not connected: what you see may be old.", "warn"); };
    window.addEventListener("pagehide", () => stream.close());
    window.addEventListener("pageshow", (event) => { if (event.persisted) window.location.reload(); });
  }
  setInterval(() => { if (!document.hidden) changed({ what: "time" }); }, 60000);

  /* Requests of htmx that change something carry the token that forms have in a field. */
  document.addEventListener("htmx:config:request", (event) => {
    const token = document.querySelector('meta[name="csrf"]');
    const request = event.detail.ctx && event.detail.ctx.request;
    if (token && request && request.headers) request.headers["X-CSRF-Token"] = token.content;
  });
})();
