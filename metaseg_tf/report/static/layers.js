// Layers over the photograph: pictures of the whole image, and segments in one colour each.
"use strict";

metaseg.layers = (() => {
  const { colours, element } = metaseg;

  // A layer shows a picture (`file`), a value of each segment, or its class.
  const LAYERS = [
    { key: "image", name: "image", file: "image.jpg" },
    { key: "prediction", name: "prediction" },
    { key: "truth", name: "ground truth", file: "truth.png" },
    { key: "entropy", name: "entropy E", file: "entropy.png", heat: true },
    { key: "difference", name: "difference D", file: "difference.png", heat: true },
    { key: "true", name: "true IoU_adj", value: "iou_adj" },
    { key: "predicted", name: "predicted IoU_adj", value: "iou_adj_predicted" },
  ];

  const present = (image) => LAYERS.filter((one) => !one.file || image.pictures.includes(one.file));

  function colourOf(layer, run, segment, anchors) {
    if (!layer.value) return colours.parse(run.classOf(segment).colour);
    const value = segment[layer.value];
    return value === null ? colours.unknown : colours.interpolate(anchors, value);
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

  function ramp(name, anchors) {
    const bar = element("span", { className: "ramp", "aria-hidden": "true" });
    bar.style.background = colours.gradient(anchors);
    return [element("span", {}, `${name}: 0`), bar, element("span", {}, "1")];
  }

  function swatches(run, image) {
    const ids = [...new Set(image.segments.map((s) => s.class_id))].sort((a, b) => a - b);
    return ids.map((id) => {
      const swatch = element("span", { className: "swatch", "aria-hidden": "true" });
      swatch.style.background = run.classes[id].colour;
      return element("span", {}, swatch, run.classes[id].name);
    });
  }

  function legend(layer, run, image, anchors) {
    if (layer.key === "image") return [];
    if (layer.heat) return ramp(layer.name, run.heat);
    if (!layer.value) return swatches(run, image);
    const grey = image.segments.some((s) => s[layer.value] === null) ? ["grey: no verdict"] : [];
    return [...ramp(layer.name, anchors), ...grey];
  }

  return { LAYERS, present, colourOf, paintSegments, paintPicture, legend };
})();
