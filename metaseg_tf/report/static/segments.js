// The table of all that is known of a segment; colours of values.
"use strict";

metaseg.colours = (() => {
  const parse = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));

  // The colour [r, g, b] of a value in [0, 1] between evenly spaced anchors.
  function interpolate(anchors, value) {
    const at = Math.min(Math.max(value, 0), 1) * (anchors.length - 1);
    const low = Math.min(Math.floor(at), anchors.length - 2);
    const [from, to] = [parse(anchors[low]), parse(anchors[low + 1])];
    return from.map((channel, i) => Math.round(channel + (at - low) * (to[i] - channel)));
  }

  const gradient = (anchors) => `linear-gradient(to right, ${anchors.join(", ")})`;

  function swatch(colour) {
    const made = metaseg.element("span", { className: "swatch", "aria-hidden": "true" });
    made.style.background = colour;
    return made;
  }

  return { parse, interpolate, gradient, swatch, unknown: [150, 150, 150] };
})();

metaseg.describe = (() => {
  const { element, format } = metaseg;
  const GROUPS = [
    ["Entropy E", ["E", "E_in", "E_bd", "E_rel", "E_rel_in"]],
    ["Difference D", ["D", "D_in", "D_bd", "D_rel", "D_rel_in"]],
    ["Size S", ["S", "S_in", "S_bd", "S_rel", "S_rel_in"]],
  ];
  const PARTS = ["all", "in", "bd", "rel", "rel in"];

  function bar(label, value, anchors) {
    const [r, g, b] = metaseg.colours.interpolate(anchors, value ?? 0);
    const fill = element("span", { className: "fill" });
    fill.style.width = `${100 * Math.min(Math.max(value ?? 0, 0), 1)}%`;
    fill.style.background = `rgb(${r}, ${g}, ${b})`;
    return element(
      "div", { className: "bar" },
      element("span", { className: "name" }, label),
      element("span", { className: "track", "aria-hidden": "true" }, fill),
      element("b", {}, format(value)),
    );
  }

  function metrics(segment) {
    const head = element("tr", {}, element("td"), ...PARTS.map(
      (part) => element("th", { scope: "col", className: "number" }, part)));
    const rows = GROUPS.map(([title, names]) => element(
      "tr", {}, element("th", { scope: "row" }, title),
      ...names.map((name) => element(
        "td", { className: "number", "data-metric": name },
        format(segment[name], Number.isInteger(segment[name]) && segment[name] > 1 ? 0 : 3),
      )),
    ));
    return element("table", { className: "metrics" },
      element("thead", {}, head), element("tbody", {}, ...rows));
  }

  const pixels = (n) => `${Math.round(n).toLocaleString("en")} ${n === 1 ? "pixel" : "pixels"}`;

  // The heading and the verdict of a segment, and its metrics if wanted.
  return (run, segment, { full = true, image = "" } = {}) => {
    const { name, colour } = run.classOf(segment);
    const { quality: anchors, labelled } = run;
    const verdict = { true: "Doubtful: ", false: "Trusted: ", null: "No verdict: " };
    const parts = [
      element("h3", {}, metaseg.colours.swatch(colour), `${name} `,
        element("small", {}, `segment ${segment.segment}${image && ` of ${image}`}`)),
      bar("predicted IoU_adj", segment.iou_adj_predicted, anchors),
      ...(typeof segment.iou_adj_low === "number" ? [element("p", { className: "hint interval" },
        `between ${format(segment.iou_adj_low)} and ${format(segment.iou_adj_high)} in `
        + `${Number((100 * run.level).toPrecision(4))} % of such segments`)] : []),
      ...(labelled ? [bar("true IoU_adj", segment.iou_adj, anchors)] : []),
      ...(labelled && full ? [bar("true IoU", segment.iou, anchors)] : []),
      element("p", {}, element("b", {}, verdict[segment.doubtful]),
        "a false positive with probability ",
        element("span", { "data-metric": "false_positive_probability" },
          format(segment.false_positive_probability)),
        ...(segment.doubtful === null ? [] : [", none with ",
          format(1 - segment.false_positive_probability)]), ". ",
        segment.loss === null ? pixels(segment.S)
          : `Of ${pixels(segment.S)}, ${pixels(segment.loss)} are expected to be lost.`),
    ];
    return full ? [...parts, metrics(segment)] : parts;
  };
})();
