// Why a segment is doubtful: what each metric adds to its verdict, in bars and words.
"use strict";

metaseg.why = (() => {
  const { element, format, colours } = metaseg;
  const SHOWN = 6;
  const VERDICTS = {
    iou_adj_linear: {
      name: "predicted IoU_adj", rising: true,
      words: "Each bar is what a metric adds to the IoU_adj of the average segment.",
    },
    false_positive_log_odds: {
      name: "odds of a false positive", rising: false,
      words: "Each bar is what a metric adds to the log-odds of a false positive; 0.7 doubles the odds.",
    },
  };
  let wanted = "iou_adj_linear";

  // LaTeX as in segments/columns.py: \\bar and \\tilde over a letter, and what is below it.
  function symbol(latex, name) {
    const letter = latex.replace(/_\{.*|\\(bar|tilde)|[{} ]/g, "").trim();
    if (letter.length !== 1) return [name];
    const above = (latex.includes("\\bar") ? "\u0304" : "")
      + (latex.includes("\\tilde") ? "\u0303" : "");
    const below = latex.match(/_\{(.*?)\}/);
    return [letter + above, ...(below ? [element("sub", {}, below[1])] : [])];
  }

  // The parts of a verdict: the base, and {entry, value} with the largest first.
  function explain(run, segment, { step, values }) {
    const width = step.length;
    const at = (j) => values[segment.place * width + j] * step[j];
    const means = run.means[segment.S_in > 0 ? "interior" : "no_interior"];
    const metrics = Object.keys(means).filter((name) => name in run.metrics).map((name) => (
      { name, mean: means[name], symbol: run.metrics[name][0], words: run.metrics[name][1] }));
    const together = [
      { begin: "cprob", name: "class", symbol: "C", words: "class and its probabilities" },
      { begin: "ndist", name: "neighbours", symbol: "C_{nb}", words: "classes of its neighbours" },
    ].filter(({ begin }) => `${begin}0` in means);
    const entries = [...metrics, ...together];
    const parts = entries.map((entry, j) => ({ entry, value: at(j + 1) }))
      .sort((a, b) => Math.abs(b.value) - Math.abs(a.value));
    return { base: at(0), parts, sum: parts.reduce((sum, { value }) => sum + value, at(0)) };
  }

  const signed = (value) => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(2)}`;

  function compare(segment, { name, mean }) {
    if (mean === undefined) return "";
    const short = (value) => Number(value.toPrecision(3)).toLocaleString("en");
    return `${short(segment[name])}, on average ${short(mean)}`;
  }

  function toRow(run, label, note, value, largest, rising) {
    const fill = element("span", { className: "fill" });
    const share = 50 * Math.min(Math.abs(value) / largest, 1);
    fill.style.width = `${share}%`;
    fill.style.marginLeft = `${value < 0 ? 50 - share : 50}%`;
    fill.style.background = run.quality[(value > 0) === rising ? 3 : 1];
    return element("li", {},
      element("span", { className: "name" }, ...label, ...(note ? [element("small", {}, ` ${note}`)] : [])),
      element("b", {}, signed(value)),
      element("span", { className: "track", "aria-hidden": "true" }, fill));
  }

  // Verdicts beyond [0, 1] are cut off; log-odds become a probability.
  function conclude(segment, verdict, sum) {
    if (verdict !== "iou_adj_linear") {
      return `log-odds, a probability of ${format(segment.false_positive_probability)}`;
    }
    const cut = sum < -0.005 || sum > 1.005 ? `, cut off at ${sum < 0 ? 0 : 1}` : "";
    return `predicted IoU_adj${cut}`;
  }

  function toList(run, segment, verdict, found) {
    const [first, rest] = [found.parts.slice(0, SHOWN), found.parts.slice(SHOWN)];
    const others = rest.reduce((sum, { value }) => sum + value, 0);
    const largest = Math.max(Math.abs(others), ...first.map(({ value }) => Math.abs(value)), 1e-9);
    const row = (...about) => toRow(run, ...about, largest, VERDICTS[verdict].rising);
    const end = (words, value) => element("li", { className: "end" },
      element("span", { className: "name" }, words), element("b", {}, format(value).replace("-", "−")));
    return element("ul", { className: "why", "data-verdict": verdict },
      end("average segment", found.base),
      ...first.map(({ entry, value }) => row(
        [element("var", {}, ...symbol(entry.symbol, entry.name)), ` ${entry.words.split(/[;,]/)[0].replaceAll("*", "×")}`],
        compare(segment, entry), value)),
      ...(rest.length ? [row([`the ${rest.length} others together`], "", others)] : []),
      end(conclude(segment, verdict, found.sum), found.sum));
  }

  function choice(present, onChange) {
    return element("p", { className: "choice", role: "group", "aria-label": "Explained verdict" },
      ...present.map((verdict) => element("button", {
        type: "button", "aria-pressed": String(verdict === wanted),
        onclick: () => { wanted = verdict; onChange(); },
      }, VERDICTS[verdict].name)));
  }

  // Elements that explain the verdict on a segment; `explanation` came with its image.
  return (run, segment, explanation, onChange) => {
    const title = element("h4", {}, segment.doubtful ? "Why is it doubtful?" : "Why this verdict?");
    const say = (words) => [title, element("p", { className: "hint" }, words)];
    const present = Object.keys(VERDICTS).filter((verdict) => verdict in explanation);
    if (segment.loss === null) {
      return say(segment.S_in > 0 ? "It has no verdict."
        : "It has no interior: each of its pixels has a neighbour in another segment. Such segments "
          + "are left out of the fits and have no verdict.");
    }
    const verdict = present.includes(wanted) ? wanted : present[0];
    const found = verdict && explain(run, segment, explanation[verdict]);
    if (!found?.parts.some(({ value }) => value !== 0)) {
      return say(found?.base ? "It has no interior. The model was fitted on too few such segments, or "
        + "on too similar ones, to tell them apart: all get the same verdict."
        : "The estimators of this model have no exact explanation.");
    }
    return [title, ...(present.length > 1 ? [choice(present, onChange)] : []),
      element("p", { className: "hint" }, VERDICTS[verdict].words),
      toList(run, segment, verdict, found)];
  };
})();
