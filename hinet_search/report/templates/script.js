(() => {
  const root = document.documentElement, byId = id => document.getElementById(id);
  const all = (query, act, inside) => (inside || document).querySelectorAll(query).forEach(act);
  const theme = byId("theme"), open = byId("open");
  theme.hidden = false;
  theme.onclick = () => {
    const dark = root.dataset.theme ? root.dataset.theme == "dark" : matchMedia("(prefers-color-scheme:dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
  };
  if (open) {
    open.hidden = false;
    open.onclick = () => {
      const opening = open.textContent == "Open all";
      all("details", d => { d.open = opening });
      open.textContent = opening ? "Close all" : "Open all";
    };
  }
  addEventListener("beforeprint", () => all("details.paper", d => { d.open = true }));
  const key = (row, i) => {
    const text = row.cells[i].textContent.trim(), value = parseFloat(text.replace(/\u2212/g, "-"));
    return isNaN(value) ? text : value;
  };
  const sortable = table => all("thead th", (head, i) => {
    const body = table.tBodies[0], button = document.createElement("button");
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
  const reveal = () => {
    const card = byId(location.hash.slice(1));
    if (card) card.open = true;
  };
  addEventListener("hashchange", reveal);
  reveal();
  const enliven = part => {
    all("[data-copy]", b => {
      b.hidden = false;
      b.onclick = () => { navigator.clipboard.writeText(b.dataset.copy); b.textContent = "Copied" };
    }, part);
    all("table.sort", sortable, part);
  };
  enliven(document);
  document.addEventListener("renewed", event => enliven(event.target));
})();
