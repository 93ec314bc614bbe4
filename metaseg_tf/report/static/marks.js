// Marks that a reader gives to segments: kept by the browser, exported as CSV and JSON.
"use strict";

metaseg.marks = (() => {
  const { runs, element } = metaseg;
  const KINDS = { trust: "trust", doubt: "doubt", wrong: "wrong class" };
  const KEYS = { t: "trust", d: "doubt", w: "wrong" };
  // As inert_cell in runs/run.py: what a spreadsheet would take for a formula.
  const FORMULA = /^'*[=+\-@\t\r]/;
  const keyOf = (run, image) => `metaseg-tf/${run.name}/${image.name}/${image.fingerprint}`;
  let refused = null;

  function read(run, image) {
    image.marks = {};
    try {
      const kept = JSON.parse(localStorage.getItem(keyOf(run, image)) ?? "{}");
      for (const [number, kind] of Object.entries(kept)) {
        if (kind in KINDS && image.byNumber.has(Number(number))) image.marks[number] = kind;
      }
    } catch (error) {
      refused = error;
    }
  }

  function write(run, image) {
    try {
      if (Object.keys(image.marks).length) {
        localStorage.setItem(keyOf(run, image), JSON.stringify(image.marks));
      } else {
        localStorage.removeItem(keyOf(run, image));
      }
    } catch (error) {
      refused = error;
    }
  }

  const of = (run, segment) => run.images[segment.image].marks[segment.segment] ?? null;

  // Give segments of a run a mark, or take it away where all have it already or it is null.
  function put(run, segments, kind) {
    const given = segments.every((s) => of(run, s) === kind) ? null : kind;
    for (const s of segments) {
      const { marks } = run.images[s.image];
      if (given === null) delete marks[s.segment];
      else marks[s.segment] = given;
    }
    for (const at of new Set(segments.map((s) => s.image))) write(run, run.images[at]);
    return given;
  }

  function buttons(run, segments, onPut) {
    return Object.entries(KINDS).map(([kind, words]) => element("button", {
      type: "button", className: `mark ${kind}`, disabled: !segments.length,
      "aria-pressed": String(segments.length > 0 && segments.every((s) => of(run, s) === kind)),
      "aria-keyshortcuts": kind[0], onclick: () => onPut(kind),
    }, words));
  }

  const COLUMNS = ["top", "left", "bottom", "right", "S", "iou_adj_predicted", "iou_adj_linear",
    "false_positive_probability", "iou_adj_low", "iou_adj_high"];
  const TRUTH = ["iou_adj", "iou"];

  // One object per segment, with the names of judged.csv.
  function toRecord(run, segment) {
    const record = {
      image: run.images[segment.image].name, segment: segment.segment,
      class_id: segment.class_id, class_name: run.classOf(segment).name,
    };
    const there = run.labelled ? [...COLUMNS, ...TRUTH] : COLUMNS;
    for (const name of there) {
      record[name === "S" ? "area" : name] = segment[name];
    }
    return { ...record, expected_loss: segment.loss, mark: KINDS[of(run, segment)] ?? null };
  }

  function toCell(value) {
    if (typeof value !== "string") return value === null ? "" : String(value);
    const inert = FORMULA.test(value) ? `'${value}` : value;
    return /[",\r\n]/.test(inert) ? `"${inert.replaceAll('"', '""')}"` : inert;
  }

  function toText(run, segments, format) {
    const records = segments.map((segment) => toRecord(run, segment));
    if (format === "json") return `${JSON.stringify(records, null, 1)}\n`;
    const header = Object.keys(toRecord(run, segments[0] ?? run.images[0].segments[0]));
    const rows = records.map((record) => header.map((name) => toCell(record[name])));
    return [header, ...rows].map((cells) => `${cells.join(",")}\n`).join("");
  }

  function offer(text, format, name) {
    const type = format === "json" ? "application/json" : "text/csv";
    const url = URL.createObjectURL(new Blob([text], { type }));
    element("a", { href: url, download: name }).click();
    setTimeout(() => URL.revokeObjectURL(url), 10_000);
  }

  const save = (run, segments, format) =>
    offer(toText(run, segments, format), format, `${run.name} segments.${format}`);

  const marked = (run) => run.images.flatMap((image) => image.segments)
    .filter((segment) => of(run, segment) !== null);

  const readAll = () => runs.forEach((run) => run.images.forEach((image) => read(run, image)));
  readAll();

  return {
    KINDS, KEYS, of, put, buttons, marked, toCell, toText, offer, save, readAll,
    isKept: () => refused === null,
  };
})();
