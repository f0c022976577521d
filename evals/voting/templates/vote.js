
(() => {
  const keyed = (key) => document.querySelector(`button[data-key="${key}"]:enabled`);
  const pictures = [...document.querySelectorAll(".look")];
  const dialog = document.getElementById("full");
  let shown = 0, sent = false;

  function look(n) {
    shown = (n + pictures.length) % pictures.length;
    const { full, name } = pictures[shown].dataset;
    document.getElementById("full-name").textContent = name;
    const image = dialog.querySelector("img");
    image.src = full;
    image.alt = name;
    if (!dialog.open) dialog.showModal();
  }

  if (dialog) {
    pictures.forEach((button, n) => button.addEventListener("click", () => look(n)));
    dialog.querySelector("img").addEventListener("click", () => dialog.querySelector(".large").classList.toggle("zoomed"));
    document.getElementById("close").addEventListener("click", () => dialog.close());
    document.getElementById("answers").addEventListener("submit", (event) => {
      // What was not seen is not judged: the second half of a double click finds the next pair, and a picture that did
      // not come has no width and is asked for again.
      const images = pictures.map((one) => one.firstElementChild);
      const seen = performance.now() > 500 && images.every((one) => one.complete && one.naturalWidth);
      if (sent || !seen) event.preventDefault();
      if (images.some((one) => one.complete && !one.naturalWidth)) location.reload();
      sent ||= seen;
    });
    window.addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
  }

  document.addEventListener("keydown", (event) => {
    if (event.repeat || event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input")) return;
    const key = event.key.toLowerCase();
    if (dialog && dialog.open) {
      if (key === "arrowleft" || key === "arrowright") look(shown + (key === "arrowleft" ? -1 : 1));
      else if (key === "f") dialog.close();
      else return;
      event.preventDefault();
      return;
    }
    if (dialog && key === "f") { look(pictures.length - 2); return; }
    const button = keyed({ arrowleft: "a", arrowright: "b" }[key] || key);
    if (!button) return;
    event.preventDefault();
    button.click();
  });
})();
