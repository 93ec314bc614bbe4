// The stage: which part of the image is in view, where the pointer is in it, and outlines on top.
"use strict";

metaseg.makeView = (stage, sheet, outline, { onHover, onChoose }) => {
  const MAX_ZOOM = 16;
  const DRAG = 4;
  const view = { zoom: 1, x: 0.5, y: 0.5 };
  let map = null;
  let outlined = [];

  function place() {
    const half = 0.5 / view.zoom;
    view.x = Math.min(Math.max(view.x, half), 1 - half);
    view.y = Math.min(Math.max(view.y, half), 1 - half);
    const [x, y] = [view.x, view.y].map((at) => 100 * (half - at));
    sheet.style.transform = `scale(${view.zoom}) translate(${x}%, ${y}%)`;
    stage.classList.toggle("zoomed", view.zoom > 1);
    draw();
  }

  // Edges between the pixels of a segment and others, as one path in pixels of the image.
  function trace({ segment, top, left, bottom, right }) {
    const path = new Path2D();
    const { width, height, numbers } = map;
    const at = (x, y) => x >= 0 && y >= 0 && x < width && y < height
      && numbers[y * width + x] === segment;
    const edge = (x, y, toX, toY) => { path.moveTo(x, y); path.lineTo(toX, toY); };
    for (let y = top; y < bottom; y++) {
      for (let x = left; x < right; x++) {
        if (!at(x, y)) continue;
        if (!at(x, y - 1)) edge(x, y, x + 1, y);
        if (!at(x, y + 1)) edge(x, y + 1, x + 1, y + 1);
        if (!at(x - 1, y)) edge(x, y, x, y + 1);
        if (!at(x + 1, y)) edge(x + 1, y, x + 1, y + 1);
      }
    }
    return path;
  }

  // A light line on a dark one shows on any ground.
  function draw() {
    const ratio = devicePixelRatio || 1;
    outline.width = outline.clientWidth * ratio;
    outline.height = outline.clientHeight * ratio;
    if (!map) return;
    const scale = (outline.width * view.zoom) / map.width;
    const context = outline.getContext("2d");
    context.setTransform(scale, 0, 0, scale,
      outline.width * (0.5 - view.x * view.zoom), outline.height * (0.5 - view.y * view.zoom));
    context.lineCap = "round";
    for (const path of outlined) {
      for (const [colour, width] of [["#000", 5], ["#fff", 2.5]]) {
        context.strokeStyle = colour;
        context.lineWidth = (width * ratio) / scale;
        context.stroke(path);
      }
    }
  }

  // The number of the segment under the pointer, 0 for none.
  function numberAt(event) {
    if (!map) return 0;
    const box = outline.getBoundingClientRect();
    const across = (event.clientX - box.left) / box.width;
    const down = (event.clientY - box.top) / box.height;
    const x = Math.floor((view.x + (across - 0.5) / view.zoom) * map.width);
    const y = Math.floor((view.y + (down - 0.5) / view.zoom) * map.height);
    return map.numbers[Math.min(Math.max(y, 0), map.height - 1) * map.width
      + Math.min(Math.max(x, 0), map.width - 1)];
  }

  function zoomBy(factor) {
    view.zoom = Math.min(Math.max(view.zoom * factor, 1), MAX_ZOOM);
    place();
  }

  // Far enough to see the segment in what is around it.
  function zoomTo({ top, left, bottom, right }) {
    const share = Math.max((right - left) / map.width, (bottom - top) / map.height);
    view.zoom = Math.min(Math.max(0.4 / share, 1), MAX_ZOOM / 2);
    view.x = (left + right) / 2 / map.width;
    view.y = (top + bottom) / 2 / map.height;
    place();
  }

  function show(newMap) {
    map = newMap;
    outlined = [];
    sheet.style.aspectRatio = `${map.width} / ${map.height}`;
    view.zoom = 1;
    place();
  }

  function outlineSegments(segments) {
    outlined = segments.map(trace);
    draw();
  }

  let grip = null;

  function drag(event) {
    const [dx, dy] = [event.clientX - grip.x, event.clientY - grip.y];
    if (!grip.moved && Math.hypot(dx, dy) < DRAG) return;
    outline.setPointerCapture(event.pointerId);
    view.x -= dx / outline.clientWidth / view.zoom;
    view.y -= dy / outline.clientHeight / view.zoom;
    grip = { x: event.clientX, y: event.clientY, moved: true };
    place();
  }

  outline.onpointerdown = (event) => {
    grip = { x: event.clientX, y: event.clientY, moved: false };
  };
  outline.onpointermove = (event) => {
    if (grip && event.buttons) drag(event);
    else if (event.pointerType !== "touch") onHover(numberAt(event));
  };
  outline.onpointerup = (event) => {
    if (grip && !grip.moved) onChoose(numberAt(event));
    grip = null;
  };
  outline.onpointercancel = () => { grip = null; };
  outline.onpointerleave = () => onHover(0);
  addEventListener("resize", draw);

  return { show, zoomBy, zoomTo, outlineSegments, isZoomed: () => view.zoom > 1 };
};
