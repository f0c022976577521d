// Opens a picture in a dialog: a click or Enter on its link opens it, arrows go to its neighbours, Escape closes.
(() => {
  const dialog = document.getElementById("viewer");
  const part = name => dialog.querySelector("." + name);
  let links = [], at = 0;

  function show(place) {
    at = (place + links.length) % links.length;
    const link = links[at];
    const frame = link.querySelector(".frame").cloneNode(true);
    const picture = frame.querySelector("img");
    picture.loading = "eager";
    frame.style.setProperty("--ratio", picture.getAttribute("width") / picture.getAttribute("height"));
    part("stage").replaceChildren(frame);
    document.getElementById("viewer-title").textContent = picture.alt;
    const caption = link.closest("figure").querySelector("figcaption");
    part("caption").replaceChildren(...(caption ? caption.cloneNode(true).childNodes : []));
    part("count").textContent = `${at + 1} of ${links.length}`;
    part("previous").disabled = part("next").disabled = links.length < 2;
    if (picture.src !== link.href) {
      // The larger copy lies beside the page; a page that travels alone keeps the picture that is inside it.
      const larger = new Image();
      larger.onload = () => { picture.src = larger.src; };
      larger.src = link.href;
    }
  }

  document.addEventListener("click", event => {
    const link = event.target.closest("a.open-picture");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    links = [...link.closest(".exhibit").querySelectorAll("a.open-picture")];
    show(links.indexOf(link));
    dialog.showModal();
  });
  dialog.addEventListener("click", event => {
    if (event.target === dialog || event.target.closest(".close")) dialog.close();
    if (event.target.closest(".previous")) show(at - 1);
    if (event.target.closest(".next")) show(at + 1);
  });
  dialog.addEventListener("keydown", event => {
    if (event.key === "ArrowLeft") show(at - 1);
    if (event.key === "ArrowRight") show(at + 1);
  });

  // What an address names may lie behind a fold.
  function unfold() {
    let inside = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    const target = inside;
    for (; inside; inside = inside.parentElement) if (inside.tagName === "DETAILS") inside.open = true;
    if (target) target.scrollIntoView();
  }
  addEventListener("hashchange", unfold);
  addEventListener("DOMContentLoaded", unfold);
})();
