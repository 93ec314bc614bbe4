// Links to a segment: #run/image/segment, or #run/image; names are percent-encoded.
"use strict";

metaseg.link = (() => {
  const { runs } = metaseg;

  function to(run, image, number = "") {
    const parts = [run.id, image.name, ...(number === "" ? [] : [String(number)])];
    return `#${parts.map(encodeURIComponent).join("/")}`;
  }

  // What the address names: {run, image, number}, {missing: words}, or null for other addresses.
  function read() {
    const parts = location.hash.slice(1).split("/");
    if (parts.length < 2 || parts.length > 3) return null;
    let names;
    try {
      names = parts.map(decodeURIComponent);
    } catch {
      return { missing: "The address is not a link to a segment." };
    }
    const [runName, imageName, number] = names;
    const run = runs.findIndex((one) => one.id === runName);
    if (run < 0) return { missing: `The run ${runName} is not part of this page.` };
    const image = runs[run].images.findIndex((one) => one.name === imageName);
    if (image < 0) return { missing: `${imageName}: ${metaseg.link.advise(runs[run], imageName)}` };
    if (number !== undefined && !runs[run].images[image].byNumber.has(Number(number))) {
      return { missing: `${imageName} has no segment ${number}.` };
    }
    return { run, image, number: number === undefined ? null : Number(number) };
  }

  // How an image becomes part of the page.
  function advise(run, name) {
    const at = run.names.indexOf(name);
    if (at < 0) return "The run has no such image.";
    const quoted = `'${name.replaceAll("'", "'\\''")}'`;
    const again = `repeat metaseg-tf report with --image=${quoted}`;
    if (at < run.mapped) return `It is not part of this page; to include it, ${again}.`;
    const verb = run.labelled ? "extract" : "predict";
    return `Its maps are not kept; to include it, repeat metaseg-tf ${verb} with --keep-maps all, `
      + `then ${again}.`;
  }

  return { to, read, advise };
})();
