/* The little the shell itself needs: htmx carries the CSRF token, "/" goes to the search, auto-submit selects. */
(function () {
  "use strict";

  function csrf() {
    const field = document.querySelector("[name=csrfmiddlewaretoken]");
    if (field) return field.value;
    const match = document.cookie.match(/(?:^|; )csrftoken=([^;]*)/);
    return match ? decodeURIComponent(match[1]) : "";
  }

  document.addEventListener("htmx:configRequest", function (event) {
    if (event.detail.verb !== "get") event.detail.headers["X-CSRFToken"] = csrf();
  });

  document.addEventListener("change", function (event) {
    const field = event.target.closest("[data-autosubmit]");
    if (field && field.form) field.form.requestSubmit();
  });

  document.addEventListener("keydown", function (event) {
    if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest("input, textarea, select, [contenteditable]")) return;
    const search = document.querySelector("[data-search]");
    if (search) { event.preventDefault(); search.focus(); }
  });

  /* A chart wider than the screen shows its newest end first. */
  function newest(root) {
    root.querySelectorAll(".d-figure__scroll").forEach(function (box) { box.scrollLeft = box.scrollWidth; });
  }
  newest(document);
  window.addEventListener("load", function () { newest(document); });
  document.addEventListener("htmx:afterSettle", function (event) { newest(event.target); });

  /* Unfold writes the chosen file's name into a text box of its own; our plain file fields have none and show it
     themselves. Unfold starts at "load", after this deferred script. */
  document.querySelectorAll(".d-page input[type=file]").forEach(function (field) { field.hasChangeListener = true; });

  /* Groups of the menu stay as this person left them; the one with the present page is open in any case. */
  document.querySelectorAll("[data-menu-group]").forEach(function (group) {
    const key = "menu-" + group.dataset.menuGroup;
    if (localStorage.getItem(key) === "open") group.open = true;
    group.addEventListener("toggle", function () { localStorage.setItem(key, group.open ? "open" : "closed"); });
  });

  /* Lazy tabs (links without JavaScript): the chosen one is marked when its panel arrives. */
  document.addEventListener("htmx:afterSwap", function (event) {
    const from = event.detail.requestConfig && event.detail.requestConfig.elt;
    const tabs = from && from.closest && from.closest("[data-tabs]");
    if (!tabs) return;
    tabs.querySelectorAll("a").forEach(function (tab) {
      if (tab === from) tab.setAttribute("aria-current", "page");
      else tab.removeAttribute("aria-current");
    });
  });
})();
