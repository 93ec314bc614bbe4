// The list of segments: sorted, filtered, and a way to each of them.
"use strict";

metaseg.list = (() => {
  const { element, format } = metaseg;
  const SHOWN = 100;
  const get = (id) => document.getElementById(id);

  const last = (value) => value ?? Infinity;
  const error = (s) => Math.abs((s.iou_adj_predicted ?? s.iou_adj) - s.iou_adj);
  const ORDERS = {
    loss: (a, b) => (b.loss ?? -1) - (a.loss ?? -1),
    judged: (a, b) => last(a.iou_adj_predicted) - last(b.iou_adj_predicted),
    false: (a, b) => (b.false_positive_probability ?? -1) - (a.false_positive_probability ?? -1),
    error: (a, b) => error(b) - error(a),
    size: (a, b) => b.S - a.S,
  };
  const ticked = new Set();

  // The segments that the filters let through, of this image or of all, in order.
  function select(run, image) {
    const images = get("scope").value === "run" ? run.images : [run.images[image]];
    const order = ORDERS[get("order").value];
    return images.flatMap((one) => one.segments).filter(metaseg.filters.current(run))
      .sort((a, b) => order(a, b) || b.S - a.S);
  }

  function toRow(run, segment, { open, onTick }) {
    const { name, colour } = run.classOf(segment);
    const number = (value, more = "") => element("td", { className: `number ${more}` }, value);
    const words = `segment ${segment.segment}, ${name}`;
    const box = element("input", {
      type: "checkbox", "aria-label": `Select ${words}`, checked: ticked.has(segment),
      onclick: (event) => event.stopPropagation(),
      onchange: (event) => { onTick(segment, event.target.checked); },
    });
    const button = element("button", { type: "button", className: "link", "aria-label": `Show ${words}` },
      String(segment.segment));
    const given = metaseg.marks.of(run, segment);
    return element("tr", {
      "data-segment": segment.segment, "data-image": segment.image, onclick: () => open(segment),
    },
      element("td", {}, box),
      element("td", {}, button),
      element("td", { className: "name" }, metaseg.colours.swatch(colour), name),
      number(format(segment.iou_adj_predicted)),
      ...(run.labelled ? [number(format(segment.iou_adj))] : []),
      number(format(segment.false_positive_probability), "wide"),
      number(segment.loss === null ? "–" : String(Math.round(segment.loss)), "wide"),
      number(String(segment.S), "wide"),
      element("td", {}, given === null ? "" : metaseg.marks.KINDS[given]),
      element("td", { className: "image wide" }, run.images[segment.image].name));
  }

  let listed = [];

  function show(run, image, open) {
    const segments = select(run, image);
    listed = segments.slice(0, SHOWN);
    for (const segment of ticked) if (!segments.includes(segment)) ticked.delete(segment);
    const onTick = (segment, is) => {
      if (is) ticked.add(segment);
      else ticked.delete(segment);
      tell(run);
    };
    document.querySelector("#list tbody").replaceChildren(
      ...listed.map((segment) => toRow(run, segment, { open, onTick })));
    get("tick-all").onchange = (event) => {
      for (const segment of listed) onTick(segment, event.target.checked);
      show(run, image, open);
    };
    const more = segments.length > SHOWN ? `, the first ${SHOWN} of them listed` : "";
    get("list-status").textContent = `${metaseg.count(segments.length, "segment")}${more}`;
    tell(run);
  }

  function tell(run) {
    get("tick-all").checked = listed.length > 0 && listed.every((s) => ticked.has(s));
    get("ticked").textContent = `${ticked.size} selected`;
    const marked = metaseg.marks.marked(run).length;
    get("what").options[0].textContent = `${metaseg.count(marked, "marked segment")}`;
    for (const button of get("mark-ticked").querySelectorAll("button")) {
      button.disabled = !ticked.size;
    }
  }

  function mark(segment) {
    for (const row of document.querySelectorAll("#list tbody tr")) {
      const chosen = segment !== null && row.dataset.segment === String(segment.segment)
        && row.dataset.image === String(segment.image);
      row.classList.toggle("chosen", chosen);
      row.toggleAttribute("aria-current", chosen);
    }
  }

  return { select, show, mark, ticked };
})();
