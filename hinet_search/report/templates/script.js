(function () {
  var root = document.documentElement, one = function (id) { return document.getElementById(id) };
  var all = function (query, act, inside) { Array.prototype.forEach.call((inside || document).querySelectorAll(query), act) };
  var theme = one("theme"), open = one("open"), link = one("json");
  theme.hidden = false;
  theme.onclick = function () {
    var dark = root.dataset.theme ? root.dataset.theme == "dark" : matchMedia("(prefers-color-scheme:dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
  };
  if (open) open.hidden = false, open.onclick = function () {
    var opening = open.textContent == "Open all";
    all("details", function (d) { d.open = opening });
    open.textContent = opening ? "Close all" : "Open all";
  };
  addEventListener("beforeprint", function () { all("details", function (d) { d.open = true }) });
  if (link) link.onclick = function (event) {
    event.preventDefault();
    var bytes = Uint8Array.from(atob(one("record").textContent), function (c) { return c.charCodeAt(0) });
    var text = new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
    text.then(function (t) {
      link.href = URL.createObjectURL(new Blob([t], { type: "application/json" }));
      link.onclick = null;
      link.click();
    });
  };
  if (link) { link.hidden = false; link.href = "#json" }
  var key = function (row, i) {
    var text = row.cells[i].textContent.trim(), value = parseFloat(text.replace(/\u2212/g, "-"));
    return isNaN(value) ? text : value;
  };
  var sortable = function (table) {
    var body = table.tBodies[0];
    all("thead th", function (head, i) {
      var button = document.createElement("button");
      button.textContent = head.textContent;
      head.textContent = "";
      head.appendChild(button);
      button.onclick = function () {
        var way = head.getAttribute("aria-sort") == "descending" ? 1 : -1;
        all("th", function (other) { other.removeAttribute("aria-sort") }, table.tHead);
        head.setAttribute("aria-sort", way < 0 ? "descending" : "ascending");
        Array.prototype.slice.call(body.rows).sort(function (p, q) {
          var a = key(p, i), b = key(q, i);
          return way * (a < b ? -1 : a > b ? 1 : 0);
        }).forEach(function (row) { body.appendChild(row) });
      };
    }, table);
  };
  var enliven = function (part) {
    all("[data-copy]", function (b) {
      b.hidden = false;
      b.onclick = function () { navigator.clipboard.writeText(b.dataset.copy); b.textContent = "Copied" };
    }, part);
    all("table.sort", sortable, part);
  };
  enliven(document);
  document.addEventListener("renewed", function (event) { enliven(event.target) });
})();
