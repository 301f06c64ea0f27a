"use strict";
// Tells whether the page still follows the hub. A picture of five minutes ago that
// looks alive would be worse than none, so a broken line is said above everything.
(function () {
  const stale = document.getElementById("stale");
  const fresh = document.getElementById("fresh");
  const dot = document.documentElement.lang === "id" ? "." : ":";
  let last = new Date();
  const clock = function (t) {
    return [t.getHours(), t.getMinutes(), t.getSeconds()].map(function (n) {
      return String(n).padStart(2, "0");
    }).join(dot);
  };
  document.addEventListener("htmx:afterRequest", function (event) {
    const ok = event.detail.successful;
    if (ok) {
      last = new Date();
      fresh.querySelector("time").textContent = clock(last);
    }
    fresh.hidden = !ok;
    stale.hidden = ok;
    stale.querySelector("time").textContent = clock(last);
  });
})();
