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

  /* What is being fetched is said to be busy, to screen readers too. */
  document.addEventListener("htmx:beforeRequest", function (event) { event.detail.target.setAttribute("aria-busy", "true"); });
  document.addEventListener("htmx:afterRequest", function (event) { event.detail.target.removeAttribute("aria-busy"); });

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

  /* Tables that stand as lists on a phone (desk.css): cells carry the names of their columns. What is no table to the
     layout any more stays one to a screen reader. */
  function named(root) {
    root.querySelectorAll("table.d-table--cards:not(.is-named)").forEach(function (table) {
      const names = Array.from(table.querySelectorAll("thead th"), function (one) { return one.textContent.trim(); });
      table.setAttribute("role", "table");
      table.querySelectorAll("thead, tbody").forEach(function (part) { part.setAttribute("role", "rowgroup"); });
      table.querySelectorAll("tr").forEach(function (row) { row.setAttribute("role", "row"); });
      table.querySelectorAll("thead th").forEach(function (one) { one.setAttribute("role", "columnheader"); });
      table.querySelectorAll("tbody tr").forEach(function (row) {
        Array.from(row.cells).forEach(function (cell, place) {
          cell.setAttribute("role", cell.tagName === "TH" ? "rowheader" : "cell");
          if (!cell.textContent.trim()) cell.classList.add("is-void");
          else if (cell.tagName === "TD" && names[place]) cell.dataset.column = names[place];
        });
      });
      table.classList.add("is-named");
    });
  }
  named(document);
  document.addEventListener("htmx:afterSettle", function () { named(document); });

  /* The chosen tab of a row of tabs wider than the screen is in view. */
  document.querySelectorAll(".d-tabs [aria-current]").forEach(function (tab) {
    const row = tab.closest(".d-tabs");
    if (tab.offsetLeft + tab.offsetWidth > row.clientWidth) row.scrollLeft = tab.offsetLeft - row.clientWidth / 3;
  });

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
