// Predicted against true IoU_adj: one dot per segment; a click opens it.
"use strict";

metaseg.scatter = (() => {
  const { runs, element, format } = metaseg;
  const get = (id) => document.getElementById(id);
  const canvas = get("points");
  const LOW = -0.1;
  const HIGH = 1.1;
  const MARGIN = { left: 44, right: 10, top: 10, bottom: 40 };
  const REACH = 12;

  let points = null;
  let ranked = [];
  let chosen = -1;
  const run = () => runs[Number(get("scatter-run").value)];

  async function unpackPoints(packed) {
    const names = ["image", "segment", "class_id", "S", "iou_adj", "predicted"];
    const arrays = await Promise.all(names.map((name) => metaseg.unpack(packed[name])));
    return Object.fromEntries(names.map((name, i) => [name, arrays[i]]));
  }

  const side = () => canvas.clientWidth;
  const inner = () => side() - MARGIN.left - MARGIN.right;
  const bound = (value) => Math.min(Math.max(value, LOW), HIGH);
  const toX = (value) => MARGIN.left + ((bound(value) - LOW) / (HIGH - LOW)) * inner();
  const toY = (value) => side() - MARGIN.bottom
    - ((bound(value) - LOW) / (HIGH - LOW)) * (side() - MARGIN.top - MARGIN.bottom);
  const truth = (i) => points.iou_adj[i] * run().points.step;
  const verdict = (i) => points.predicted[i] * run().points.step;
  const error = (i) => Math.abs(verdict(i) - truth(i));
  const radius = (i) => Math.max(1.2, 14 * Math.sqrt(points.S[i] / points.largest));
  const isShown = (i) => {
    const wanted = get("scatter-class").value;
    return wanted === "" || points.class_id[i] === Number(wanted);
  };

  function rank() {
    const shown = [];
    for (let i = 0; i < run().points.count; i++) if (isShown(i)) shown.push(i);
    ranked = shown.sort((a, b) => error(b) - error(a));
  }

  function drawAxes(context, ink) {
    context.strokeStyle = context.fillStyle = ink;
    context.lineWidth = 1;
    context.font = "12px system-ui, sans-serif";
    for (const tick of [0, 0.25, 0.5, 0.75, 1]) {
      context.globalAlpha = 0.15;
      context.beginPath();
      context.moveTo(toX(tick), toY(LOW));
      context.lineTo(toX(tick), toY(HIGH));
      context.moveTo(toX(LOW), toY(tick));
      context.lineTo(toX(HIGH), toY(tick));
      context.stroke();
      context.globalAlpha = 1;
      context.textAlign = "center";
      context.fillText(String(tick), toX(tick), toY(LOW) + 16);
      context.textAlign = "right";
      context.fillText(String(tick), toX(LOW) - 6, toY(tick) + 4);
    }
    context.textAlign = "center";
    context.fillText("true IoU_adj", toX(0.5), side() - 6);
    context.save();
    context.translate(12, toY(0.5));
    context.rotate(-Math.PI / 2);
    context.fillText("predicted IoU_adj", 0, 0);
    context.restore();
    context.setLineDash([5, 4]);
    context.beginPath();
    context.moveTo(toX(0), toY(0));
    context.lineTo(toX(1), toY(1));
    context.stroke();
    context.setLineDash([]);
  }

  function draw() {
    if (!points) return;
    const ratio = devicePixelRatio || 1;
    canvas.width = canvas.height = side() * ratio;
    const context = canvas.getContext("2d");
    context.scale(ratio, ratio);
    const style = getComputedStyle(canvas);
    drawAxes(context, style.color);
    context.fillStyle = style.getPropertyValue("--accent");
    context.globalAlpha = Math.min(0.6, Math.max(0.12, 12 / Math.sqrt(ranked.length || 1)));
    for (const i of ranked) dot(context, i);
    context.globalAlpha = 1;
    if (chosen >= 0) {
      context.strokeStyle = style.color;
      context.lineWidth = 2.5;
      dot(context, chosen, 4, "stroke");
    }
  }

  function dot(context, i, more = 0, how = "fill") {
    context.beginPath();
    context.arc(toX(truth(i)), toY(verdict(i)), radius(i) + more, 0, 2 * Math.PI);
    context[how]();
  }

  function nearest(event) {
    const box = canvas.getBoundingClientRect();
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    let [best, distance] = [-1, REACH];
    for (const i of ranked) {
      const d = Math.hypot(toX(truth(i)) - x, toY(verdict(i)) - y);
      if (d < distance) [best, distance] = [i, d];
    }
    return best;
  }

  function tell(i) {
    if (i === chosen && get("point").hasChildNodes()) return;
    chosen = i;
    draw();
    if (i < 0) {
      get("point").dataset.segment = "";
      get("point").replaceChildren(
        element("p", { className: "hint" }, "Point at a dot; a click shows its segment."));
      return;
    }
    const segment = {
      segment: points.segment[i], class_id: points.class_id[i],
      iou_adj: truth(i), iou_adj_predicted: verdict(i),
    };
    const can = points.image[i] < run().images.length;
    const way = can
      ? element("button", { type: "button", onclick: () => openChosen() }, "Show in its image")
      : element("p", { className: "hint" }, "Its image is not part of this page.");
    get("point").dataset.segment = segment.segment;
    get("point").replaceChildren(
      ...metaseg.describe(run(), segment, run().quality, {
        full: false, image: run().names[points.image[i]],
      }),
      element("p", {}, `${points.S[i]} pixels, off by `, element("b", {}, format(error(i)))),
      way,
    );
  }

  function openChosen() {
    if (chosen < 0 || points.image[chosen] >= run().images.length || !metaseg.explorer) return;
    metaseg.explorer.open(runs.indexOf(run()), points.image[chosen], points.segment[chosen]);
    get("explorer").scrollIntoView();
  }

  function refresh() {
    tell(-1);
    rank();
    draw();
    const { total, count } = run().points;
    const drawn = count < total ? ` (an even sample of ${count} is here)` : "";
    get("points-status").textContent = `${ranked.length} of ${total} segments shown${drawn}`;
  }

  async function showRun() {
    const wanted = run();
    const unpacked = await unpackPoints(wanted.points);
    if (wanted !== run()) return;
    points = unpacked;
    points.largest = points.S.reduce((a, b) => Math.max(a, b), 1);
    const ids = [...new Set(points.class_id)].sort((a, b) => a - b);
    get("scatter-class").replaceChildren(element("option", { value: "" }, "all classes"),
      ...ids.map((id) => element("option", { value: String(id) }, run().classes[id].name)));
    refresh();
  }

  canvas.onpointermove = (event) => { if (event.pointerType !== "touch") tell(nearest(event)); };
  canvas.onclick = (event) => { tell(nearest(event)); openChosen(); };
  canvas.onkeydown = (event) => {
    const at = ranked.indexOf(chosen);
    const go = (to) => tell(ranked[Math.min(Math.max(to, 0), ranked.length - 1)] ?? -1);
    if (event.key === "ArrowRight" || event.key === "ArrowDown") go(at + 1);
    else if (event.key === "ArrowLeft" || event.key === "ArrowUp") go(at - 1);
    else if (event.key === "Enter") openChosen();
    else return;
    event.preventDefault();
  };
  get("scatter-run").replaceChildren(
    ...runs.map((one, i) => element("option", { value: String(i) }, one.name)));
  get("scatter-run").onchange = showRun;
  get("scatter-class").onchange = refresh;
  addEventListener("resize", draw);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  const ready = showRun();

  return {
    ready,
    ranked: () => ranked,
    position: (i) => [toX(truth(i)), toY(verdict(i))],
    segment: (i) => ({ image: points.image[i], segment: points.segment[i] }),
  };
})();
