(function () {
  // Fetches this page again every ten seconds while it is visible, and replaces what has changed.
  var PERIOD = 10000, version = null, timer = null, asked = Date.now();
  var away = document.getElementById("away"), written = new WeakMap();
  var html = function (node) {
    if (!written.has(node)) written.set(node, node.outerHTML);
    return written.get(node);
  };
  var list = function (query, inside) { return Array.prototype.slice.call(inside.querySelectorAll(query)) };
  var blocks = function () { return Array.prototype.slice.call(document.querySelector("main").children) };
  var REACHED = "a,button,summary,[tabindex]";

  // Folded cards share a part of the page; each keeps its own state, as others may come and go.
  var cards = function (part) {
    var folded = list("details[id]", part);
    return folded.length ? folded : [part];
  };
  // The state of a card that its reader has changed: opened, scrolled, sorted, focused.
  var stateOf = function (part) {
    return {
      opened: part.open,
      open: list("details", part).map(function (d) { return d.open }),
      left: list(".scroll", part).map(function (s) { return s.scrollLeft }),
      ways: list("table.sort th", part).map(function (h) { return h.getAttribute("aria-sort") }),
      focus: list(REACHED, part).indexOf(document.activeElement)
    };
  };
  var restore = function (part, was) {
    part.open = was.opened;
    list("details", part).forEach(function (d, k) { if (k in was.open) d.open = was.open[k] });
    list("table.sort th", part).forEach(function (h, k) {
      for (var n = 0; was.ways[k] && h.getAttribute("aria-sort") != was.ways[k] && n < 2; n++) h.firstChild.click();
    });
    list(".scroll", part).forEach(function (s, k) { s.scrollLeft = was.left[k] || 0 });
    if (was.focus >= 0 && list(REACHED, part)[was.focus]) list(REACHED, part)[was.focus].focus({ preventScroll: true });
  };
  var put = function (fresh) {
    var main = document.querySelector("main"), wanted = Array.prototype.slice.call(fresh.querySelector("main").children);
    var texts = wanted.map(html), was = {}, here = main.firstElementChild;
    var pass = function () {
      var gone = here;
      here = here.nextElementSibling;
      cards(gone).forEach(function (card) { if (card.id) was[card.id] = stateOf(card) });
      gone.remove();
    };
    wanted.forEach(function (node, k) {
      while (here && texts.indexOf(html(here), k) < 0) pass();
      if (here && html(here) == texts[k]) { here = here.nextElementSibling; return }
      main.insertBefore(document.adoptNode(node), here);
      node.dispatchEvent(new Event("renewed", { bubbles: true }));
      cards(node).forEach(function (card) { if (was[card.id]) restore(card, was[card.id]) });
    });
    while (here) pass();
    document.title = fresh.title;
    ["#ribbon", ".top nav", "footer"].forEach(function (query) {
      var old = document.querySelector(query), now = fresh.querySelector(query);
      if (old && now && html(old) != html(now)) old.replaceWith(document.adoptNode(now));
    });
  };
  var say = function (text) {
    away.hidden = !text;
    if (away.textContent != text) away.textContent = text;
  };
  var ask = function () {
    asked = Date.now();
    var headers = version ? { "If-None-Match": version } : {};
    fetch(location.pathname, { headers: headers, cache: "no-store", signal: AbortSignal.timeout(60000) }).then(function (answer) {
      if (answer.status == 304) return say("");
      if (!answer.ok) throw new Error("status " + answer.status);
      return answer.text().then(function (text) {
        put(new DOMParser().parseFromString(text, "text/html"));
        version = answer.headers.get("ETag");
        say("");
      });
    }).catch(function (error) {
      var why = error instanceof TypeError ? "no response" : error.message;
      var since = new Date().toLocaleTimeString();
      if (away.hidden) say("Not updated since " + since + ", the dashboard is unavailable: " + why);
    }).finally(wait);
  };
  var wait = function () {
    clearTimeout(timer);
    if (!document.hidden) timer = setTimeout(ask, Math.max(0, PERIOD - (Date.now() - asked)));
  };
  blocks().concat(list("#ribbon,.top nav,footer", document)).forEach(html);
  document.addEventListener("visibilitychange", wait);
  wait();
})();
