// The stage: which part of the image is in view, where the pointer is in it, and outlines on top.
"use strict";

metaseg.makeView = (stage, sheet, outline, { onHover, onChoose }) => {
  const MAX_ZOOM = 16;
  const DRAG = 4;
  const view = { zoom: 1, x: 0.5, y: 0.5 };
  let map = null;
  let outlined = [];

  function settle() {
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

  // What lies below a place on the screen, by default the middle, stays there.
  function zoomBy(factor, place = null) {
    const box = outline.getBoundingClientRect();
    const [across, down] = place === null ? [0, 0]
      : [(place.x - box.left) / box.width - 0.5, (place.y - box.top) / box.height - 0.5];
    const before = view.zoom;
    view.zoom = Math.min(Math.max(view.zoom * factor, 1), MAX_ZOOM);
    view.x += across * (1 / before - 1 / view.zoom);
    view.y += down * (1 / before - 1 / view.zoom);
    settle();
  }

  // Far enough to see the segment in what is around it.
  function zoomTo({ top, left, bottom, right }) {
    const share = Math.max((right - left) / map.width, (bottom - top) / map.height);
    view.zoom = Math.min(Math.max(0.4 / share, 1), MAX_ZOOM / 2);
    view.x = (left + right) / 2 / map.width;
    view.y = (top + bottom) / 2 / map.height;
    settle();
  }

  function show(newMap) {
    map = newMap;
    outlined = [];
    sheet.style.aspectRatio = `${map.width} / ${map.height}`;
    view.zoom = 1;
    settle();
  }

  function outlineSegments(segments) {
    outlined = segments.map(trace);
    draw();
  }

  const pointers = new Map();
  let moved = false;

  // How far apart two fingers are, and what is between them.
  function pinch() {
    const [a, b] = [...pointers.values()];
    return { apart: Math.hypot(a.x - b.x, a.y - b.y) || 1, x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 };
  }

  function pan(from, to) {
    view.x -= (to.x - from.x) / outline.clientWidth / view.zoom;
    view.y -= (to.y - from.y) / outline.clientHeight / view.zoom;
    settle();
  }

  function drag(event) {
    const [from, to] = [pointers.get(event.pointerId), { x: event.clientX, y: event.clientY }];
    if (!moved && pointers.size === 1 && Math.hypot(to.x - from.x, to.y - from.y) < DRAG) return;
    moved = true;
    outline.setPointerCapture(event.pointerId);
    const before = pointers.size > 1 ? pinch() : from;
    pointers.set(event.pointerId, to);
    if (pointers.size === 1) {
      pan(from, to);
    } else {
      const after = pinch();
      zoomBy(after.apart / before.apart, before);
      pan(before, after);
    }
  }

  function release(event) {
    pointers.delete(event.pointerId);
    if (!pointers.size) moved = false;
  }

  outline.onpointerdown = (event) => {
    if (pointers.size < 2) pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
  };
  outline.onpointermove = (event) => {
    if (pointers.has(event.pointerId) && event.buttons) drag(event);
    else if (event.pointerType !== "touch") onHover(numberAt(event));
  };
  outline.onpointerup = (event) => {
    if (pointers.has(event.pointerId) && !moved) onChoose(numberAt(event));
    release(event);
  };
  outline.onpointercancel = release;
  outline.onpointerleave = () => onHover(0);
  // One finger scrolls the page over a whole image; two zoom the image, not the page.
  for (const name of ["touchstart", "touchmove"]) {
    outline.addEventListener(name, (event) => {
      if (event.touches.length > 1) event.preventDefault();
    }, { passive: false });
  }
  // A trackpad's pinch comes as a wheel with the control key.
  outline.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    zoomBy(Math.exp(-event.deltaY / 200), { x: event.clientX, y: event.clientY });
  }, { passive: false });
  addEventListener("resize", draw);

  return { show, zoomBy, zoomTo, outlineSegments, isZoomed: () => view.zoom > 1, zoom: () => view.zoom };
};
