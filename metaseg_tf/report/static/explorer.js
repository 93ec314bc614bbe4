// The segment explorer: an image under a layer that the pointer, the filters and the list act on.
"use strict";

metaseg.explorer = (() => {
  const { runs, layers, filters, marks, link, element, format } = metaseg;
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
  const layer = () => layers.LAYERS.find((one) => one.key === state.layer);
  const visible = () => image().segments.filter(filters.current(run()));

  const view = metaseg.makeView(get("stage"), get("sheet"), get("outline"), {
    onHover: (number) => hover(find(number)),
    onChoose: (number) => choose(find(number)),
  });

  // The segment of that number, unless it is hidden.
  function find(number) {
    const segment = image().byNumber.get(number);
    return segment && filters.current(run())(segment) ? segment : null;
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
        const colour = (s) => layers.colourOf(layer(), run(), s);
        layers.paintSegments(overlay, state.map, segments, colour);
      } else if (layer().key !== "image") {
        const source = `run${state.run}/${state.image}/${layer().file}`;
        const masked = segments.length < image().segments.length ? segments : null;
        await layers.paintPicture(overlay, source, state.map, masked);
      }
      overlay.dataset.layer = state.layer;
      get("status").textContent = `${segments.length} of ${image().segments.length} segments shown`;
    });
    return painting;
  }

  const drawLegend = () => get("legend").replaceChildren(
    ...layers.legend(layer(), run(), image(), (id) => {
      get("class").value = get("class").value === String(id) ? "" : String(id);
      refilter();
    }));

  function act(segment) {
    const copied = element("span", { role: "status" });
    const address = link.to(run(), image(), segment.segment);
    const copy = () => navigator.clipboard.writeText(new URL(address, location.href).href).then(
      () => { copied.textContent = "copied"; },
      () => { copied.textContent = "copy the address of the link on the left"; });
    return [
      element("p", { className: "pair", role: "group", "aria-label": "Mark this segment" },
        ...marks.buttons(run(), [segment], (kind) => mark([segment], kind))),
      element("p", {}, element("a", { href: address }, "Link to this segment"), " ",
        element("button", { type: "button", id: "copy", onclick: copy }, "Copy"), " ", copied),
    ];
  }

  function tell() {
    const segment = state.hovered ?? state.selected;
    const details = get("details");
    // The pointer passes over many segments, which nobody wants read out.
    details.setAttribute("aria-live", state.hovered ? "off" : "polite");
    details.dataset.segment = segment ? segment.segment : "";
    details.replaceChildren(...(segment && state.map
      ? [...metaseg.describe(run(), segment), ...act(segment),
        ...metaseg.why(run(), segment, state.map.explanation, tell)]
      : [element("p", { className: "hint" }, "Point at a segment, or choose one from the list.")]));
    view.outlineSegments([...new Set([state.hovered, state.selected])].filter(Boolean));
  }

  function hover(segment) {
    if (segment === state.hovered) return;
    state.hovered = segment;
    tell();
  }

  // `past` is true where the way back should lead to what was shown before.
  function choose(segment, { zoom = false, past = true } = {}) {
    Object.assign(state, { selected: segment, hovered: null });
    if (segment && zoom) view.zoomTo(segment);
    tell();
    metaseg.list.mark(segment);
    address(past && segment !== null);
  }

  function address(past) {
    const hash = link.to(run(), image(), state.selected?.segment);
    if (location.hash === hash) return;
    if (past) location.hash = hash;
    else location.replace(hash);
  }

  // The next segment of this image in the order of the list.
  function step(direction) {
    const ordered = metaseg.list.select(run(), state.image).filter((s) => s.image === state.image);
    if (!ordered.length) return;
    const at = ordered.indexOf(state.selected);
    const next = at < 0 && direction < 0 ? ordered.length - 1 : at + direction;
    const segment = ordered[(next + ordered.length) % ordered.length];
    choose(segment, { zoom: view.isZoomed(), past: false });
  }

  function mark(segments, kind) {
    if (!segments.length) return;
    const given = marks.put(run(), segments, kind);
    const words = given === null ? "mark taken away" : `marked: ${marks.KINDS[given]}`;
    const kept = marks.isKept() ? "" : ". This browser keeps nothing for this page: marks last "
      + "until it is closed, so export them";
    get("marks-status").textContent = `${metaseg.count(segments.length, "segment")} ${words}${kept}`;
    refilter();
  }

  function fill(select, names) {
    const options = names.map((name, i) => element("option", { value: String(i) }, name));
    select.replaceChildren(...options);
  }

  // With what it comes early for; see choose_images in report/explorer.py.
  function nameImage({ name, segments }) {
    const sum = (value) => segments.reduce((total, s) => total + value(s), 0);
    const words = run().labelled
      ? metaseg.count(sum((s) => Number(s.iou_adj === 0 && s.S_in > 0)), "false positive")
      : `${(100 * sum((s) => s.loss) / sum((s) => s.S)).toFixed(1)}% expected loss`;
    return `${name} (${words})`;
  }

  function fillLayers() {
    const present = layers.present(run(), image());
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

  function refilter() {
    state.hovered = null;
    tell();
    relist();
    return paint();
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
      fill(get("image"), run().images.map(nameImage));
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
    await refilter();
  }

  // Show a segment of any image and run, even if it was hidden; without one, the image.
  async function open(runIndex, imageIndex, number, { past = true } = {}) {
    if (runIndex !== state.run || imageIndex !== state.image || !state.map) {
      await showImage(runIndex, imageIndex);
    }
    const segment = number === null ? null : image().byNumber.get(number);
    if (segment && !filters.current(run())(segment)) {
      filters.reset();
      refilter();
    }
    choose(segment, { zoom: true, past });
    get("stage").scrollIntoView({ block: "nearest" });
  }

  // What the address names, if that is not what is shown.
  function follow() {
    const named = link.read();
    if (named === null || location.hash === link.to(run(), image(), state.selected?.segment)) {
      return null;
    }
    get("link-status").textContent = named.missing ?? "";
    return named.missing ? null : open(named.run, named.image, named.number, { past: false });
  }

  async function turnTo(runIndex, imageIndex) {
    await showImage(runIndex, imageIndex);
    address(true);
  }

  function turn(by) {
    const n = run().images.length;
    return turnTo(state.run, (state.image + by + n) % n);
  }

  const KEYS = {
    ArrowRight: () => step(1), ArrowDown: () => step(1),
    ArrowLeft: () => step(-1), ArrowUp: () => step(-1),
    "+": () => view.zoomBy(ZOOM_STEP), "=": () => view.zoomBy(ZOOM_STEP),
    "-": () => view.zoomBy(1 / ZOOM_STEP), 0: () => view.zoomBy(0),
    Escape: () => choose(null),
  };
  const ofStage = () => (state.selected ? [state.selected] : []);
  const ofList = () => (metaseg.list.ticked.size ? [...metaseg.list.ticked] : ofStage());

  function onKey(event, keys, segments) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key in marks.KEYS) mark(segments(), marks.KEYS[event.key]);
    else if (event.key in keys) keys[event.key]();
    else return;
    event.preventDefault();
  }

  function listen() {
    get("run").onchange = (event) => turnTo(Number(event.target.value), 0);
    get("image").onchange = (event) => turnTo(state.run, Number(event.target.value));
    get("previous-image").onclick = () => turn(-1);
    get("next-image").onclick = () => turn(1);
    const showOpacity = () => { get("opacity-value").textContent = format(Number(get("opacity").value)); };
    get("opacity").oninput = () => { showOpacity(); overlay.style.opacity = get("opacity").value; };
    showOpacity();
    filters.listen(refilter);
    get("zoom-in").onclick = KEYS["+"];
    get("zoom-out").onclick = KEYS["-"];
    get("zoom-fit").onclick = KEYS[0];
    for (const id of ["order", "scope"]) get(id).onchange = relist;
    get("mark-ticked").append(
      ...marks.buttons(run(), ofList(), (kind) => mark(ofList(), kind)));
    for (const format of ["csv", "json"]) {
      get(`export-${format}`).onclick = () => marks.save(run(), get("what").value === "marked"
        ? marks.marked(run()) : metaseg.list.select(run(), state.image), format);
    }
    get("stage").onkeydown = (event) => {
      if (event.target === get("stage")) onKey(event, KEYS, ofStage);
    };
    get("listed").onkeydown = (event) => onKey(event, {}, ofList);
    addEventListener("hashchange", follow);
    // Marks that another tab has kept.
    addEventListener("storage", () => { marks.readAll(); relist(); });
  }

  fill(get("run"), runs.map((one) => one.id));
  runs.forEach((one, i) => { get("run").options[i].disabled = !one.images.length; });
  listen();
  const ready = Promise.resolve(follow() ?? showImage(state.run, 0));

  return { state, open, ready, visible, view, painted: () => painting };
})();
