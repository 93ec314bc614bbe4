// A dot per segment: predicted against true IoU_adj, or against size where there is no truth.
"use strict";

metaseg.scatter = (() => {
  const { runs, element, format, link } = metaseg;
  const get = (id) => document.getElementById(id);
  const canvas = get("points");
  const MARGIN = { left: 44, right: 10, top: 10, bottom: 40 };
  const REACH = 12;
  const IOU = { low: -0.1, high: 1.1, ticks: [0, 0.25, 0.5, 0.75, 1].map((at) => [at, String(at)]) };

  let points = null;
  let ranked = [];
  let chosen = -1;
  const run = () => runs[Number(get("scatter-run").value)];

  async function unpackPoints(packed) {
    const names = ["image", "segment", "class_id", "S", "iou_adj", "predicted", "false_positive"]
      .filter((name) => name in packed);
    const arrays = await Promise.all(names.map((name) => metaseg.unpack(packed[name])));
    return Object.fromEntries(names.map((name, i) => [name, arrays[i]]));
  }

  const side = () => canvas.clientWidth;
  const share = ({ low, high }, value) => (
    (Math.min(Math.max(value, low), high) - low) / (high - low));
  const toX = (value) => MARGIN.left + share(across(), value) * (side() - MARGIN.left - MARGIN.right);
  const toY = (value) => side() - MARGIN.bottom
    - share(IOU, value) * (side() - MARGIN.top - MARGIN.bottom);
  const truth = (i) => points.iou_adj[i] * run().points.step;
  const verdict = (i) => points.predicted[i] * run().points.step;
  const error = (i) => Math.abs(verdict(i) - truth(i));
  const loss = (i) => points.S[i] * (1 - Math.min(Math.max(verdict(i), 0), 1));
  const isShown = (i) => {
    const wanted = get("scatter-class").value;
    return wanted === "" || points.class_id[i] === Number(wanted);
  };

  // What differs with ground truth and without: the axis across, radii, ranks and lines.
  const KINDS = {
    true: {
      across: () => IOU, name: "true IoU_adj", x: truth, rank: error,
      radius: (i) => Math.max(1.2, 14 * Math.sqrt(points.S[i] / points.largest)),
      lines: () => [[[0, 0], [1, 1]]],
    },
    false: {
      across: () => points.sizes, name: "size in pixels", x: (i) => Math.log10(points.S[i]),
      rank: loss, radius: () => 3,
      // On a line the expected loss is 10, 100, 1000, ... pixels.
      lines: () => points.sizes.ticks.slice(1).map(([power]) => Array.from({ length: 41 }, (_, k) => {
        const lost = 1.1 - 0.03 * k;
        return [power - Math.log10(lost), 1 - lost];
      }).filter(([x, y]) => y <= 1.05 && x <= points.sizes.high)),
    },
  };
  const kind = () => KINDS[run().labelled];
  const across = () => kind().across();
  const rank = (i) => kind().rank(i);
  const place = (i) => [toX(kind().x(i)), toY(verdict(i))];

  function rankShown() {
    const shown = [];
    for (let i = 0; i < run().points.count; i++) if (isShown(i)) shown.push(i);
    ranked = shown.sort((a, b) => rank(b) - rank(a));
  }

  function trace(context, corners) {
    context.beginPath();
    for (const [x, y] of corners) context.lineTo(toX(x), toY(y));
    context.stroke();
  }

  function drawAxes(context, ink) {
    context.strokeStyle = context.fillStyle = ink;
    context.lineWidth = 1;
    context.font = "12px system-ui, sans-serif";
    context.globalAlpha = 0.15;
    for (const [at] of across().ticks) trace(context, [[at, IOU.low], [at, IOU.high]]);
    for (const [at] of IOU.ticks) trace(context, [[across().low, at], [across().high, at]]);
    context.globalAlpha = 1;
    context.textAlign = "center";
    for (const [at, words] of across().ticks) context.fillText(words, toX(at), toY(IOU.low) + 16);
    context.fillText(kind().name, toX((across().low + across().high) / 2), side() - 6);
    context.textAlign = "right";
    for (const [at, words] of IOU.ticks) context.fillText(words, MARGIN.left - 6, toY(at) + 4);
    context.save();
    context.textAlign = "center";
    context.translate(12, toY(0.5));
    context.rotate(-Math.PI / 2);
    context.fillText("predicted IoU_adj", 0, 0);
    context.restore();
    context.setLineDash([5, 4]);
    for (const corners of kind().lines()) trace(context, corners);
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
    context.arc(...place(i), kind().radius(i) + more, 0, 2 * Math.PI);
    context[how]();
  }

  function nearest(event) {
    const box = canvas.getBoundingClientRect();
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    let [best, distance] = [-1, REACH];
    for (const i of ranked) {
      const [left, top] = place(i);
      const d = Math.hypot(left - x, top - y);
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
    const odds = points.false_positive[i];  // -1 for none
    const segment = metaseg.judge(run(), {
      segment: points.segment[i], class_id: points.class_id[i], S: points.S[i],
      iou_adj: run().labelled ? truth(i) : null, iou_adj_predicted: verdict(i),
      false_positive_probability: odds < 0 ? null : odds * run().points.step,
    });
    const name = run().names[points.image[i]];
    get("point").dataset.segment = segment.segment;
    get("point").replaceChildren(
      ...metaseg.describe(run(), segment, { full: false, image: name }),
      ...(run().labelled ? [element("p", {}, "off by ", element("b", {}, format(error(i))))] : []),
      canOpen(i)
        ? element("button", { type: "button", onclick: () => openChosen() }, "Show in its image")
        : element("p", { className: "hint", id: "include" }, link.advise(run(), name)),
    );
  }

  const canOpen = (i) => points.image[i] < run().images.length && metaseg.explorer !== null;

  function openChosen() {
    if (chosen < 0 || !canOpen(chosen)) return;
    metaseg.explorer.open(runs.indexOf(run()), points.image[chosen], points.segment[chosen]);
    get("explorer").scrollIntoView();
  }

  function refresh() {
    tell(-1);
    rankShown();
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
    const powers = Array.from({ length: Math.ceil(Math.log10(points.largest)) + 1 }, (_, k) => k);
    points.sizes = {
      low: -0.2, high: Math.max(powers.length - 1, 1) + 0.1,
      ticks: powers.map((power) => [power, (10 ** power).toLocaleString("en", { notation: "compact" })]),
    };
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
    position: place,
    segment: (i) => ({ image: points.image[i], segment: points.segment[i] }),
  };
})();
