"use strict";
// The items behind a score: a list with filters, and one item whole, for one run or two side by side.

(() => {
  const { element, foreign, settings, cell, count, percent } = openbook;
  const byId = (id) => document.getElementById(id);

  // Data comes as scripts, each of which hands over its piece: opened from disk, a page may load scripts but no JSON.
  const pieces = new Map();
  const loading = new Map();
  const NAME = /^\.\.\/data\/((items|scores|questions|responses|stems|pairs)(-\d+)+|book-[0-9a-f]+)\.js$/;

  function checked(file) {
    if (!NAME.test(file)) throw new TypeError(`${file} is no piece of this page`);
    return file;
  }
  // Where the browser knows trusted types, it refuses all markup from strings and every script but these.
  const policy = window.trustedTypes ? trustedTypes.createPolicy("openbook", { createScriptURL: checked }) : null;

  /** A promise of the piece of that name; each is loaded once. Rejects with an Error that names the file. */
  async function load(name) {
    if (pieces.has(name)) return pieces.get(name);
    if (!loading.has(name)) loading.set(name, request(name).finally(() => loading.delete(name)));
    return loading.get(name);
  }

  function request(name) {
    return new Promise((resolve, reject) => {
      const file = checked(`../data/${name}.js`);
      const script = document.createElement("script");
      const settle = (found, fault) => () => {
        script.remove();
        if (found && pieces.has(name)) resolve(pieces.get(name));
        else reject(new Error(`the file ${file.slice(3)} is ${fault}`));
      };
      script.onload = settle(true, "broken");
      script.onerror = settle(false, "missing");
      script.src = policy ? policy.createScriptURL(file) : file;
      document.head.append(script);
    });
  }

  // The list: of any length, and only the lines in sight stand in the document.

  const TALL = 46; // pixels of a line, as in page.css
  const SPARE = 8; // lines beyond either edge, so that quick scrolling shows no gap

  class List {
    #inner = element("div", { class: "lines", role: "presentation" });
    #places = [];
    #chosen = -1; // index into the places

    /** `line(place)` makes the inside of a line, `onchoose(place)` hears of the chosen one, `heads` stay above all. */
    constructor(box, heads, line, onchoose) {
      Object.assign(this, { box, heads, line, onchoose });
      let waiting = 0;
      const soon = () => (waiting = waiting || requestAnimationFrame(() => ((waiting = 0), this.#draw())));
      box.addEventListener("keydown", (event) => this.#key(event));
      box.addEventListener("scroll", soon);
      box.replaceChildren(heads, this.#inner);
      new ResizeObserver(soon).observe(box);
    }

    /** Shows other places; the item at `place` stays chosen where it is among them. */
    show(places, place) {
      this.#places = places;
      this.#inner.style.height = `${places.length * TALL}px`;
      this.#mark(places.indexOf(place));
    }

    /** The index of the chosen place, -1 where none is. */
    at() {
      return this.#chosen;
    }

    /** Chooses the place that lies `by` lines further. */
    step(by) {
      if (this.#places.length) this.#choose(Math.max(0, Math.min(this.#places.length - 1, this.#chosen + by)));
    }

    // The heads lie over the lines.
    #room() {
      return this.box.clientHeight - this.heads.offsetHeight;
    }

    #draw() {
      const first = Math.max(0, Math.floor(this.box.scrollTop / TALL) - SPARE);
      const last = Math.min(this.#places.length, Math.ceil((this.box.scrollTop + this.#room()) / TALL) + SPARE);
      this.#inner.replaceChildren(...this.#places.slice(first, last).map((place, n) => this.#lineAt(first + n, place)));
      const inSight = this.#chosen >= first && this.#chosen < last;
      if (inSight) this.box.setAttribute("aria-activedescendant", `line-${this.#chosen}`);
      else this.box.removeAttribute("aria-activedescendant");
    }

    #lineAt(index, place) {
      const option = { id: `line-${index}`, class: "line", role: "option", onclick: () => this.#choose(index) };
      const spoken = { "aria-selected": `${index === this.#chosen}`, "aria-setsize": this.#places.length };
      const made = element("div", { ...option, ...spoken, "aria-posinset": index + 1 }, this.line(place));
      made.style.top = `${index * TALL}px`;
      return made;
    }

    #choose(index) {
      this.#mark(index);
      this.onchoose(this.#places[index]);
    }

    #mark(index) {
      this.#chosen = index;
      const [top, room, { scrollTop }] = [index * TALL, this.#room(), this.box];
      if (index >= 0 && top < scrollTop) this.box.scrollTop = top;
      else if (index >= 0 && top + TALL > scrollTop + room) this.box.scrollTop = top + TALL - room;
      this.#draw();
    }

    #key(event) {
      const page = Math.max(1, Math.floor(this.#room() / TALL) - 1);
      const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };
      if (!Object.hasOwn(steps, event.key) || event.ctrlKey || event.altKey || event.metaKey) return;
      event.preventDefault();
      this.step(steps[event.key]);
    }
  }

  // Filters. Scores are strings of a digit an item, so that 11,200 take a few milliseconds.

  const KEYS = ["exam", "class", "type", "depth", "right", "rule", "flipped", "q"];
  const FIFTHS = ["first fifth", "second fifth", "third fifth", "fourth fifth", "last fifth"];
  const OUTCOMES = { right: "1", wrong: "0", missing: "-" };
  const FLIPS = { 1: ["10", "01"], a: ["10"], b: ["01"] };

  /** [value, words] of what each filter may be set to; those with nothing to tell apart are hidden. */
  function choices({ columns, board, deep }, sides) {
    const named = (names) => names.filter(Boolean).map((name) => [name, name]);
    return {
      exam: Object.entries(board.exams).map(([exam, chinese]) => [exam, `${exam} ${chinese}`]),
      class: named(columns.classes),
      type: [["single", "single choice"], ["multi", "multiple choice"]],
      depth: deep ? FIFTHS.map((words, fifth) => [`${fifth + 1}`, words]) : [],
      right: named(Object.keys(OUTCOMES)),
      rule: named(sides[0].scores.rules),
      flipped: sides.length > 1 ? [["1", "flipped only"], ["a", "only A right"], ["b", "only B right"]] : [],
    };
  }

  /** Tests of one item each, by its place: all of them must hold. */
  function tests(wanted, { columns, board }, a, b, stem) {
    const same = (column, value) => (place) => column[place] === value;
    const fifth = (depth) => (depth === null ? 0 : Math.min(FIFTHS.length, Math.floor(depth * FIFTHS.length) + 1));
    const text = wanted.q.toLowerCase();
    const flips = b && FLIPS[wanted.flipped];
    const all = {
      exam: same(columns.exam, Object.keys(board.exams).indexOf(wanted.exam)),
      class: same(columns.class, columns.classes.indexOf(wanted.class)),
      type: same(columns.multi, wanted.type === "multi" ? "1" : "0"),
      depth: (place) => fifth(columns.depth[place]) === Number(wanted.depth),
      right: same(a.correct, OUTCOMES[wanted.right]),
      rule: same(a.rule, a.rules.indexOf(wanted.rule)),
      // Where one has no score, nothing flipped.
      flipped: (place) => !flips || flips.includes(a.correct[place] + b.correct[place]),
      q: (place) => columns.ids[place].toLowerCase().includes(text) || stem(place).toLowerCase().includes(text),
    };
    return KEYS.filter((key) => wanted[key]).map((key) => all[key]);
  }

  // The view.

  function runOf(data, id) {
    const found = data.boards.flatMap((board) => board.runs).find((run) => run.id === id);
    if (id && !found) throw new Error(`this page holds no run ${id}`);
    return found;
  }

  async function show(data) {
    const wanted = settings();
    const [a, b] = ["a", "b"].map((side) => runOf(data, wanted.get(side)));
    const first = a || data.boards[0]?.runs[0]; // no settings: the best of the first board
    if (!first) throw new Error("this page holds no run");
    const number = data.boards.findIndex((board) => board.runs.includes(first));
    const board = data.boards[number];
    if (b && !board.runs.includes(b)) throw new Error(`${first.model} and ${b.model} stand on different boards`);
    const runs = [first, b].filter(Boolean);
    const names = [`items-${number}`, ...runs.map((run) => `scores-${run.number}`)];
    const [columns, ...scores] = await Promise.all(names.map(load));
    const [texts, deep] = [board.runs.some((run) => run.texts), columns.depth.some(Boolean)];
    const exam = { data, board, number, columns, chunk: data.chunk, texts, deep };
    browse(exam, runs.map((run, index) => ({ name: "AB"[index], run, scores: scores[index] })), wanted);
  }

  function browse(exam, sides, wanted) {
    const [where, box] = [document.querySelector(".detail"), document.querySelector(".list")];
    const { ids } = exam.columns;
    let item = wanted.get("item");
    let found = []; // places that pass the filter
    exam.stem = (place) => openbook.loaded(`stems-${exam.number}`)?.[place] ?? "";
    const values = () => Object.fromEntries(KEYS.map((key) => [key, byId(`by-${key}`).value]));
    const shown = () => ({ a: sides[0].run.id, b: sides[1]?.run.id, ...values(), item });

    function apply() {
      const all = tests(values(), exam, sides[0].scores, sides[1]?.scores, exam.stem);
      found = [...ids.keys()].filter((place) => all.every((test) => test(place)));
      list.show(found, ids.indexOf(item));
      byId("summary").replaceChildren(summary(exam, sides, found));
      byId("by-class-table").ontoggle?.();
      placed();
    }

    async function choose(place) {
      item = ids[place];
      placed();
      const content = await openbook.itemDetail(exam, sides, place);
      if (item !== ids[place]) return; // another was chosen in the meantime
      where.replaceChildren(...content);
      const mark = where.querySelector("mark");
      const prompt = mark && mark.closest(".text");
      if (prompt) prompt.scrollTop = mark.offsetTop - prompt.clientHeight / 4;
    }

    // Where the item stands among those found; it may be shown although a filter has left it out.
    function placed() {
      const at = list.at();
      const told = at < 0 ? "not among those found" : `${count(at + 1)} of ${count(found.length)}`;
      document.querySelector(".place-of").textContent = item ? told : "";
      byId("previous").disabled = at <= 0;
      byId("next").disabled = at === found.length - 1;
      openbook.note(shown());
    }

    fill(exam, sides, wanted);
    document.querySelector(".left").classList.toggle("two", sides.length > 1);
    document.querySelector(".browser").hidden = byId("filters").hidden = false;
    const list = new List(box, heads(sides), line(exam, sides), choose);
    apply();
    for (const key of KEYS) byId(`by-${key}`).oninput = apply;
    // Another run is another address: the view is drawn anew, with the same filters and the same item.
    byId("by-a").onchange = ({ target: { value: a } }) => {
      location.hash = openbook.address({ ...shown(), a, b: besides(exam, a, sides[1]) });
    };
    byId("by-b").onchange = ({ target: { value: b } }) => (location.hash = openbook.address({ ...shown(), b }));
    [byId("previous").onclick, byId("next").onclick] = [-1, 1].map((by) => () => list.step(by));
    byId("export").onclick = () => save(exam, sides, found);
    byId("by-class-table").ontoggle = () => byId("by-class-table").open && classes(exam, sides, found);
    // Search finds stems as soon as they are there.
    if (exam.texts) load(`stems-${exam.number}`).then(apply, () => {});
    paired(exam, sides);
    document.onkeydown = (event) => {
      const by = { j: 1, k: -1 }[event.key];
      if (!by || event.ctrlKey || event.altKey || event.metaKey || event.target.closest("input, select")) return;
      event.preventDefault();
      list.step(by);
    };
    if (ids.includes(item)) choose(ids.indexOf(item));
  }

  // A run B stays only beside a run of its own board, and not beside itself.
  function besides({ data }, a, side) {
    const board = data.boards.find((one) => one.runs.some((run) => run.id === a));
    return side && side.run.id !== a && board.runs.includes(side.run) ? side.run.id : "";
  }

  function fill(exam, sides, wanted) {
    const option = ([value, words]) => element("option", { value }, words);
    const options = (runs) => runs.map((run) => option([run.id, run.model]));
    const groups = exam.data.boards.map((board) => element("optgroup", { label: board.title }, options(board.runs)));
    const others = exam.board.runs.filter((run) => run !== sides[0].run);
    byId("by-a").replaceChildren(...groups);
    byId("by-b").replaceChildren(option(["", "none"]), ...options(others));
    ["a", "b"].forEach((side, index) => (byId(`by-${side}`).value = sides[index]?.run.id ?? ""));
    for (const [key, list] of Object.entries(choices(exam, sides))) {
      const control = byId(`by-${key}`);
      control.replaceChildren(option(["", "all"]), ...list.map(option));
      control.value = list.some(([value]) => value === wanted.get(key)) ? wanted.get(key) : "";
      control.closest("label").hidden = list.length < 2;
    }
    byId("by-right").previousElementSibling.textContent = sides.length > 1 ? "A is" : "Response";
    byId("by-q").value = wanted.get("q") || "";
  }

  function line({ columns, stem }, sides) {
    const { ids, classes, expected } = columns;
    return (place) => [
      sides.map((side) => openbook.verdict(side.scores.correct[place])),
      cell("what", foreign(stem(place).slice(0, 80) || ids[place], "zh"),
        element("small", {}, foreign(ids[place]), " \u00b7 ", foreign(classes[columns.class[place]], "zh"))),
      cell("right-letters", foreign(expected[place] || "abstain")),
      sides.map((side) => cell("read-letters", foreign(side.scores.letters[place] || "\u2013"))),
    ];
  }

  function heads(sides) {
    const two = sides.length > 1;
    const words = two ? ["A", "B", "Item", "Right", "A read", "B read"] : ["", "Item", "Right", "Read"];
    return element("div", { class: "line-heads", "aria-hidden": "true" }, words.map((word) => cell("", word)));
  }

  const table = (heads, rows) =>
    element("table", {},
      element("thead", {}, element("tr", {}, heads.map((head, at) => element("th", { scope: "col", class: at ? "number" : null }, head)))),
      element("tbody", {}, rows.map(([first, ...cells]) => element("tr", {},
        element("th", { scope: "row" }, foreign(first)),
        cells.map((one) => element("td", { class: "number" }, one))))));

  /** The comparison of two runs as `openbook-eval compare` prints it; of the best runs of a board only. */
  async function paired({ number, data }, sides) {
    const where = byId("paired");
    where.replaceChildren();
    if (sides.length < 2) return;
    const [a, b] = sides.map((side) => side.run.id);
    const found = (await load(`pairs-${number}`))[`${a} ${b}`];
    const told = found ? found.notes : ["Only the best runs of a board are compared here: openbook-eval compare A B does."];
    const content = [element("ul", { class: "notes" }, told.map((note) => element("li", {}, foreign(note))))];
    if (found) content.unshift(element("div", { class: "box narrow", tabindex: 0 }, table(found.heads, found.rows)));
    where.replaceChildren(element("h2", {}, "A less B, paired by item"), ...content);
  }

  /** Items found, by class: how many, and which share is right. */
  function classes({ columns }, sides, found) {
    const rows = new Map(columns.classes.map((name) => [name, []]));
    for (const place of found) rows.get(columns.classes[columns.class[place]]).push(place);
    const right = (side, places) => {
      const known = places.filter((place) => side.scores.correct[place] !== "-");
      return [known.filter((place) => side.scores.correct[place] === "1").length, known.length];
    };
    const only = (places, key) => places.filter((place) => sides.map((side) => side.scores.correct[place]).join("") === key);
    const line = ([name, places]) => [name, count(places.length),
      ...sides.map((side) => percent(...right(side, places))),
      ...(sides.length > 1 ? ["10", "01"].map((key) => count(only(places, key).length)) : [])];
    const two = sides.length > 1;
    const heads = ["Class", "Items", ...(two ? ["A, %", "B, %", "Only A", "Only B"] : ["Right, %"])];
    const lines = [...rows].filter(([, places]) => places.length).map(line);
    byId("by-class-table").querySelector("div").replaceChildren(table(heads, lines));
  }

  /** Saves the items found as CSV; no cell begins a formula of a spreadsheet. */
  function save({ columns, board, stem }, sides, found) {
    const quoted = (value) => `"${String(value).replace(/^(?=[=+\-@\t\r\uff1d\uff0b\uff0d\uff20])/, "'").replaceAll('"', '""')}"`;
    const exams = Object.keys(board.exams);
    const heads = ["id", "exam", "class", "right", ...sides.flatMap(({ run }) => [`${run.model} read`, `${run.model} correct`]), "stem"];
    const rows = found.map((place) => [columns.ids[place], exams[columns.exam[place]], columns.classes[columns.class[place]],
      columns.expected[place], ...sides.flatMap(({ scores }) => [scores.letters[place], scores.correct[place]]), stem(place)]);
    const text = [heads, ...rows].map((row) => row.map(quoted).join(",")).join("\r\n");
    const href = URL.createObjectURL(new Blob(["\ufeff", text], { type: "text/csv" }));
    element("a", { href, download: "items.csv" }).click();
    setTimeout(() => URL.revokeObjectURL(href), 1000);
  }

  function summary({ columns }, sides, found) {
    const two = sides.length > 1;
    const counts = {}; // by the scores of all sides, one digit each
    for (const place of found) {
      const key = sides.map((side) => side.scores.correct[place]).join("");
      counts[key] = (counts[key] || 0) + 1;
    }
    const of = (test) => Object.entries(counts).reduce((sum, [key, many]) => sum + (test(key) ? many : 0), 0);
    const told = sides.map((side, index) => {
      const [right, none] = ["1", "-"].map((score) => of((key) => key[index] === score));
      const share = percent(right, found.length - none);
      return `${two ? `${side.name} ` : ""}right ${share} %${none ? `, no response to ${count(none)}` : ""}`;
    });
    const pair = (key) => count(counts[key] || 0);
    const pairs = `both right ${pair("11")}, only A ${pair("10")}, only B ${pair("01")}, neither ${pair("00")}`;
    const all = `${count(found.length)} of ${count(columns.ids.length)} items`;
    return [all, ...told, ...(two ? [pairs] : [])].join(" \u00b7 ");
  }

  function draw() {
    document.querySelector("main > .fault")?.remove();
    show(pieces.get("runs")).catch((error) => {
      document.querySelector(".browser").hidden = byId("filters").hidden = true;
      byId("summary").textContent = "";
      byId("main").append(element("p", { class: "fault", role: "alert" }, `This cannot be shown: ${error.message}.`));
    });
  }

  /** Called by each script of data. */
  function piece(name, value) {
    pieces.set(name, value);
    if (name === "runs") draw();
  }

  window.addEventListener("hashchange", draw);
  Object.assign(openbook, { piece, load, loaded: (name) => pieces.get(name) });
})();
