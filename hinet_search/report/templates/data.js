(() => {
  const byId = id => document.getElementById(id);
  const inflate = () => {
    const bytes = Uint8Array.from(atob(byId("record").textContent), c => c.charCodeAt(0));
    return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
  };
  // The trials of the document, with formulas escaped as in text/untrusted.py.
  const csv = text => {
    const cell = value => {
      const written = value == null ? "" : String(value).replace(/"/g, '""');
      return '"' + (/^[=+\-@\t\r]/.test(written) && isNaN(written) ? "'" : "") + written + '"';
    };
    const { columns, rows } = JSON.parse(text).trials;
    return [columns, ...rows].map(row => row.map(cell).join() + "\r\n").join("");
  };
  const offer = (link, type, make) => {
    link.onclick = async event => {
      event.preventDefault();
      link.href = URL.createObjectURL(new Blob([make(await inflate())], { type }));
      link.onclick = null;
      link.click();
    };
  };
  document.querySelector(".data").hidden = false;
  offer(byId("json"), "application/json", text => text);
  offer(byId("csv"), "text/csv", csv);
})();
