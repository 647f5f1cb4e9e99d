(() => {
  const byId = id => document.getElementById(id), draw = byId("draw");
  const inflate = id => {
    const bytes = Uint8Array.from(atob(byId(id).textContent), c => c.charCodeAt(0));
    return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
  };
  const offer = (link, type, make) => {
    link.onclick = async event => {
      event.preventDefault();
      link.href = URL.createObjectURL(new Blob([await make(await inflate("record"))], { type }));
      link.onclick = null;
      link.click();
    };
  };
  const run = async id => document.head.append(Object.assign(document.createElement("script"), { text: await inflate(id) }));
  document.querySelector(".data").hidden = false;
  offer(byId("json"), "application/json", text => text);
  offer(byId("csv"), "text/csv", text => run("tables").then(() => csv(text)));
  if (!draw) return;
  draw.hidden = !(byId("undrawn").hidden = true);
  draw.onclick = async () => {
    draw.disabled = true;
    try {
      for (const id of ["plotly", "drawing"]) await run(id);
      await explore(JSON.parse(await inflate("figures")));
      draw.hidden = true;
    } catch (error) { draw.textContent = "Not drawn: " + error.message }
  };
})();
