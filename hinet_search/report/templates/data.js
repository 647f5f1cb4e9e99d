(() => {
  const byId = id => document.getElementById(id);
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
})();
