"use strict";
// Shares as percentages, counts, and intervals as whiskers.

(() => {
  const NONE = "\u2013";
  const counted = new Intl.NumberFormat("en");

  /** A share of 1 as percent with one decimal, without the sign. */
  function percent(share) {
    return share === null || share === undefined ? NONE : (100 * share).toFixed(1);
  }

  /** A count with its thousands set apart. */
  function count(number) {
    return number === null || number === undefined ? NONE : counted.format(number);
  }

  /** "62.3 (60.1 to 64.5)": an estimate [value, low, high] in words. */
  function inWords(estimate) {
    if (!estimate || estimate[0] === null) return "no value";
    const [value, low, high] = estimate;
    return low === null ? percent(value) : `${percent(value)} (${percent(low)} to ${percent(high)})`;
  }

  /** "60.1–64.5": the ends of an estimate's interval. */
  function range(estimate) {
    if (!estimate || estimate[1] === null) return NONE;
    return `${percent(estimate[1])}\u2013${percent(estimate[2])}`;
  }

  /** The scale that holds all estimates: whole tenths or twentieths of 1. */
  function scale(estimates) {
    const values = estimates
      .filter(Boolean)
      .flat()
      .filter((value) => value !== null);
    if (!values.length) return [0, 1];
    const step = Math.max(...values) - Math.min(...values) > 0.4 ? 0.1 : 0.05;
    const low = Math.max(0, Math.floor(Math.min(...values) / step + 1e-9) * step);
    const high = Math.min(1, Math.ceil(Math.max(...values) / step - 1e-9) * step);
    return high > low ? [low, high] : [Math.max(0, low - step), Math.min(1, high + step)];
  }

  const WIDTH = 128;
  const HEIGHT = 16;
  const MARGIN = 4;

  /** An interval as a line with a dot at the value, on a scale [low, high]. */
  function whisker(estimate, [low, high], approximate = false) {
    const at = (share) => MARGIN + ((share - low) / (high - low)) * (WIDTH - 2 * MARGIN);
    const middle = HEIGHT / 2;
    const attributes = { class: approximate ? "whisker approximate" : "whisker", viewBox: `0 0 ${WIDTH} ${HEIGHT}` };
    const picture = openbook.drawn("svg", { ...attributes, width: WIDTH, height: HEIGHT, "aria-hidden": "true" });
    for (const share of ticks(low, high)) {
      picture.append(openbook.drawn("path", { class: "tick", d: `M${at(share)} 0V${HEIGHT}` }));
    }
    if (!estimate || estimate[0] === null) return picture;
    const [value, from, to] = estimate;
    if (from !== null) {
      const line = `M${at(from)} ${middle}H${at(to)}M${at(from)} 4V12M${at(to)} 4V12`;
      picture.append(openbook.drawn("path", { class: "interval", d: line }));
    }
    picture.append(openbook.drawn("circle", { class: "value", cx: at(value), cy: middle, r: 3 }));
    return picture;
  }

  /** The ends of a scale and what lies between at tenths of 1. */
  function ticks(low, high) {
    const between = [];
    for (let tenth = Math.ceil(low * 10 + 1e-9); tenth / 10 < high - 1e-9; tenth += 1) between.push(tenth / 10);
    return [low, ...between, high];
  }

  /** The head of a column of whiskers: the ends of its scale. */
  function scaleHead([low, high]) {
    const end = (share) => openbook.element("span", {}, `${Math.round(100 * share)}`);
    return openbook.element("span", { class: "scale", "aria-hidden": "true" }, end(low), end(high));
  }

  Object.assign(openbook, { figures: { NONE, percent, count, inWords, range, scale, whisker, scaleHead } });
})();
