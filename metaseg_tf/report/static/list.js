// The list of segments: sorted, filtered, and a way to each of them.
"use strict";

metaseg.list = (() => {
  const { element, format } = metaseg;
  const SHOWN = 100;
  const get = (id) => document.getElementById(id);

  const worse = (value) => value ?? Infinity;
  const error = (s) => Math.abs((s.iou_adj_predicted ?? s.iou_adj) - s.iou_adj);
  const ORDERS = {
    judged: (a, b) => worse(a.iou_adj_predicted) - worse(b.iou_adj_predicted) || b.S - a.S,
    error: (a, b) => error(b) - error(a) || b.S - a.S,
    size: (a, b) => b.S - a.S,
  };

  function select(run, image) {
    const images = get("scope").value === "run" ? run.images : [run.images[image]];
    const wanted = get("class").value;
    return images.flatMap((one) => one.segments)
      .filter((s) => wanted === "" || s.class_id === Number(wanted))
      .filter((s) => !get("interior").checked || s.S_in > 0)
      .sort(ORDERS[get("order").value]);
  }

  function toRow(run, segment, open) {
    const number = { className: "number" };
    const { name, colour } = run.classOf(segment);
    const swatch = element("span", { className: "swatch", "aria-hidden": "true" });
    swatch.style.background = colour;
    const button = element("button", { type: "button", className: "link" },
      String(segment.segment));
    button.setAttribute("aria-label", `Show segment ${segment.segment}, ${name}`);
    return element("tr", {
      "data-segment": segment.segment, "data-image": segment.image, onclick: () => open(segment),
    },
      element("td", {}, button),
      element("td", {}, swatch, name),
      element("td", number, format(segment.iou_adj_predicted)),
      element("td", number, format(segment.iou_adj)),
      element("td", number, String(segment.S)),
      element("td", { className: "image" }, run.images[segment.image].name));
  }

  function show(run, image, open) {
    const segments = select(run, image);
    const rows = segments.slice(0, SHOWN).map((segment) => toRow(run, segment, open));
    document.querySelector("#list tbody").replaceChildren(...rows);
    const more = segments.length > SHOWN ? `, the first ${SHOWN} of them listed` : "";
    get("list-status").textContent = `${segments.length} segments${more}`;
  }

  function mark(segment) {
    for (const row of document.querySelectorAll("#list tbody tr")) {
      const chosen = segment !== null && row.dataset.segment === String(segment.segment)
        && row.dataset.image === String(segment.image);
      row.classList.toggle("chosen", chosen);
      row.toggleAttribute("aria-current", chosen);
    }
  }

  return { select, show, mark };
})();
