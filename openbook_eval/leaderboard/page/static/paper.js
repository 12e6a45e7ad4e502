"use strict";
// The paper's tables, own runs among their rows.

(() => {
  const { element, foreign, figures, route } = openbook;

  /** The view. */
  function paper(data, { settings }) {
    const shown = data.published.find((one) => `${one.number}` === settings.get("table")) || data.published[0];
    if (!shown) return [element("h1", {}, "The paper's tables"), element("p", {}, "This report holds none.")];
    const own = data.boards.filter((board) => board.condition === "openbook");
    const rows = [
      ...shown.rows.map(published),
      ...own.flatMap((board) => board.rows.filter(isWhole).map((row) => ours(data, row))),
    ];
    const heading = `Table ${shown.number}: ${shown.title}`;
    return [
      element("h1", {}, "The paper's tables"),
      tabs(data.published, shown),
      element("h2", {}, foreign(heading)),
      openbook.table(columns(rows), rows, { sort: { key: "share", up: false }, label: heading }).box,
      remarks(shown.rows),
      legend(own),
    ];
  }

  function tabs(tables, shown) {
    const tab = (one) => {
      const current = one === shown ? "page" : null;
      const href = route.address("paper", { table: one.number });
      return element("a", { href, title: one.title, "aria-current": current }, `Table ${one.number}`);
    };
    return element("nav", { class: "tabs", "aria-label": "Tables" }, tables.map(tab));
  }

  // The paper's figure is the plain mean of all six exams.
  const isWhole = (row) => row.macro && row.macro[0] !== null;

  function published(row) {
    return { ...row, source: "paper", name: foreign(row.model), approximate: true };
  }

  function ours(data, row) {
    const run = data.runs[row.run];
    const name = element("a", { href: route.address("run", {}, run.id) }, foreign(run.model));
    const setting = run.trained_on ? run.trained_on.recipe : "";
    return { source: "own", name, model: run.model, setting, value: row.macro, note: "", approximate: false };
  }

  function columns(rows) {
    const name = { key: "model", head: "Model", class: "model", header: true };
    return [
      { ...name, value: (row) => row.model, cell: (row) => row.name },
      { key: "source", head: "Source", value: (row) => row.source, cell: source },
      ...averages(rows),
      { ...worded("setting", "Setting"), class: "setting" },
      ...conditions().filter((column) => rows.some((row) => row[column.key])),
    ];
  }

  function source(row) {
    return element("span", { class: `source ${row.source}` }, row.source);
  }

  function worded(key, head) {
    return { key, head, value: (row) => row[key] || null, cell: (row) => foreign(row[key] || figures.NONE) };
  }

  function averages(rows) {
    const scale = figures.scale(rows.map((row) => row.value));
    const share = (row) => (row.value ? row.value[0] : null);
    const whisker = (row) => figures.whisker(row.value, scale, row.approximate);
    const about = (row) => [row.approximate ? "\u2248\u2009" : "", figures.range(row.value)];
    const average = { key: "share", head: "Average", number: true, class: "average" };
    return [
      { ...average, value: share, cell: (row) => figures.percent(share(row)) },
      { key: "whisker", class: "whiskers", head: figures.scaleHead(scale), cell: whisker },
      { key: "interval", head: "95 % interval", class: "range", cell: about },
    ];
  }

  // What the paper's tables tell apart; each table has some of it.
  function conditions() {
    const parts = (row) => (row.general_ratio ? row.general_ratio / row.medical_ratio : null);
    const ratio = (row) => (parts(row) ? `${row.general_ratio}\u2009:\u2009${row.medical_ratio}` : figures.NONE);
    const pairs = { key: "medical_pairs", head: "Medical pairs", number: true };
    return [
      worded("params", "Parameters"),
      { key: "general_ratio", head: "General : medical", number: true, value: parts, cell: ratio },
      { ...pairs, value: (row) => row.medical_pairs, cell: (row) => figures.count(row.medical_pairs) },
    ];
  }

  function remarks(rows) {
    const noted = rows.filter((row) => row.note);
    const line = (row) => element("li", {}, foreign(row.model), ": ", foreign(row.note));
    return noted.length ? element("ul", { class: "notes" }, noted.map(line)) : null;
  }

  function legend(own) {
    const text =
      "Shares in percent, the plain mean of the six exams. The paper tells no intervals: those marked \u2248 and " +
      "dashed are approximations from the number of items of the exam. ";
    const exams = [...new Set(own.map((board) => board.title))].join("; ");
    const ownText = own.length
      ? `Own runs are those under the condition openbook, of the exam ${exams}; their intervals are drawn over items.`
      : "This report holds no own run under the condition openbook.";
    return element("p", { class: "legend" }, text, ownText);
  }

  openbook.views.paper = { title: "The paper", show: paper };
})();
