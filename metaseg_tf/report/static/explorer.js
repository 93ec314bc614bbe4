// The segment explorer: an image under a layer that the pointer, the sliders and the list act on.
"use strict";

metaseg.explorer = (() => {
  const { runs, layers, element, format } = metaseg;
  const get = (id) => document.getElementById(id);
  if (!get("stage") || !runs.some((run) => run.images.length)) return null;

  const ZOOM_STEP = 1.6;
  const overlay = get("overlay");
  const state = {
    run: runs.findIndex((run) => run.images.length), image: 0, layer: "predicted",
    map: null, selected: null, hovered: null,
  };
  const run = () => runs[state.run];
  const image = () => run().images[state.image];
  const anchors = () => run().quality;
  const layer = () => layers.LAYERS.find((one) => one.key === state.layer);
  const threshold = () => Number(get("threshold").value);
  const isShown = (s) => s.iou_adj_predicted === null || s.iou_adj_predicted <= threshold();
  const visible = () => image().segments.filter(isShown);

  const view = metaseg.makeView(get("stage"), get("sheet"), get("outline"), {
    onHover: (number) => hover(find(number)),
    onChoose: (number) => choose(find(number)),
  });

  // The segment of that number, unless it is hidden.
  function find(number) {
    const segment = image().byNumber.get(number);
    return segment && isShown(segment) ? segment : null;
  }

  let painting = Promise.resolve();

  // One after the other: a picture that loads slowly must not cover a later choice.
  function paint() {
    painting = painting.then(async () => {
      if (!state.map) return;
      const segments = visible();
      overlay.style.opacity = get("opacity").value;
      overlay.style.visibility = layer().key === "image" ? "hidden" : "visible";
      if (!layer().file) {
        const colour = (s) => layers.colourOf(layer(), run(), s, anchors());
        layers.paintSegments(overlay, state.map, segments, colour);
      } else if (layer().key !== "image") {
        const source = `run${state.run}/${state.image}/${layer().file}`;
        const masked = threshold() < 1 ? segments : null;
        await layers.paintPicture(overlay, source, state.map, masked);
      }
      overlay.dataset.layer = state.layer;
      get("status").textContent = `${segments.length} of ${image().segments.length} segments shown`;
    });
    return painting;
  }

  const drawLegend = () => get("legend").replaceChildren(
    ...layers.legend(layer(), run(), image(), anchors()));

  function tell() {
    const segment = state.hovered ?? state.selected;
    const details = get("details");
    // The pointer passes over many segments, which nobody wants read out.
    details.setAttribute("aria-live", state.hovered ? "off" : "polite");
    details.dataset.segment = segment ? segment.segment : "";
    details.replaceChildren(...(segment
      ? metaseg.describe(run(), segment, anchors())
      : [element("p", { className: "hint" }, "Point at a segment, or choose one from the list.")]));
    view.outlineSegments([...new Set([state.hovered, state.selected])].filter(Boolean));
  }

  function hover(segment) {
    if (segment === state.hovered) return;
    state.hovered = segment;
    tell();
  }

  function choose(segment, { zoom = false } = {}) {
    Object.assign(state, { selected: segment, hovered: null });
    if (segment && zoom) view.zoomTo(segment);
    tell();
    metaseg.list.mark(segment);
  }

  // The next segment of this image in the order of the list.
  function step(direction) {
    const ordered = metaseg.list.select(run(), state.image)
      .filter((s) => s.image === state.image && isShown(s));
    if (!ordered.length) return;
    const at = ordered.indexOf(state.selected);
    const next = at < 0 && direction < 0 ? ordered.length - 1 : at + direction;
    choose(ordered[(next + ordered.length) % ordered.length], { zoom: view.isZoomed() });
  }

  function fill(select, names) {
    const options = names.map((name, i) => element("option", { value: String(i) }, name));
    select.replaceChildren(...options);
  }

  function fillLayers() {
    const present = layers.present(image());
    if (!present.includes(layer())) state.layer = "predicted";
    const labels = present.map((one) => element("label", {}, element("input", {
      type: "radio", name: "layer", value: one.key, checked: one.key === state.layer,
      onchange: () => { state.layer = one.key; drawLegend(); paint(); },
    }), element("span", {}, one.name)));
    get("layers").replaceChildren(element("legend", {}, "Layer"), ...labels);
  }

  function fillClasses() {
    const ids = new Set(run().images.flatMap((one) => one.segments.map((s) => s.class_id)));
    get("class").replaceChildren(element("option", { value: "" }, "all classes"),
      ...[...ids].sort((a, b) => a - b).map(
        (id) => element("option", { value: String(id) }, run().classes[id].name)));
  }

  function relist() {
    metaseg.list.show(run(), state.image, (s) => open(state.run, s.image, s.segment));
    metaseg.list.mark(state.selected);
  }

  function showPhotograph() {
    const photograph = get("photograph");
    const there = image().pictures.includes("image.jpg");
    photograph.hidden = !there;
    photograph.alt = there ? `Photograph ${image().name}` : "";
    if (there) photograph.src = `run${state.run}/${state.image}/image.jpg`;
    else photograph.removeAttribute("src");
  }

  async function showImage(runIndex, imageIndex) {
    const otherRun = runIndex !== state.run || !get("image").options.length;
    Object.assign(state, { run: runIndex, image: imageIndex, map: null });
    Object.assign(state, { selected: null, hovered: null });
    if (otherRun) {
      fill(get("image"), run().images.map((one) => one.name));
      fillClasses();
    }
    get("run").value = String(runIndex);
    get("image").value = String(imageIndex);
    fillLayers();
    const map = await metaseg.loadSegments(runIndex, imageIndex);
    if (state.run !== runIndex || state.image !== imageIndex) return;
    state.map = map;
    Object.assign(overlay, { width: map.width, height: map.height });
    showPhotograph();
    view.show(map);
    drawLegend();
    tell();
    relist();
    await paint();
  }

  // Show a segment of any image and run, even if it was hidden.
  async function open(runIndex, imageIndex, number) {
    if (runIndex !== state.run || imageIndex !== state.image || !state.map) {
      await showImage(runIndex, imageIndex);
    }
    const segment = image().byNumber.get(number);
    if (!isShown(segment)) {
      get("threshold").value = "1";
      showValues();
      paint();
    }
    choose(segment, { zoom: true });
    get("stage").scrollIntoView({ block: "nearest" });
  }

  function showValues() {
    for (const id of ["opacity", "threshold"]) {
      get(`${id}-value`).textContent = format(Number(get(id).value));
    }
  }

  function turn(by) {
    const n = run().images.length;
    showImage(state.run, (state.image + by + n) % n);
  }

  const KEYS = {
    ArrowRight: () => step(1), ArrowDown: () => step(1),
    ArrowLeft: () => step(-1), ArrowUp: () => step(-1),
    "+": () => view.zoomBy(ZOOM_STEP), "=": () => view.zoomBy(ZOOM_STEP),
    "-": () => view.zoomBy(1 / ZOOM_STEP), 0: () => view.zoomBy(0),
    Escape: () => choose(null),
  };

  function listen() {
    get("run").onchange = (event) => showImage(Number(event.target.value), 0);
    get("image").onchange = (event) => showImage(state.run, Number(event.target.value));
    get("previous-image").onclick = () => turn(-1);
    get("next-image").onclick = () => turn(1);
    get("opacity").oninput = () => { showValues(); overlay.style.opacity = get("opacity").value; };
    get("threshold").oninput = () => { showValues(); hover(null); paint(); };
    get("zoom-in").onclick = KEYS["+"];
    get("zoom-out").onclick = KEYS["-"];
    get("zoom-fit").onclick = KEYS[0];
    for (const id of ["order", "class", "scope", "interior"]) get(id).onchange = relist;
    get("stage").onkeydown = (event) => {
      if (!(event.key in KEYS) || event.target !== get("stage")) return;
      event.preventDefault();
      KEYS[event.key]();
    };
  }

  fill(get("run"), runs.map((one) => one.name));
  runs.forEach((one, i) => { get("run").options[i].disabled = !one.images.length; });
  showValues();
  listen();
  const ready = showImage(state.run, 0);

  return { state, open, ready, visible, painted: () => painting };
})();
