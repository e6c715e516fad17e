/* The collector's keyboard: one key per act, focus that moves on. Everything here only presses visible controls. */
(function () {
  "use strict";

  const root = document.getElementById("wl");
  if (!root) return;
  const help = document.getElementById("wl-help");
  let lastKeyed = null;
  /* Keys typed while an answer is on its way wait for the new customer: fast hands lose nothing. */
  let busySince = 0;
  let waiting = [];

  function busy() { return busySince && Date.now() - busySince < 5000; }
  function release() {
    busySince = 0;
    const keys = waiting;
    waiting = [];
    keys.slice(0, 1).forEach(command);
  }

  function form() { return document.getElementById("wl-act"); }
  function panel() { return document.getElementById("wl-customer"); }
  function rows() { return Array.from(document.querySelectorAll("#wl-list a[data-row]")).filter((row) => row.offsetParent !== null); }

  function mark(account) {
    document.querySelectorAll("#wl-list .wl-row").forEach(function (item) {
      const link = item.querySelector("a");
      const here = link.dataset.row === account;
      item.classList.toggle("is-current", here);
      if (here) link.setAttribute("aria-current", "true"); else link.removeAttribute("aria-current");
    });
    const current = document.querySelector("#wl-list .is-current");
    if (current && window.matchMedia("(min-width: 900px)").matches) current.scrollIntoView({ block: "nearest" });
  }

  function step(by) {
    const list = rows();
    if (!list.length) return;
    const at = list.findIndex((row) => row.getAttribute("aria-current") === "true");
    const next = list[at < 0 ? 0 : Math.min(Math.max(at + by, 0), list.length - 1)];
    if (next) next.click();
  }

  function close() {
    const box = document.getElementById("wl-form");
    if (box) box.replaceChildren();
    const back = lastKeyed && document.querySelector('[data-key="' + lastKeyed + '"]');
    (back || panel() || root).focus();
  }

  /* The amount follows the ticked invoices until somebody types one. */
  function follow() {
    const field = document.querySelector("[data-follows-items]");
    if (!field || field.dataset.typed) return;
    const ticks = Array.from(document.querySelectorAll(".wl-tick:checked"));
    const minor = ticks.reduce((sum, tick) => sum + Number(tick.dataset.asked), 0);
    field.value = (minor / Math.pow(10, Number(field.dataset.exponent || 2))).toFixed(Number(field.dataset.exponent || 2)).replace(".", field.dataset.point || ".");
  }

  /* True when the key means something here. */
  function command(key) {
    if (key === "j" || key === "arrowdown") { step(1); return true; }
    if (key === "k" || key === "arrowup") { step(-1); return true; }
    const control = document.querySelector('[data-key="' + CSS.escape(key) + '"]');
    if (!control || control.disabled) return false;
    lastKeyed = key;
    control.click();
    return true;
  }

  document.addEventListener("keydown", function (event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (help.open) return;
    const target = event.target;
    const inForm = form() && form().contains(target);
    if (busy() && (!inForm || form().classList.contains("htmx-request"))) {
      if (event.key.length === 1) { event.preventDefault(); waiting.push(event.key.toLowerCase()); }
      else if (event.key === "Enter") event.preventDefault();
      return;
    }
    if (event.key === "Escape" && form()) { event.preventDefault(); close(); return; }
    if (inForm && target.tagName === "TEXTAREA" && event.key === "Enter" && !event.shiftKey) {
      event.preventDefault(); form().requestSubmit(); return;
    }
    if (inForm && target.tagName === "SELECT" && event.key === "Enter") { event.preventDefault(); form().requestSubmit(); return; }
    if (inForm && target.type === "radio") {
      if (event.key === "Enter") { event.preventDefault(); form().requestSubmit(); return; }
      const radios = form().querySelectorAll("input[type=radio]");
      const pick = radios[Number(event.key) - 1];
      if (pick) { event.preventDefault(); pick.checked = true; pick.focus(); return; }
    }
    if (target.closest("input:not([type=checkbox]):not([type=radio]), textarea, select, [contenteditable]")) return;
    if (event.key === "Enter") {
      if (target.closest("a, button, summary, input")) return;
      event.preventDefault();
      if (form()) form().requestSubmit(); else step(1);
      return;
    }
    if (command(event.key.toLowerCase())) event.preventDefault();
  });

  document.addEventListener("click", function (event) {
    const keyed = event.target.closest("[data-key]");
    if (keyed) lastKeyed = keyed.dataset.key;
    if (event.target.closest("[data-close]")) { close(); return; }
    const opener = event.target.closest("[data-opens]");
    if (opener) document.getElementById(opener.dataset.opens).showModal();
    if (event.target.closest("#wl-list a[data-row]") && window.matchMedia("(max-width: 899.98px)").matches) {
      document.getElementById("wl-side").open = false;
    }
  });

  document.addEventListener("input", function (event) {
    if (event.target.matches("[data-follows-items]")) event.target.dataset.typed = "1";
  });
  document.addEventListener("change", function (event) {
    if (!event.target.matches(".wl-tick")) return;
    follow();
    /* A letter already on screen is about the ticked invoices: write it anew. */
    const level = document.querySelector("#wl-act[data-verb=email] [name=level]");
    if (level) level.dispatchEvent(new Event("change", { bubbles: true }));
  });

  document.addEventListener("htmx:beforeRequest", function (event) {
    const where = event.detail.target;
    if (where && (where.id === "wl-panel" || where.id === "wl-form")) busySince = Date.now();
  });
  document.addEventListener("htmx:afterRequest", function (event) {
    if (!event.detail.successful || (event.detail.xhr.getResponseHeader("HX-Reswap") || "") === "none") release();
  });
  document.addEventListener("htmx:afterSwap", function (event) {
    const where = event.detail.target;
    if (!where) return;
    if (where.id === "wl-form") {
      const wrong = where.querySelector("[aria-invalid=true]");
      const first = wrong || where.querySelector("input:checked") || where.querySelector("[autofocus], input:not([type=hidden]), select, textarea");
      if (first) first.focus({ preventScroll: false });
    } else if (where.id === "wl-panel") {
      const shown = panel();
      if (!shown) return;
      mark(shown.dataset.account || "");
      shown.focus({ preventScroll: true });
      if (shown.getBoundingClientRect().top < 0) shown.scrollIntoView({ block: "start" });
    }
  });

  document.addEventListener("htmx:afterSettle", function (event) {
    const where = event.detail.target;
    if (where && (where.id === "wl-panel" || where.id === "wl-form")) window.setTimeout(release, 0);
    const toast = document.getElementById("wl-toast");
    if (toast && toast.textContent.trim()) {
      const copy = toast.cloneNode(true);
      copy.classList.add("is-shown");
      toast.replaceWith(copy);
      window.setTimeout(function () { copy.classList.remove("is-shown"); copy.textContent = ""; }, 4500);
    }
  });

  document.addEventListener("htmx:responseError", function (event) {
    const live = document.getElementById("wl-live");
    if (live) live.textContent = event.detail.xhr.status + " " + event.detail.xhr.statusText;
  });

  if (window.matchMedia("(max-width: 899.98px)").matches) document.getElementById("wl-side")?.removeAttribute("open");
})();
