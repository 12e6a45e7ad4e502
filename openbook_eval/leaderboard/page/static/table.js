"use strict";
// A table that sorts by each column and hides the rows that a filter does not want.

(() => {
  const { element } = openbook;

  /**
   * Columns are {key, head, cell(row), value(row), number, class, title}; without `value` a column is not sortable,
   * with `header` its cells are the rows' heads. `sort` is {key, up} or null, `onsort` hears of changes.
   */
  function table(columns, rows, { caption, sort = null, onsort = null, label = null } = {}) {
    const lines = rows.map((row) => ({ row, line: line(columns, row) }));
    const body = element(
      "tbody",
      {},
      lines.map((entry) => entry.line),
    );
    const heads = columns.map((column) => head(column, (key) => by(key)));
    const made = element(
      "table",
      {},
      caption ? element("caption", {}, caption) : null,
      element("thead", {}, element("tr", {}, heads)),
      body,
    );
    // Wide tables scroll in their own box; one that scrolls has to be reached by keyboard.
    const box = element("div", { class: "box", tabindex: "0", role: "region", "aria-label": label || caption }, made);
    let order = sort;

    function by(key) {
      const column = columns.find((one) => one.key === key);
      const up = order && order.key === key ? !order.up : !column.number;
      apply({ key, up });
      if (onsort) onsort(order);
    }

    function apply(wanted) {
      const column = columns.find((one) => one.key === wanted.key && one.value);
      if (!column) return;
      order = wanted;
      lines.sort((one, other) => compare(column.value(one.row), column.value(other.row), wanted.up));
      body.append(...lines.map((entry) => entry.line));
      columns.forEach((one, index) => {
        if (one.value) heads[index].setAttribute("aria-sort", one === column ? direction(wanted.up) : "none");
      });
    }

    function filter(wanted) {
      let left = 0;
      for (const entry of lines) {
        entry.line.hidden = !wanted(entry.row);
        left += entry.line.hidden ? 0 : 1;
      }
      return left;
    }

    if (sort) apply(sort);
    return { box, filter };
  }

  const direction = (up) => (up ? "ascending" : "descending");

  function head(column, onsort) {
    const attributes = { scope: "col", class: classes(column), title: column.title };
    if (!column.value) return element("th", attributes, column.head);
    const button = element("button", { type: "button", class: "sort", onclick: () => onsort(column.key) }, column.head);
    return element("th", { ...attributes, "aria-sort": "none" }, button);
  }

  function line(columns, row) {
    const cell = (column) => {
      const attributes = column.header ? { scope: "row", class: classes(column) } : { class: classes(column) };
      return element(column.header ? "th" : "td", attributes, column.cell(row));
    };
    return element("tr", {}, columns.map(cell));
  }

  function classes(column) {
    return [column.class, column.number ? "number" : ""].filter(Boolean).join(" ") || null;
  }

  /** Values in order, what has none last either way. */
  function compare(one, other, up) {
    const none = (value) => value === null || value === undefined;
    if (none(one) || none(other)) return Number(none(one)) - Number(none(other));
    const order = typeof one === "string" ? one.localeCompare(other) : one - other;
    return up ? order : -order;
  }

  Object.assign(openbook, { table });
})();
