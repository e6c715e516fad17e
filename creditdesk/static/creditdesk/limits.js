/* The approval inbox by keyboard: J K move, Enter opens; R reason, Ctrl Enter approves, M amends, N skips, X ticks a small rise. */
(function () {
  "use strict";

  function typing(target) {
    return target.closest("input, textarea, select, [contenteditable]");
  }

  function move(step) {
    const rows = Array.from(document.querySelectorAll("[data-row]"));
    if (!rows.length) return;
    const here = rows.indexOf(document.activeElement);
    const next = here < 0 ? 0 : Math.min(Math.max(here + step, 0), rows.length - 1);
    rows[next].focus();
  }

  document.addEventListener("keydown", function (event) {
    const approve = document.querySelector("[data-approve]");
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      const form = event.target.closest("[data-decision]");
      if (form && approve) { event.preventDefault(); form.requestSubmit(approve); }
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
    const key = event.key.toLowerCase();
    if (key === "j") move(1);
    else if (key === "k") move(-1);
    else if (key === "r") {
      const reason = document.querySelector("[data-reason]");
      if (reason) { event.preventDefault(); reason.focus(); }
    } else if (key === "m") {
      const amend = document.querySelector("[data-amend]");
      if (amend) { event.preventDefault(); amend.open = true; amend.querySelector("input:not([type=hidden])").focus(); }
    } else if (key === "x") {
      const row = document.activeElement.closest("tr");
      const tick = row && row.querySelector("[data-tick]");
      if (tick) tick.checked = !tick.checked;
    } else if (key === "n") {
      const next = document.querySelector("[data-next]");
      if (next) next.click();
    }
  });

  const all = document.querySelector("[data-tick-all]");
  if (all) all.addEventListener("click", function () {
    document.querySelectorAll("[data-tick]").forEach(function (tick) { tick.checked = true; });
  });

  const first = document.querySelector("[data-row]");
  if (first) first.focus();
})();
