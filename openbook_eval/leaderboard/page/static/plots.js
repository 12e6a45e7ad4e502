"use strict";
// The plots, each with its figures as a table.

(() => {
  const { element, foreign } = openbook;

  /** The view. */
  function plots(data) {
    const none = data.plots.length ? null : element("p", {}, "These runs give no plot.");
    return [element("h1", {}, "Plots"), none, data.plots.map(figure)];
  }

  function figure(plot) {
    return element(
      "figure",
      {},
      element("h2", {}, foreign(plot.title)),
      element(
        "div",
        { class: "picture", tabindex: "0", role: "region", "aria-label": plot.title },
        picture(plot, "light"),
        picture(plot, "dark"),
      ),
      element("figcaption", {}, foreign(plot.caption)),
      element("details", {}, element("summary", {}, "The figures as a table"), tabulated(plot)),
    );
  }

  function picture(plot, theme) {
    if (!/^[a-z0-9_-]+$/.test(plot.name)) throw new TypeError(`${plot.name} is no name of a plot`);
    return element("img", { src: `plots/${plot.name}-${theme}.svg`, alt: plot.alt, class: `of-${theme}` });
  }

  function tabulated(plot) {
    const columns = plot.columns.map((name, index) => {
      const number = plot.rows.every((row) => row[index] === null || typeof row[index] === "number");
      const cell = (row) =>
        number
          ? written(
              row[index],
              plot.rows.map((one) => one[index]),
            )
          : foreign(row[index] ?? "");
      return { key: `${index}`, head: foreign(name), number, value: (row) => row[index], cell, header: index === 0 };
    });
    return openbook.table(columns, plot.rows, { label: `Figures: ${plot.title}` }).box;
  }

  // All numbers of a column with as many decimals, so that they stand in line.
  function written(value, column) {
    if (value === null) return openbook.figures.NONE;
    return column.every((one) => one === null || Number.isInteger(one)) ? `${value}` : value.toFixed(4);
  }

  openbook.views.plots = { title: "Plots", show: plots };
})();
