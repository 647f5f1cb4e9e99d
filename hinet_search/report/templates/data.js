(() => {
  const one = id => document.getElementById(id), draw = one("draw");
  const inflate = id => {
    const bytes = Uint8Array.from(atob(one(id).textContent), c => c.charCodeAt(0));
    return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
  };
  const offer = (link, type, make) => {
    link.onclick = async event => {
      event.preventDefault();
      link.href = URL.createObjectURL(new Blob([make(await inflate("record"))], { type }));
      link.onclick = null;
      link.click();
    };
  };
  const cell = value => {
    const text = value == null ? "" : String(value).replace(/"/g, '""');
    return '"' + (/^[=+\-@\t\r]/.test(text) && isNaN(text) ? "'" : "") + text + '"';
  };
  const csv = text => {
    const { columns, rows } = JSON.parse(text).trials;
    return [columns, ...rows].map(row => row.map(cell).join() + "\r\n").join("");
  };
  document.querySelector(".data").hidden = false;
  offer(one("json"), "application/json", text => text);
  offer(one("csv"), "text/csv", csv);
  if (!draw) return;
  draw.hidden = !(one("undrawn").hidden = true);
  draw.onclick = async () => {
    draw.disabled = true;
    try {
      const [plotly, figures, record] = await Promise.all(["plotly", "figures", "record"].map(inflate));
      for (const text of [plotly, figures]) document.head.append(Object.assign(document.createElement("script"), { text }));
      await explore(JSON.parse(record));
      draw.hidden = true;
    } catch (error) { draw.textContent = "Not drawn: " + error.message }
  };
})();
