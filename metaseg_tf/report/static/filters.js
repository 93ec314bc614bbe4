// What is shown of the segments, in the picture and in the list alike.
"use strict";

metaseg.filters = (() => {
  const get = (id) => document.getElementById(id);
  const NAMES = ["threshold", "smallest", "class", "verdict", "marked", "interior"];
  const TESTS = {
    doubtful: (s) => s.doubtful === true,
    trusted: (s) => s.doubtful === false,
    missed: (s) => s.doubtful === false && s.iou_adj === 0,
    alarm: (s) => s.doubtful === true && s.iou_adj > 0,
  };
  const MARKED = {
    any: (mark) => mark !== null,
    none: (mark) => mark === null,
  };

  // Slider: 0 to 6 in powers of ten, 0 for every size.
  const smallest = () => Math.round(10 ** Number(get("smallest").value));

  // A test of segments by the controls as they are now.
  function current(run) {
    const [wanted, verdict, marked] = ["class", "verdict", "marked"].map((id) => get(id).value);
    const [threshold, least, inside] = [
      Number(get("threshold").value), smallest(), get("interior").checked];
    const ofMark = MARKED[marked] ?? ((mark) => mark === marked);
    return (s) => (s.iou_adj_predicted === null || s.iou_adj_predicted <= threshold)
      && s.S >= least
      && (wanted === "" || s.class_id === Number(wanted))
      && (verdict === "" || TESTS[verdict](s))
      && (marked === "" || ofMark(metaseg.marks.of(run, s)))
      && (!inside || s.S_in > 0);
  }

  function reset() {
    get("threshold").value = "1";
    get("smallest").value = "0";
    get("interior").checked = false;
    for (const id of ["class", "verdict", "marked"]) get(id).value = "";
    tell();
  }

  function tell() {
    get("threshold-value").textContent = metaseg.format(Number(get("threshold").value));
    get("smallest-value").textContent = smallest().toLocaleString("en");
  }

  function listen(onChange) {
    for (const id of NAMES) get(id).oninput = () => { tell(); onChange(); };
    // A phone shows the picture first.
    get("filters").open = !matchMedia("(max-width: 36rem)").matches;
    get("reset").onclick = () => { reset(); onChange(); };
    tell();
  }

  return { current, reset, listen };
})();
