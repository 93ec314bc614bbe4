// Layers over the photograph: pictures of the whole image, and segments in one colour each.
"use strict";

metaseg.layers = (() => {
  const { colours, element } = metaseg;

  // A layer shows a picture (`file`), a value of each segment, or its class.
  const LAYERS = [
    { key: "image", name: "image", file: "image.jpg" },
    { key: "prediction", name: "prediction" },
    { key: "truth", name: "ground truth", file: "truth.png" },
    { key: "found", name: "ground truth by sIoU", file: "found.png", quality: true },
    { key: "entropy", name: "entropy E", file: "entropy.png", heat: true },
    { key: "difference", name: "difference D", file: "difference.png", heat: true },
    {
      key: "information", name: "mutual information I of the passes",
      file: "mutual_information.png", heat: true, most: "information",
    },
    { key: "true", name: "true IoU_adj", value: "iou_adj" },
    { key: "predicted", name: "predicted IoU_adj", value: "iou_adj_predicted" },
    {
      key: "false", name: "probability of a false positive",
      value: "false_positive_probability", falling: true,
    },
  ];

  const present = (run, image) => LAYERS.filter((one) => (one.file
    ? image.pictures.includes(one.file) : one.value !== "iou_adj" || run.labelled));

  // Orange is bad: a low IoU, or a high probability of a false positive.
  const anchorsOf = (layer, run) => (layer.falling ? [...run.quality].reverse() : run.quality);

  function colourOf(layer, run, segment) {
    if (!layer.value) return colours.parse(run.classOf(segment).colour);
    const value = segment[layer.value];
    return value === null ? colours.unknown : colours.interpolate(anchorsOf(layer, run), value);
  }

  // Pixels of no segment, and of segments that are not given, become transparent.
  function paintSegments(canvas, map, segments, colour) {
    const table = new Uint32Array(segments.reduce((most, s) => Math.max(most, s.segment), 0) + 1);
    for (const segment of segments) {
      const [r, g, b] = colour(segment);
      table[segment.segment] = ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0;
    }
    const pixels = new ImageData(map.width, map.height);
    const target = new Uint32Array(pixels.data.buffer);
    for (let i = 0; i < target.length; i++) target[i] = table[map.numbers[i]];
    canvas.getContext("2d").putImageData(pixels, 0, 0);
  }

  // The picture where the segments given are, or all of it where `segments` is null.
  async function paintPicture(canvas, source, map, segments) {
    const picture = new Image();
    picture.src = source;
    await picture.decode();
    const context = canvas.getContext("2d");
    context.clearRect(0, 0, canvas.width, canvas.height);
    context.drawImage(picture, 0, 0, canvas.width, canvas.height);
    if (!segments) return;
    const mask = element("canvas", { width: map.width, height: map.height });
    paintSegments(mask, map, segments, () => [0, 0, 0]);
    context.globalCompositeOperation = "destination-in";
    context.drawImage(mask, 0, 0);
    context.globalCompositeOperation = "source-over";
  }

  function ramp(name, anchors, most = 1) {
    const bar = element("span", { className: "ramp", "aria-hidden": "true" });
    bar.style.background = colours.gradient(anchors);
    const ticks = [0, 0.25, 0.5, 0.75, 1].map((tick) => element("span", {}, String(tick * most)));
    return [element("span", {}, name),
      element("span", { className: "scale" }, bar, element("span", { className: "ticks" }, ...ticks))];
  }

  // The classes that occur in an image, the largest first; a click shows one alone.
  function classes(run, ids, onClass) {
    return ids.map((id) => element("button", {
      type: "button", className: "class", title: `Show ${run.classes[id].name} alone`,
      onclick: () => onClass(id),
    }, colours.swatch(run.classes[id].colour), run.classes[id].name));
  }

  function predictedClasses(image) {
    const pixels = new Map();
    for (const s of image.segments) pixels.set(s.class_id, (pixels.get(s.class_id) ?? 0) + s.S);
    return [...pixels.keys()].sort((a, b) => pixels.get(b) - pixels.get(a));
  }

  function legend(layer, run, image, onClass) {
    if (layer.key === "image") return [];
    if (layer.heat) return ramp(layer.name, run.heat, run[layer.most]);
    if (layer.quality) return ramp(layer.name, run.quality);
    if (layer.key === "truth") {
      const known = image.truth.filter((id) => id < run.classes.length);
      const rest = known.length < image.truth.length
        ? [element("span", {}, colours.swatch("transparent"), "no ground truth")] : [];
      return [...classes(run, known, onClass), ...rest];
    }
    if (!layer.value) return classes(run, predictedClasses(image), onClass);
    const grey = image.segments.some((s) => s[layer.value] === null)
      ? [element("span", {}, colours.swatch(`rgb(${colours.unknown})`), "no verdict")] : [];
    return [...ramp(layer.name, anchorsOf(layer, run)), ...grey];
  }

  return { LAYERS, present, colourOf, paintSegments, paintPicture, legend };
})();
