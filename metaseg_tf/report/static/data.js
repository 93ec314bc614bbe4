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
    run.classOf = (segment) => run.classes[segment.class_id];
    for (const image of run.images) {
      image.segments = image.rows.map((row) => toSegment(run, image, row));
      image.byNumber = new Map(image.segments.map((segment) => [segment.segment, segment]));
    }
    runs.push(run);
  }

  function toSegment(run, image, row) {
    const segment = { image: run.images.indexOf(image) };
    run.columns.forEach((name, column) => { segment[name] = row[column]; });
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

  async function putSegments(run, image, { height, width, numbers }) {
    const entry = waiting.get(`${run}/${image}`);
    unpack(numbers).then((array) => entry.resolve({ height, width, numbers: array }), entry.reject);
  }

  function format(value, digits = 2) {
    return value === null || value === undefined ? "–" : value.toFixed(digits);
  }

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

  return { runs, unpack, addRun, loadSegments, putSegments, format, element };
})();
