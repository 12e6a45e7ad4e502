"use strict";
// The items behind a figure: a list with filters, and one item whole, for one run or two side by side.

(() => {
  const { element, foreign, chinese, figures, filter, route } = openbook;

  /** The view; it waits for the columns of items and marks, and for no text. */
  async function items(data, { settings, signal }) {
    const a = runOf(data, settings.get("a")) || firstRun(data, settings.get("board"));
    const b = runOf(data, settings.get("b"));
    if (b && b.board !== a.board) {
      throw new Error(
        `${a.model} and ${b.model} stand on different boards: the items of one are not those of the other`,
      );
    }
    const shown = data.boards[a.board];
    const numbers = [a, b].filter(Boolean).map((run) => data.runs.indexOf(run));
    const names = [`items-${a.board}`, ...numbers.map((number) => `marks-${number}`)];
    const [columns, ...marks] = await Promise.all(names.map((name) => openbook.load(name)));
    const texts = shown.rows.some((row) => data.runs[row.run].texts !== false);
    const exam = { data, board: shown, number: a.board, columns: { ...columns, exams: shown.exams }, texts };
    const sides = [a, b]
      .filter(Boolean)
      .map((run, index) => ({ name: "AB"[index], run, number: numbers[index], marks: marks[index] }));
    return browser(exam, sides, settings, signal);
  }

  function runOf(data, id) {
    if (!id) return null;
    const found = data.runs.find((run) => run.id === id);
    if (!found) throw new Error(`this report holds no run ${id}`);
    return found;
  }

  function firstRun(data, key) {
    const shown = data.boards.find((one) => one.key === key) || data.boards[0];
    if (!shown) throw new Error("this report holds no run");
    return data.runs[shown.rows[0].run];
  }

  /** {nodes, begin}: what is drawn, and what is done once it stands in the document. */
  function browser(exam, sides, settings, signal) {
    const parts = {
      exam,
      sides,
      signal,
      item: settings.get("item"), // id of the chosen item
      found: [], // places that pass the filter
      summary: element("p", { class: "count", role: "status" }),
      where: element("article", { class: "detail", "aria-label": "Item" }),
    };
    const onchoose = (place) => choose(parts, place);
    parts.list = new openbook.List({ line: line(exam, sides), onchoose, heads: heads(sides), label: "Items" });
    parts.form = openbook.itemForm(exam, sides, settings, () => apply(parts));
    const left = element("div", { class: sides.length > 1 ? "left two" : "left" }, parts.list.box);
    const both = element("div", { class: "browser" }, left, parts.where);
    return { nodes: [element("h1", {}, "Items"), parts.form.form, parts.summary, both], begin: () => begin(parts) };
  }

  function begin(parts) {
    apply(parts);
    document.addEventListener("keydown", (event) => step(event, parts.list), { signal: parts.signal });
    const place = parts.exam.columns.ids.indexOf(parts.item);
    const invitation = "Choose an item: by click, by arrows in the list, or by j and k.";
    if (place >= 0) choose(parts, place);
    else parts.where.replaceChildren(element("p", { class: "none" }, invitation));
  }

  function apply(parts) {
    const { exam, sides, form, list, summary } = parts;
    const wanted = form.wanted();
    const [one, other] = sides.map((side) => side.marks);
    parts.found = filter.places(wanted, exam.columns, one, other, stems(exam));
    list.show(parts.found, exam.columns.ids.indexOf(parts.item));
    summary.replaceChildren(...counted(exam, sides, parts.found));
    note(parts);
    placed(parts);
  }

  function note({ sides, form, item }) {
    const [a, b] = sides.map((side) => side.run.id);
    route.note("items", { a, b, ...form.wanted(), item });
  }

  async function choose(parts, place) {
    const { exam, sides, where, list, signal } = parts;
    const id = exam.columns.ids[place];
    parts.item = id;
    note(parts);
    const content = await openbook.itemDetail(exam, sides, place);
    // Another item may have been chosen in the meantime.
    if (parts.item !== id || signal.aborted) return;
    const focused = where.contains(document.activeElement) ? document.activeElement.dataset.step : null;
    where.replaceChildren(steps(list), ...content);
    placed(parts);
    if (focused) where.querySelector(`[data-step="${focused}"]`).focus();
    openbook.toEntry(where);
  }

  // Stems of the chunks that were loaded; "" for the rest.
  function stems(exam) {
    const { chunk } = exam.board;
    const many = Math.ceil(exam.columns.ids.length / chunk);
    const loaded = Array.from({ length: many }, (_, k) => openbook.loaded(`questions-${exam.number}-${k}`));
    return (place) => {
      const rows = loaded[Math.floor(place / chunk)];
      const row = rows && rows[place % chunk];
      return row ? row.stem : "";
    };
  }

  function step(event, list) {
    const by = { j: 1, k: -1 }[event.key];
    if (!by || event.ctrlKey || event.altKey || event.metaKey || event.target.closest("input, select, textarea"))
      return;
    event.preventDefault();
    list.step(by);
  }

  function steps(list) {
    const button = (words, by, key) =>
      element(
        "button",
        { type: "button", "data-step": `${by}`, title: `Key ${key}`, onclick: () => list.step(by) },
        words,
      );
    const buttons = [button("\u2190 Previous", -1, "k"), button("Next \u2192", 1, "j")];
    return element("div", { class: "steps" }, element("span", { class: "place-of" }), buttons);
  }

  // Where the item stands among those found; it may be shown although a filter has left it out.
  function placed({ where, list, found }) {
    const told = where.querySelector(".place-of");
    if (!told) return;
    const place = `${figures.count(list.at() + 1)} of ${figures.count(found.length)}`;
    told.textContent = list.at() < 0 ? "not among those found" : place;
    const last = list.at() === found.length - 1;
    where.querySelector("[data-step='-1']").disabled = list.at() <= 0;
    where.querySelector("[data-step='1']").disabled = last || !found.length;
  }

  function line(exam, sides) {
    const { ids, classes, right } = exam.columns;
    return (place) => [
      sides.map((side) => openbook.verdict(side.marks.correct[place])),
      element("span", { class: "id" }, foreign(ids[place])),
      sides.length > 1 ? null : element("span", { class: "of" }, chinese(classes[exam.columns.class[place]])),
      element("span", { class: "right-letters" }, foreign(right[place] || "abstain")),
      sides.map((side) =>
        element("span", { class: "read-letters" }, foreign(side.marks.letters[place] || figures.NONE)),
      ),
    ];
  }

  function heads(sides) {
    const names = sides.map((side) => (sides.length > 1 ? side.name : ""));
    const words = [
      ...names,
      "Item",
      ...(sides.length > 1 ? [] : ["Class"]),
      "Right",
      ...names.map((name) => (name ? `${name} read` : "Read")),
    ];
    return element(
      "div",
      { class: "line-heads", "aria-hidden": "true" },
      words.map((word) => element("span", {}, word)),
    );
  }

  function counted(exam, sides, found) {
    const all = `${figures.count(found.length)} of ${figures.count(exam.columns.ids.length)} items`;
    const told = sides.map((side) => {
      const right = filter.marked(found, side.marks.correct, "1");
      const none = filter.marked(found, side.marks.correct, "-");
      const share = found.length > none ? right / (found.length - none) : null;
      const missing = none ? `, no response to ${figures.count(none)}` : "";
      return [" \u00b7 ", sides.length > 1 ? `${side.name} ` : "", `right ${figures.percent(share)} %${missing}`];
    });
    if (sides.length < 2) return [all, ...told.flat()];
    const pairs = filter.pairs(found, sides[0].marks.correct, sides[1].marks.correct);
    const n = (pair) => figures.count(pairs[pair]);
    return [
      all,
      ...told.flat(),
      ` \u00b7 both right ${n("11")}, only A ${n("10")}, only B ${n("01")}, neither ${n("00")}`,
    ];
  }

  openbook.views.items = { title: "Items", show: items };
})();
