// Browsers start no workers from disk: there the one of the search, the only one of the site, runs
// in a hidden frame instead.
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(url) {
      super();
      this.frame = document.createElement("iframe");
      this.frame.hidden = true;
      document.body.append(this.frame);
      const inside = this.frame.contentWindow;
      addEventListener("message", ({source, data}) => {
        if (source === inside) this.dispatchEvent(new MessageEvent("message", {data}));
      });
      inside.document.open();
      inside.document.write(
        `<script>postMessage = (data) => parent.postMessage(data, "*")</script>` +
        `<script src="${url}"></script>`
      );
      inside.document.close();
      // Only now, as opening a document takes away who listened before.
      this.ready = new Promise((done) => inside.addEventListener("load", done));
    }

    postMessage(data) {
      this.ready.then(() => {
        this.frame.contentWindow.dispatchEvent(new MessageEvent("message", {data}));
      });
    }

    terminate() {
      this.frame.remove();
    }
  };
}
