// The segment explorer: an image under a layer that the pointer, the sliders and the list act on.
"use strict";

metaseg.explorer = (() => {
  const { runs, element, format, colours } = metaseg;
  const get = (id) => document.getElementById(id);
  if (!get("stage") || !runs.some((run) => run.images.length)) return null;

  // A layer is a picture of its own (`file`) or a colour of each segment.
  const LAYERS = [
    { key: "image", name: "image", file: "image.jpg" },
    { key: "prediction", name: "prediction", colour: (s, run) => colours.parse(run.classOf(s).colour) },
    { key: "truth", name: "ground truth", file: "truth.png" },
    { key: "entropy", name: "entropy E", file: "entropy.png", heat: true },
    { key: "difference", name: "difference D", file: "difference.png", heat: true },
    { key: "true", name: "true IoU_adj", value: "iou_adj" },
    { key: "predicted", name: "predicted IoU_adj", value: "iou_adj_predicted" },
  ];
  const MAX_ZOOM = 16;

  const state = {
    run: runs.findIndex((run) => run.images.length), image: 0, layer: "predicted",
    map: null, selected: null, hovered: null, zoom: 1, x: 0.5, y: 0.5,
  };
  const overlay = get("overlay");
  const outline = get("outline");
  const mask = document.createElement("canvas");
  const run = () => runs[state.run];
  const image = () => run().images[state.image];
  const anchors = () => run().quality[get("scale").value];
  const layer = () => LAYERS.find((one) => one.key === state.layer);
  const isHidden = (s) => s.iou_adj_predicted !== null
    && s.iou_adj_predicted > Number(get("threshold").value);

  // --- painting -------------------------------------------------------------------------------

  function colourOf(segment) {
    if (layer().colour) return layer().colour(segment, run());
    const value = segment[layer().value];
    return value === null ? colours.unknown : colours.interpolate(anchors(), value);
  }

  // Paint each visible segment in one colour; pixels without segment stay transparent.
  function paintSegments(canvas, colour) {
    const { width, height, numbers } = state.map;
    const table = new Uint32Array(image().segments.reduce((m, s) => Math.max(m, s.segment), 0) + 1);
    for (const segment of image().segments) {
      if (isHidden(segment)) continue;
      const [r, g, b] = colour(segment);
      table[segment.segment] = ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0;
    }
    const pixels = new ImageData(width, height);
    const target = new Uint32Array(pixels.data.buffer);
    for (let i = 0; i < target.length; i++) target[i] = table[numbers[i]];
    canvas.getContext("2d").putImageData(pixels, 0, 0);
  }

  async function paintPicture(file) {
    const picture = new Image();
    picture.src = `run${state.run}/${state.image}/${file}`;
    await picture.decode();
    const context = overlay.getContext("2d");
    context.clearRect(0, 0, overlay.width, overlay.height);
    context.drawImage(picture, 0, 0, overlay.width, overlay.height);
    if (Number(get("threshold").value) === 1) return;
    paintSegments(mask, () => [0, 0, 0]);
    context.globalCompositeOperation = "destination-in";
    context.drawImage(mask, 0, 0);
    context.globalCompositeOperation = "source-over";
  }

  let painting = Promise.resolve();
  // One after the other: a picture that takes long must not cover a later choice.
  function paint() {
    painting = painting.then(async () => {
      if (!state.map) return;
      overlay.style.opacity = get("opacity").value;
      overlay.style.visibility = state.layer === "image" ? "hidden" : "visible";
      if (layer().file && layer().key !== "image") await paintPicture(layer().file);
      else if (!layer().file) paintSegments(overlay, colourOf);
      overlay.dataset.layer = state.layer;
      const shown = image().segments.filter((s) => !isHidden(s)).length;
      get("status").textContent = `${shown} of ${image().segments.length} segments shown`;
    });
    return painting;
  }

  // The pixels of a segment that touch another, with a light core on a dark edge.
  function drawOutline() {
    const context = outline.getContext("2d");
    context.clearRect(0, 0, outline.width, outline.height);
    for (const segment of new Set([state.hovered, state.selected])) {
      if (!segment) continue;
      const pixels = borderOf(segment);
      const scale = outline.width / (outline.clientWidth * state.zoom || outline.width);
      for (const [colour, size] of [["#000", 5 * scale], ["#fff", 2.5 * scale]]) {
        context.fillStyle = colour;
        for (const [x, y] of pixels) context.fillRect(x + 0.5 - size / 2, y + 0.5 - size / 2, size, size);
      }
    }
  }

  function borderOf({ segment, top, left, bottom, right }) {
    const { width, height, numbers } = state.map;
    const pixels = [];
    for (let y = top; y < bottom; y++) {
      for (let x = left; x < right; x++) {
        const i = y * width + x;
        if (numbers[i] !== segment) continue;
        const inside = x > 0 && y > 0 && x < width - 1 && y < height - 1
          && numbers[i - 1] === segment && numbers[i + 1] === segment
          && numbers[i - width] === segment && numbers[i + width] === segment;
        if (!inside) pixels.push([x, y]);
      }
    }
    return pixels;
  }

  function drawLegend() {
    const chosen = layer();
    const scale = chosen.heat ? run().heat : chosen.value ? anchors() : null;
    if (scale) {
      const ramp = element("span", { className: "ramp", "aria-hidden": "true" });
      ramp.style.background = colours.gradient(scale);
      get("legend").replaceChildren(element("span", {}, `${chosen.name}: 0`), ramp, element("span", {}, "1"));
      return;
    }
    const ids = chosen.key === "image" ? [] : [...new Set(image().segments.map((s) => s.class_id))];
    get("legend").replaceChildren(...ids.sort((a, b) => a - b).map((id) => {
      const swatch = element("span", { className: "swatch", "aria-hidden": "true" });
      swatch.style.background = run().classes[id].colour;
      return element("span", {}, swatch, run().classes[id].name);
    }));
  }

  // --- choosing -------------------------------------------------------------------------------

  function tell() {
    const segment = state.hovered ?? state.selected;
    const details = get("details");
    details.setAttribute("aria-live", state.hovered ? "off" : "polite");
    if (!segment) {
      details.replaceChildren(element("p", { className: "hint" },
        "Point at a segment, or choose one from the list."));
      delete details.dataset.segment;
      return;
    }
    details.dataset.segment = segment.segment;
    details.replaceChildren(...metaseg.describe(run(), segment, anchors()));
  }

  function hover(segment) {
    if (segment === state.hovered) return;
    state.hovered = segment;
    tell();
    drawOutline();
  }

  function choose(segment, { zoom = false } = {}) {
    state.selected = segment;
    state.hovered = null;
    if (segment && zoom) zoomTo(segment);
    tell();
    drawOutline();
    metaseg.list.mark(segment);
  }

  function segmentAt(event) {
    if (!state.map) return null;
    const box = outline.getBoundingClientRect();
    const x = Math.floor(((event.clientX - box.left) / box.width) * state.map.width);
    const y = Math.floor(((event.clientY - box.top) / box.height) * state.map.height);
    if (x < 0 || y < 0 || x >= state.map.width || y >= state.map.height) return null;
    const segment = image().byNumber.get(state.map.numbers[y * state.map.width + x]);
    return segment && !isHidden(segment) ? segment : null;
  }

  function step(direction) {
    const ordered = metaseg.list.select(run(), state.image)
      .filter((s) => s.image === state.image && !isHidden(s));
    if (!ordered.length) return;
    const at = ordered.indexOf(state.selected);
    const next = at < 0 ? (direction > 0 ? 0 : ordered.length - 1) : at + direction;
    choose(ordered[(next + ordered.length) % ordered.length], { zoom: state.zoom > 1 });
  }

  // --- zoom -----------------------------------------------------------------------------------

  function placeSheet() {
    const half = 0.5 / state.zoom;
    state.x = Math.min(Math.max(state.x, half), 1 - half);
    state.y = Math.min(Math.max(state.y, half), 1 - half);
    const [x, y] = [state.x, state.y].map((at) => 100 * (0.5 / state.zoom - at));
    get("sheet").style.transform = `scale(${state.zoom}) translate(${x}%, ${y}%)`;
    get("stage").classList.toggle("zoomed", state.zoom > 1);
    drawOutline();
  }

  function zoomBy(factor) {
    state.zoom = Math.min(Math.max(state.zoom * factor, 1), MAX_ZOOM);
    placeSheet();
  }

  function zoomTo({ top, left, bottom, right }) {
    const { width, height } = state.map;
    const share = Math.max((right - left) / width, (bottom - top) / height);
    state.zoom = Math.min(Math.max(0.4 / share, 1), MAX_ZOOM / 2);
    [state.x, state.y] = [(left + right) / 2 / width, (top + bottom) / 2 / height];
    placeSheet();
  }

  // --- images and runs ------------------------------------------------------------------------

  function fill(select, names) {
    select.replaceChildren(...names.map((name, i) => element("option", { value: String(i) }, name)));
  }

  function fillLayers() {
    const present = LAYERS.filter((one) => !one.file || image().pictures.includes(one.file));
    if (!present.some((one) => one.key === state.layer)) state.layer = "predicted";
    const made = present.map((one) => element("label", {}, element("input", {
      type: "radio", name: "layer", value: one.key, checked: one.key === state.layer,
      onchange: () => { state.layer = one.key; drawLegend(); paint(); },
    }), element("span", {}, one.name)));
    get("layers").replaceChildren(element("legend", {}, "Layer"), ...made);
  }

  function fillClasses() {
    const chosen = get("class").value;
    const ids = new Set(run().images.flatMap((one) => one.segments.map((s) => s.class_id)));
    get("class").replaceChildren(element("option", { value: "" }, "all classes"),
      ...[...ids].sort((a, b) => a - b).map(
        (id) => element("option", { value: String(id) }, run().classes[id].name)));
    get("class").value = ids.has(Number(chosen)) && chosen !== "" ? chosen : "";
  }

  const relist = () => {
    metaseg.list.show(run(), state.image, (s) => open(state.run, s.image, s.segment));
    metaseg.list.mark(state.selected);
  };

  async function showImage(runIndex, imageIndex) {
    const otherRun = runIndex !== state.run || !get("image").options.length;
    Object.assign(state, { run: runIndex, image: imageIndex, map: null, selected: null, hovered: null, zoom: 1 });
    get("run").value = String(runIndex);
    if (otherRun) {
      fill(get("image"), run().images.map((one) => one.name));
      fillClasses();
    }
    get("image").value = String(imageIndex);
    fillLayers();
    const map = await metaseg.loadSegments(runIndex, imageIndex);
    if (state.run !== runIndex || state.image !== imageIndex) return;
    state.map = map;
    for (const canvas of [overlay, outline, mask]) Object.assign(canvas, { width: map.width, height: map.height });
    get("sheet").style.aspectRatio = `${map.width} / ${map.height}`;
    showPhotograph();
    placeSheet();
    drawLegend();
    tell();
    relist();
    await paint();
  }

  function showPhotograph() {
    const photograph = get("photograph");
    const there = image().pictures.includes("image.jpg");
    photograph.hidden = !there;
    photograph.alt = there ? `Photograph ${image().name}` : "";
    if (there) photograph.src = `run${state.run}/${state.image}/image.jpg`;
    else photograph.removeAttribute("src");
  }

  // Show a segment, on whatever image of whatever run it is.
  async function open(runIndex, imageIndex, number) {
    if (runIndex !== state.run || imageIndex !== state.image || !state.map) {
      await showImage(runIndex, imageIndex);
    }
    const segment = image().byNumber.get(number);
    if (isHidden(segment)) {
      get("threshold").value = "1";
      showValues();
      paint();
    }
    choose(segment, { zoom: true });
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    get("stage").scrollIntoView({ block: "nearest", behavior: still ? "auto" : "smooth" });
  }

  function showValues() {
    for (const id of ["opacity", "threshold"]) get(`${id}-value`).textContent = format(Number(get(id).value));
  }

  function turn(by) {
    const n = run().images.length;
    showImage(state.run, (state.image + by + n) % n);
  }

  // --- events ---------------------------------------------------------------------------------

  function listen() {
    get("run").onchange = (event) => showImage(Number(event.target.value), 0);
    get("image").onchange = (event) => showImage(state.run, Number(event.target.value));
    get("previous-image").onclick = () => turn(-1);
    get("next-image").onclick = () => turn(1);
    get("opacity").oninput = () => { showValues(); overlay.style.opacity = get("opacity").value; };
    get("threshold").oninput = () => { showValues(); hover(null); paint(); };
    get("scale").onchange = () => { drawLegend(); tell(); paint(); };
    get("zoom-in").onclick = () => zoomBy(1.6);
    get("zoom-out").onclick = () => zoomBy(1 / 1.6);
    get("zoom-fit").onclick = () => zoomBy(0);
    for (const id of ["order", "class", "scope", "interior"]) get(id).onchange = relist;
    addEventListener("resize", drawOutline);
    listenToPointer();
    get("stage").onkeydown = (event) => {
      const action = {
        ArrowRight: () => step(1), ArrowDown: () => step(1),
        ArrowLeft: () => step(-1), ArrowUp: () => step(-1),
        "+": () => zoomBy(1.6), "=": () => zoomBy(1.6), "-": () => zoomBy(1 / 1.6),
        0: () => zoomBy(0), Escape: () => choose(null),
      }[event.key];
      if (!action || event.target !== get("stage")) return;
      event.preventDefault();
      action();
    };
  }

  function listenToPointer() {
    let grip = null;
    outline.onpointerdown = (event) => {
      grip = { x: event.clientX, y: event.clientY, moved: false };
    };
    outline.onpointermove = (event) => {
      if (!grip || !event.buttons) {
        if (event.pointerType !== "touch") hover(segmentAt(event));
        return;
      }
      const box = outline.getBoundingClientRect();
      const [dx, dy] = [event.clientX - grip.x, event.clientY - grip.y];
      if (!grip.moved && Math.hypot(dx, dy) < 4) return;
      outline.setPointerCapture(event.pointerId);
      state.x -= dx / box.width;
      state.y -= dy / box.height;
      grip = { x: event.clientX, y: event.clientY, moved: true };
      placeSheet();
    };
    outline.onpointerup = (event) => {
      if (grip && !grip.moved) choose(segmentAt(event));
      grip = null;
    };
    outline.onpointerleave = () => hover(null);
    outline.onpointercancel = () => { grip = null; };
  }

  fill(get("run"), runs.map((one) => one.name));
  runs.forEach((one, i) => { get("run").options[i].disabled = !one.images.length; });
  showValues();
  listen();
  const ready = showImage(state.run, 0);

  return {
    state, open, ready,
    painted: () => painting,
    visible: () => image().segments.filter((s) => !isHidden(s)).map((s) => s.segment),
  };
})();
