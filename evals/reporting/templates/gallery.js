// Shows the prompts of the document in this page, a few at a time. All text goes in as text, never as markup.
(() => {
  const data = JSON.parse(document.getElementById("document").textContent);
  const MARKS = ["●", "■", "▲", "◆", "▼", "✚"], AT_A_TIME = 20, LEVELS = 64;
  const form = document.getElementById("filters"), fields = form.elements;
  const list = document.getElementById("prompts"), more = document.getElementById("more"), before = document.getElementById("before");
  let found = [], first = 0, shown = 0; // Of what was found, those from the first up to the shown stand in the list.

  function make(tag, attributes = {}, ...children) {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    node.append(...children.flat().filter(child => child !== null && child !== undefined));
    return node;
  }
  const option = (value, text) => make("option", { value }, text);
  const mark = place => make("span", { class: `mark system-${place % 6}`, "aria-hidden": "true" }, MARKS[place % 6]);

  // One prompt.

  function outlines(marks) {
    const space = "http://www.w3.org/2000/svg", svg = document.createElementNS(space, "svg");
    for (const [name, value] of [["viewBox", "0 0 1 1"], ["preserveAspectRatio", "none"], ["aria-hidden", "true"]]) svg.setAttribute(name, value);
    for (const [kind, points, label] of marks) {
      const outline = document.createElementNS(space, "polygon");
      outline.setAttribute("class", kind);
      outline.setAttribute("points", points.join(" "));
      if (label) outline.append(document.createElementNS(space, "title")), outline.firstChild.textContent = label;
      svg.append(outline);
    }
    return svg;
  }

  function image(picture, alt) {
    if (picture.absent) return make("div", { class: "absent" }, picture.absent);
    const { address, width, height } = picture;
    const img = make("img", { src: address, alt, width, height, loading: "lazy", decoding: "async" });
    const frame = make("span", { class: "frame" }, img, picture.marks ? outlines(picture.marks) : null);
    return make("a", { class: "open-picture", href: address }, frame);
  }

  const PIECES = { missing: "del", extra: "ins" };
  function reading(lines) {
    return make("ul", { class: "reading", "aria-label": "Text read in the image" }, lines.map(([pieces, exact]) => make("li", {},
      pieces.map(([kind, text]) => PIECES[kind] ? make(PIECES[kind], {}, text) : text),
      exact ? make("span", { role: "img", "aria-label": "read exactly" }, " ✓") : null)));
  }

  // A score is [title, value, kind]; of the kind, 1 says that a star is made of it, 2 that it is a reason.
  function scores(lines) {
    const listed = some => make("dl", { class: "scores" }, some.map(([title, value, kind]) => {
      const attributes = kind & 2 ? { class: "reason" } : {};
      return [make("dt", attributes, data.metrics[title]), make("dd", attributes, value)];
    }).flat());
    const first = lines.filter(line => line[2] & 1), rest = lines.filter(line => !(line[2] & 1));
    if (!first.length) return [listed(rest)];
    return [listed(first), rest.length ? make("details", { class: "other" }, make("summary", {}, `${rest.length} more`), listed(rest)) : null];
  }

  function figure(picture, alt) {
    return make("figure", { class: "picture" }, image(picture, alt), make("figcaption", {},
      picture.label ? make("span", { class: "label" }, picture.label) : null,
      picture.reading ? reading(picture.reading) : null,
      picture.scores ? scores(picture.scores) : null,
      picture.notes ? make("ul", { class: "notes" }, picture.notes.map(note => make("li", {}, note))) : null));
  }

  function column(made, place) {
    const system = data.systems[place], pictures = made.pictures || [], outcomes = made.outcomes || [];
    const nothing = !pictures.length && !outcomes.length ? ["no picture"] : outcomes;
    const size = pictures.length === 1 ? " one" : pictures.length > 2 ? " many" : "";
    const difference = made.difference;
    return make("div", { class: "column" },
      make("h3", { class: `system-${place % 6}` }, make("span", { class: "name" }, mark(place), system)),
      pictures.length ? make("div", { class: "pictures" + size }, pictures.map(one => figure(one, `Picture by ${system}` + (one.label ? `, ${one.label}` : "")))) : null,
      nothing.map(text => make("div", { class: "absent" }, text)),
      made.scores ? scores(made.scores) : null,
      difference ? make("figure", { class: "picture difference" }, image(difference, `Where they differ: ${difference.label}, by ${system}`),
        make("figcaption", {}, difference.label, make("span", { class: "heat", "aria-hidden": "true" }), `0 to ${LEVELS} levels of 255 or more`)) : null);
  }

  function card(prompt) {
    const id = `prompt-${prompt.number}`, chosen = fields.row.value, rows = data.rows.filter(row => prompt.rows && row.id in prompt.rows && (!chosen || row.id === chosen));
    const node = make("article", { class: "exhibit", tabindex: "-1", "aria-labelledby": id },
      make("header", {},
        make("h2", { id }, prompt.id, make("span", { class: "suite-name" }, prompt.suite)),
        (prompt.texts || []).map(text => make("p", { class: "prompt" }, text)),
        rows.length ? make("ul", { class: "places" }, rows.map(row => make("li", {}, `${row.title}: `,
          prompt.rows[row.id].map((stars, place) => make("span", { class: "value" }, mark(place), stars === null ? "not known" : `${stars.toFixed(1)} stars`))))) : null),
      prompt.sources ? make("div", { class: "sources" }, prompt.sources.map(one => make("figure", { class: "picture" },
        image(one, "Picture that was sent along"), make("figcaption", {}, make("span", { class: "label" }, "sent along"))))) : null,
      make("div", { class: "columns" }, prompt.columns.map(column)));
    node.prompt = prompt;
    return node;
  }

  // What is chosen, and the address that says so.

  const CAME = {
    refused: prompt => prompt.columns.some(made => made.withheld),
    unscored: prompt => prompt.columns.some(made => made.unscored),
    missing: prompt => prompt.columns.some(made => !made.pictures),
    scored: prompt => prompt.columns.every(made => made.pictures && !made.unscored && !made.outcomes),
  };
  function isChosen(prompt) {
    const { suite, row, higher, came, words } = fields, ahead = prompt.higher || {};
    const names = row.value ? [row.value] : Object.keys(ahead);
    return (!suite.value || prompt.suite === suite.value)
      && (!row.value || row.value in ahead)
      && (!higher.value || names.some(name => String(ahead[name]) === higher.value))
      && (!came.value || CAME[came.value](prompt))
      && words.value.toLowerCase().split(/\s+/).every(word => prompt.words.includes(word));
  }
  function apart(prompt) {
    const stars = fields.row.value ? prompt.rows[fields.row.value].filter(one => one !== null) : null;
    return stars ? Math.max(...stars) - Math.min(...stars) : prompt.spread;
  }

  const NAMES = ["suite", "row", "higher", "came", "order", "words"];
  function readAddress() {
    const state = new URLSearchParams(location.hash.slice(1));
    for (const name of NAMES) {
      fields[name].value = state.get(name) || "";
      if (fields[name].selectedIndex === -1) fields[name].value = "";
    }
    return state.get("at");
  }
  function writeAddress(at) {
    const state = new URLSearchParams(NAMES.map(name => [name, fields[name].value]).filter(([, value]) => value));
    if (at) state.set("at", at);
    history.replaceState(null, "", `#${state}`);
  }

  function show(at) {
    found = data.prompts.filter(isChosen);
    if (fields.order.value === "apart") found.sort((a, b) => apart(b) - apart(a));
    document.getElementById("count").textContent = `${found.length} of ${data.prompts.length} prompts`;
    list.replaceChildren();
    const place = at ? found.findIndex(prompt => `${prompt.suite}/${prompt.id}` === at) : -1;
    first = shown = Math.max(0, place - 5);
    append(AT_A_TIME);
    if (place >= 0) go(place);
  }
  function append(n) {
    list.append(...found.slice(shown, shown + n).map(card));
    shown = Math.min(found.length, shown + n);
    more.hidden = shown === found.length;
    before.hidden = first === 0;
  }
  function prepend(n) {
    const start = Math.max(0, first - n);
    list.prepend(...found.slice(start, first).map(card));
    first = start;
    before.hidden = first === 0;
  }
  function go(place) {
    if (place < 0 || place >= found.length) return;
    if (place < first) prepend(first - place + AT_A_TIME);
    if (place >= shown) append(place - shown + AT_A_TIME);
    const node = list.children[place - first];
    node.focus({ preventScroll: true });
    node.scrollIntoView({ block: "start", behavior: "instant" });
    writeAddress(`${node.prompt.suite}/${node.prompt.id}`);
  }

  for (const suite of data.suites || []) fields.suite.append(option(suite, suite));
  for (const row of data.rows || []) fields.row.append(option(row.id, row.title));
  data.systems.forEach((system, place) => fields.higher.append(option(place, system)));
  fields.higher.append(option(-1, "nobody"));
  for (const name of ["rows", "metrics", "prompts"]) data[name] ||= [];
  data.prompts.forEach((prompt, number) => {
    prompt.number = number;
    prompt.words = [prompt.id, prompt.suite, ...(prompt.texts || [])].join(" ").toLowerCase();
  });

  form.addEventListener("input", () => { writeAddress(); show(); });
  form.addEventListener("submit", event => event.preventDefault());
  more.addEventListener("click", () => append(AT_A_TIME));
  before.addEventListener("click", () => prepend(AT_A_TIME));
  new IntersectionObserver(([end]) => end.isIntersecting && append(AT_A_TIME), { rootMargin: "1500px" }).observe(more);
  addEventListener("hashchange", () => show(readAddress()));
  document.addEventListener("keydown", event => {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    const focused = document.activeElement;
    if (focused.matches("input, select")) return event.key === "Escape" ? focused.blur() : undefined;
    const prompt = focused.closest("#prompts > .exhibit"), inCard = prompt !== null;
    const place = first + [...list.children].indexOf(prompt);
    const does = {
      j: () => go(inCard ? place + 1 : first),
      k: () => go(inCard ? place - 1 : first),
      ArrowDown: inCard ? () => go(place + 1) : null,
      ArrowUp: inCard ? () => go(place - 1) : null,
      Enter: inCard && focused === prompt ? () => focused.querySelector("a.open-picture")?.click() : null,
      "/": () => fields.words.focus(),
      "?": () => { const help = document.getElementById("help"); help.open = !help.open; },
    }[event.key];
    if (does) event.preventDefault(), does();
  });
  show(readAddress());
})();
