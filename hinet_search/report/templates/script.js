(() => {
  const root = document.documentElement, one = id => document.getElementById(id);
  const all = (query, act, inside) => (inside || document).querySelectorAll(query).forEach(act);
  const theme = one("theme"), open = one("open"), draw = one("draw");
  theme.hidden = open.hidden = false;
  theme.onclick = () => {
    const dark = root.dataset.theme ? root.dataset.theme == "dark" : matchMedia("(prefers-color-scheme:dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
  };
  open.onclick = () => {
    const opening = open.textContent == "Open all";
    all("details", d => { d.open = opening });
    open.textContent = opening ? "Close all" : "Open all";
  };
  addEventListener("beforeprint", () => all("details", d => { d.open = true }));
  const inflate = id => {
    const bytes = Uint8Array.from(atob(one(id).textContent), c => c.charCodeAt(0));
    return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
  };
  const offer = (id, type, make) => {
    const link = one(id);
    link.hidden = false;
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
  offer("json", "application/json", text => text);
  offer("csv", "text/csv", csv);
  if (draw) {
    draw.hidden = !(one("undrawn").hidden = true);
    draw.onclick = async () => {
      draw.disabled = true;
      try {
        const [plotly, figures, record] = await Promise.all(["plotly", "figures", "record"].map(inflate));
        for (const text of [plotly, figures]) document.head.append(Object.assign(document.createElement("script"), { text }));
        explore(JSON.parse(record));
        draw.hidden = true;
      } catch (error) { draw.textContent = "Not drawn: " + error.message }
    };
  }
  all("[data-copy]", b => {
    b.hidden = false;
    b.onclick = () => { navigator.clipboard.writeText(b.dataset.copy); b.textContent = "Copied" };
  });
  const key = (row, i) => {
    const text = row.cells[i].textContent.trim(), value = parseFloat(text.replace(/\u2212/g, "-"));
    return isNaN(value) ? text : value;
  };
  all("table.sort", table => {
    const body = table.tBodies[0];
    all("thead th", (head, i) => {
      const button = document.createElement("button");
      button.textContent = head.textContent;
      head.replaceChildren(button);
      button.onclick = () => {
        const way = head.getAttribute("aria-sort") == "descending" ? 1 : -1;
        all("th", other => other.removeAttribute("aria-sort"), table.tHead);
        head.setAttribute("aria-sort", way < 0 ? "descending" : "ascending");
        body.append(...[...body.rows].sort((p, q) => {
          const a = key(p, i), b = key(q, i);
          return way * (a < b ? -1 : a > b ? 1 : 0);
        }));
      };
    }, table);
  });
})();
