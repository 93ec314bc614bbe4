// The data of run*.js, and how packed arrays are read. Everything is a property of `metaseg`.
"use strict";

const metaseg = (() => {
  const runs = [];
  const waiting = new Map();

  // Base64 of zlib output, as the typed array that Python named; see report/explorer.py.
  async function unpack({ type, data }) {
    const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    return new globalThis[type](await new Response(stream).arrayBuffer());
  }

  function addRun(run) {
    // By its name in links, with a number where another run has the same.
    const same = runs.filter((other) => other.name === run.name).length;
    run.id = same ? `${run.name} (${same + 1})` : run.name;
    run.classOf = (segment) => run.classes[segment.class_id];
    run.images.forEach((image, index) => {
      image.segments = image.rows.map((row, place) => toSegment(run, row, index, place));
      image.byNumber = new Map(image.segments.map((segment) => [segment.segment, segment]));
    });
    runs.push(run);
  }

  // A row of the table with its place, its expected loss in pixels, and the classifier's verdict.
  function toSegment(run, row, image, place) {
    const segment = { image, place };
    run.columns.forEach((name, column) => { segment[name] = row[column]; });
    return judge(run, segment);
  }

  function judge(run, segment) {
    const { S, iou_adj_predicted: quality, false_positive_probability: odds } = segment;
    segment.loss = quality === null ? null : S * (1 - quality);
    segment.doubtful = odds === null ? null : odds >= run.doubtful;
    return segment;
  }

  // Segment maps are large: each comes as a script of its own when its image is first shown.
  function loadSegments(run, image) {
    const key = `${run}/${image}`;
    if (!waiting.has(key)) {
      const entry = {};
      entry.promise = new Promise((resolve, reject) => Object.assign(entry, { resolve, reject }));
      waiting.set(key, entry);
      const script = document.createElement("script");
      script.src = `run${run}/${image}/segments.js`;
      script.onerror = () => entry.reject(new Error(`${script.src} is missing`));
      document.head.append(script);
    }
    return waiting.get(key).promise;
  }

  async function putSegments(run, image, { height, width, numbers, explanation }) {
    const { resolve, reject } = waiting.get(`${run}/${image}`);
    try {
      const found = { height, width, numbers: await unpack(numbers), explanation: {} };
      for (const [verdict, { step, values }] of Object.entries(explanation)) {
        found.explanation[verdict] = { step, values: await unpack(values) };
      }
      resolve(found);
    } catch (error) {
      reject(error);
    }
  }

  function format(value, digits = 2) {
    return value === null || value === undefined ? "–" : value.toFixed(digits);
  }

  const count = (n, what) => `${n} ${what}${n === 1 ? "" : "s"}`;

  // An element with attributes and children, so that no text is ever read as HTML.
  function element(tag, attributes = {}, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name in made) made[name] = value;
      else made.setAttribute(name, value);
    }
    made.append(...children);
    return made;
  }

  return { runs, unpack, addRun, judge, loadSegments, putSegments, format, count, element };
})();
