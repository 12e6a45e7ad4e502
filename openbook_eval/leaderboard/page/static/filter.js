"use strict";
// Which items a filter lets through. Marks are strings of a digit an item, so that 11,200 take a few milliseconds.

(() => {
  /** The keys of a filter, as the address has them. */
  const KEYS = ["exam", "class", "type", "depth", "right", "rule", "flipped", "q"];

  const FIFTHS = 5;

  /** The fifth of the book, from 1, in which an entry begins; null where it has no place in a book. */
  function fifth(depth) {
    return depth === null ? null : Math.min(FIFTHS, Math.floor(depth * FIFTHS) + 1);
  }

  const OUTCOME = { right: "1", wrong: "0", none: "-" };

  /** Tests of one item each, by its place: all of them must hold. `stem(place)` is "" where it was not loaded. */
  function tests(wanted, items, a, b, stem) {
    const found = [];
    const code = (names, name) => names.indexOf(name);
    if (wanted.exam) found.push(same(items.exam, code(items.exams, wanted.exam)));
    if (wanted.class) found.push(same(items.class, code(items.classes, wanted.class)));
    if (wanted.type) found.push(same(items.multi, wanted.type === "multi" ? "1" : "0"));
    if (wanted.depth) found.push((place) => fifth(items.depth[place]) === Number(wanted.depth));
    if (wanted.right) found.push(same(a.correct, OUTCOME[wanted.right]));
    if (wanted.rule) found.push(same(a.rule, code(a.rules, wanted.rule)));
    if (wanted.flipped && b) found.push(flipped(wanted.flipped, a.correct, b.correct));
    if (wanted.q) found.push(holds(wanted.q.toLowerCase(), items.ids, stem));
    return found;
  }

  const same = (column, value) => (place) => column[place] === value;

  // "1" any flip, "a" only the first is right, "b" only the second. Where one has no mark, nothing flipped.
  function flipped(kind, one, other) {
    const pairs = { 1: ["10", "01"], a: ["10"], b: ["01"] }[kind] || [];
    return (place) => pairs.includes(one[place] + other[place]);
  }

  function holds(text, ids, stem) {
    return (place) => ids[place].toLowerCase().includes(text) || stem(place).toLowerCase().includes(text);
  }

  /** The places of the items that pass, in order. */
  function places(wanted, items, a, b, stem) {
    const all = tests(wanted, items, a, b, stem);
    const found = [];
    for (let place = 0; place < items.ids.length; place += 1) {
      if (all.every((test) => test(place))) found.push(place);
    }
    return found;
  }

  /** How many of the places are right under both, the first only, the second only, neither; those with two marks. */
  function pairs(found, one, other) {
    const counts = { 11: 0, 10: 0, "01": 0, "00": 0 };
    for (const place of found) {
      const pair = one[place] + other[place];
      if (pair in counts) counts[pair] += 1;
    }
    return counts;
  }

  /** How many of the places carry that mark. */
  function marked(found, marks, mark) {
    let many = 0;
    for (const place of found) many += marks[place] === mark ? 1 : 0;
    return many;
  }

  Object.assign(openbook, { filter: { KEYS, FIFTHS, fifth, places, pairs, marked } });
})();
