"use strict";
// One item: what was asked, what stood in the book, what was answered, and what was read in the answer.

(() => {
  const { element, foreign, chinese, figures } = openbook;
  const LONGEST = 20_000; // characters of a response that are shown at once

  const VERDICT = {
    1: ["right", "\u2713", "right"],
    0: ["wrong", "\u2717", "wrong"],
    "-": ["none", "\u00b7", "no response"],
  };

  /** A mark as a symbol, with words for those who do not see it. */
  function verdict(mark, inWords = false) {
    const [name, symbol, words] = VERDICT[mark];
    const said = inWords ? ` ${words}` : element("span", { class: "hidden" }, words);
    return element("span", { class: `verdict ${name}` }, element("span", { "aria-hidden": "true" }, symbol), said);
  }

  /** Letters, or the word for none. */
  function letters(text, none) {
    return text ? element("span", { class: "letters" }, foreign(text)) : element("span", { class: "none" }, none);
  }

  /** `question` of the piece questions-B-K or null, `book` the shared book's text or null, `sides` those of `side`. */
  function detail(question, book, sides) {
    if (!question) return [element("div", { class: "sides" }, sides.map(side))];
    return [
      prompt(question, book, sides),
      options(question, sides),
      element("div", { class: "sides" }, sides.map(side)),
    ];
  }

  function prompt(question, book, sides) {
    const answer = sides.map((one) => one.answer).find(Boolean);
    // A book that is shared with nobody is the entry; without a book all of the prompt stands behind it.
    const open = book !== null || question.before !== "";
    const text = question.before + (book ?? (open ? question.entry : "")) + question.after;
    const where = element("div", {
      class: "text prompt",
      lang: "zh",
      dir: "auto",
      tabindex: "0",
      role: "region",
      "aria-label": "Prompt",
    });
    where.append(...highlighted(text, question.entry));
    return element(
      "section",
      {},
      element("h3", {}, "Prompt", element("small", {}, told(question, text, open))),
      template("Chat template before it", answer && answer.opening),
      where,
      template("Chat template after it", answer && answer.closing),
    );
  }

  function told(question, text, open) {
    const length = `${figures.count(text.length)} characters`;
    if (!open) return [length, ", no book"];
    const by = question.provider ? [", entry by ", foreign(question.provider)] : "";
    const found = question.entry && text.includes(question.entry);
    return [length, by, found ? ", marked" : ", which does not stand in this book"];
  }

  function highlighted(text, entry) {
    const at = entry ? text.indexOf(entry) : -1;
    if (at < 0) return [openbook.visible(text)];
    const mark = element("mark", {}, entry);
    return [openbook.visible(text.slice(0, at)), mark, openbook.visible(text.slice(at + entry.length))];
  }

  function template(name, text) {
    if (!text) return null;
    return element(
      "details",
      { class: "template" },
      element("summary", {}, name),
      element("div", { class: "text" }, text),
    );
  }

  function options(question, sides) {
    const line = ([letter, text]) => {
      const right = question.right.includes(letter);
      const chosen = sides.filter((one) => one.letters.includes(letter)).map((one) => one.name);
      return element(
        "li",
        { class: right ? "right" : null },
        element("b", {}, foreign(letter)),
        chinese(text),
        right ? element("span", { class: "verdict right" }, "\u2713 right") : null,
        chosen.map((name) => element("span", { class: "chosen" }, sides.length > 1 ? `${name} chose this` : "chosen")),
      );
    };
    const abstain = question.right ? null : element("p", {}, "Right is to say that the material does not tell.");
    return element(
      "section",
      {},
      element("h3", {}, "Options"),
      element("ul", { class: "options" }, question.options.map(line)),
      abstain,
    );
  }

  /** A side is {name, run, mark, strict, followed, letters, rule, answer}; `answer` is null where there is none. */
  function side(one) {
    return element(
      "section",
      { class: "side" },
      element("h3", {}, element("span", { class: "side-name" }, one.name), foreign(one.run.model)),
      read(one),
      response(one),
    );
  }

  function read(one) {
    const state = one.answer ? one.answer.state : null;
    return element(
      "p",
      { class: "read" },
      verdict(one.mark, true),
      " \u00b7 read ",
      letters(one.letters, "no letter"),
      one.rule ? [" by the rule ", element("code", {}, foreign(one.rule))] : null,
      state && state !== "chosen" ? [", ", foreign(state)] : null,
      one.followed === "0" ? " \u00b7 format not followed" : null,
      one.mark === "1" && one.strict === "0" ? " \u00b7 wrong by the strict mark" : null,
    );
  }

  function whyMissing({ run, answer, mark }) {
    if (run.texts === false) return "The texts of this run are not at hand.";
    if (answer && answer.response) return null;
    if (run.condition.endsWith("_ranked")) return "Letters were ranked: there is no text.";
    return answer && mark !== "-" ? "The response is empty." : "No response came.";
  }

  function response(one) {
    const missing = whyMissing(one);
    if (missing) return element("p", { class: "none" }, missing);
    const text = one.answer.response;
    const where = element("div", {
      class: "text response",
      lang: "zh",
      dir: "auto",
      tabindex: "0",
      role: "region",
      "aria-label": `Response of ${one.name}`,
    });
    const put = (shown) => where.replaceChildren(openbook.visible(shown));
    put(text.slice(0, LONGEST));
    if (text.length <= LONGEST) return where;
    const all = `Show all ${figures.count(text.length)} characters`;
    const more = element("button", { type: "button", onclick: () => (put(text), more.remove()) }, all);
    return [where, more];
  }

  /** Loads the texts of the item at `place` for all sides and draws it; what is missing is told in its place. */
  async function itemDetail(exam, sides, place) {
    const { board, columns, number } = exam;
    const [chunk, at] = [Math.floor(place / board.chunk), place % board.chunk];
    const row = async (name) => (await openbook.load(`${name}-${chunk}`))[at];
    try {
      const question = exam.texts ? await row(`questions-${number}`) : null;
      const book = question && question.book ? await openbook.load(`book-${question.book.slice(0, 16)}`) : null;
      const answers = sides.map((one) => (one.run.texts === false ? null : row(`answers-${one.number}`)));
      const shown = (await Promise.all(answers)).map((answer, index) => marksOf(sides[index], place, answer));
      return [title(exam, place, question), ...detail(question, book, shown)];
    } catch (error) {
      return [
        title(exam, place, null),
        element("p", { class: "fault", role: "alert" }, `${columns.ids[place]} cannot be shown: ${error.message}`),
      ];
    }
  }

  function marksOf({ name, run, marks }, place, answer) {
    const [mark, strict, followed] = [marks.correct, marks.correct_strict, marks.format_followed].map(
      (column) => column[place],
    );
    return {
      name,
      run,
      mark,
      strict,
      followed,
      letters: marks.letters[place],
      rule: marks.rules[marks.rule[place]],
      answer,
    };
  }

  function title({ data, columns }, place, question) {
    const exam = columns.exams[columns.exam[place]];
    const depth = columns.depth[place];
    return element(
      "header",
      {},
      element("h2", {}, foreign(columns.ids[place])),
      element(
        "p",
        { class: "lead" },
        `${exam} `,
        chinese(data.exams[exam]),
        " \u00b7 ",
        chinese(columns.classes[columns.class[place]]),
        question && question.subject ? [" \u00b7 ", chinese(question.subject)] : null,
        ` \u00b7 ${columns.multi[place] === "1" ? "multiple" : "single"} choice`,
        depth === null ? null : ` \u00b7 entry at ${Math.round(100 * depth)} % of the book`,
      ),
    );
  }

  /** Scrolls the prompt's box to the marked entry; its page stays where it is. */
  function toEntry(where) {
    const mark = where.querySelector("mark");
    const box = mark && mark.closest(".text");
    if (box) box.scrollTop = mark.offsetTop - box.clientHeight / 4;
  }

  Object.assign(openbook, { itemDetail, toEntry, verdict, letters });
})();
