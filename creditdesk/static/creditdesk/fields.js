/* Every page, the admin's too: fields that search (select2) say the label of the field they stand for. */
(function () {
  "use strict";

  window.addEventListener("load", function () {
    // Made by other scripts on "load": ours comes after theirs.
    setTimeout(function () {
      document.querySelectorAll("select + .select2 .select2-selection").forEach(function (box) {
        const field = box.closest(".select2").previousElementSibling;
        const label = field.id && document.querySelector('label[for="' + field.id + '"]');
        if (!label) return;
        label.id = label.id || field.id + "-label";
        const shown = box.querySelector(".select2-selection__rendered");
        box.setAttribute("aria-labelledby", shown ? label.id + " " + shown.id : label.id);
        if (shown && shown.getAttribute("role") === "textbox") shown.setAttribute("aria-labelledby", label.id);
      });
    });
  });
})();
