// Explore: the figures of the card and their two controls, from the trials in the page.
window.explore = record => {
  const SETTINGS = 12, TIMES = 60; // most bars of importance, bars of the timeline
  const { maximize } = record.objective, { columns, rows } = record.trials;
  const byId = id => document.getElementById("explore-" + id);
  const { measure } = byId("figures").dataset;
  const better = (a, b) => (maximize ? a > b : a < b);
  const trials = rows.map(row => Object.fromEntries(columns.map((name, k) => [name, row[k]])));
  const arms = record.arms.filter(arm => trials.some(trial => trial.arm === arm.name));
  let paint, marks;
  let chosen = null; // an arm, or null for all
  let setting;

  const ofArm = arm => trials.filter(trial => arm === null || trial.arm === arm.name);
  const main = () => chosen || arms.find(arm => arm.name === record.verdict.focus) || arms[0];
  const isMain = trial => trial.arm === main().name;
  const searched = () => (chosen ? [chosen] : arms).flatMap(arm => arm.searched);

  const history = () => {
    const shown = valued(ofArm(chosen)), number = trial => trial.number, steps = marks.climb(shown.filter(isMain));
    const last = { number: extent(ofArm(main()).map(number))[1], value: steps.at(-1)?.value };
    const traces = shown.length ? [marks.cloud(shown, number, isMain), marks.stairs(steps.length ? [...steps, last] : [], number)] : [];
    const cut = "The worst tenth is outside the first view; double-click to show all.";
    const caption = drawn(shown) + "; line: best so far of " + main().title + ". " + cut;
    return marks.figure("history", traces, marks.axis("trial"), marks.valueAxis(measure, shown), caption);
  };

  const importance = async () => {
    const shares = Object.entries(main().importances).sort((a, b) => a[1] - b[1]).slice(-SETTINGS);
    const names = shares.map(([name]) => name), color = names.map(name => (name === setting ? paint.better : paint.muted));
    const bars = { type: "bar", orientation: "h", x: shares.map(([, share]) => share), y: names.map(plain), hoverinfo: "text", marker: { color } };
    bars.hovertext = shares.map(([, share]) => shorter(share));
    const labels = { type: "category", automargin: true, tickvals: names.map(plain), ticktext: names.map(name => plain(short(name))) };
    const what = "Share of the variation between trials of " + main().title + " that goes with a setting.";
    const caption = shares.length ? what + " Click a bar for its values." : "No importance was measured for " + main().title + ".";
    const share = marks.axis("importance", { rangemode: "tozero" });
    const box = await marks.figure("importance", shares.length ? [bars] : [], share, marks.axis("", labels), caption);
    box.removeAllListeners("plotly_click");
    box.on("plotly_click", event => choose(names[event.points[0].pointIndex]));
  };

  const slice = () => {
    const kind = searched().find(range => range.name === setting) || {}, value = trial => trial[setting];
    const shown = valued(ofArm(chosen)).filter(trial => value(trial) !== null && value(trial) !== undefined);
    const mark = kind.range ? marks.cloud(shown, value, isMain, kind.log) : marks.boxes(shown, value);
    const linear = marks.axis(setting, { type: kind.range ? "linear" : "category" });
    const across = kind.log && shown.length ? marks.logAxis(setting, shown.map(value)) : linear;
    const caption = drawn(shown) + " by " + setting + (kind.log ? ", log scale" : "") + ". Other settings differ too.";
    return marks.figure("slice", shown.length ? [mark] : [], across, marks.valueAxis(measure, shown), caption);
  };

  const pareto = () => {
    const shown = valued(ofArm(chosen)).filter(trial => trial.parameters), size = trial => trial.parameters;
    const smallestFirst = [...shown].sort((a, b) => size(a) - size(b) || (better(a.value, b.value) ? -1 : 1));
    const front = marks.climb(smallestFirst), what = "parameters without embeddings";
    const traces = shown.length ? [marks.cloud(shown, size, isMain, true), marks.stairs(front, size)] : [];
    const across = shown.length ? marks.logAxis(what, shown.map(size)) : marks.axis(what);
    const line = "line: " + counted(front.length, "trial") + " that no smaller trial reaches.";
    const caption = shown.length ? drawn(shown) + " by size, log scale; " + line : "None of these trials has a parameter count.";
    return marks.figure("pareto", traces, across, marks.valueAxis(measure, shown), caption);
  };

  const timeline = () => {
    const ended = ofArm(chosen).filter(trial => trial.finished !== null);
    const last = Math.max(1, extent(ended.map(trial => trial.finished))[1]), width = last / TIMES;
    const units = [[86400, "days"], [3600, "hours"], [60, "minutes"], [0, "seconds"]];
    const [size, unit] = units.find(([seconds]) => last >= 2 * seconds), scale = size || 1;
    const kinds = [["complete", paint.better, ""], ["pruned", paint.muted, ""], ["failed", paint.worse, "x"], ["outside", paint.muted, "/"]];
    const traces = kinds.map(([state, color, shape]) => {
      const counts = Array(TIMES).fill(0);
      for (const trial of ended) if (trial.state === state) counts[Math.min(TIMES - 1, Math.floor(trial.finished / width))] += 1;
      const x = counts.map((_, k) => ((k + 0.5) * width) / scale), marker = { color, pattern: { shape } };
      return { type: "bar", name: state, x, y: counts, width: width / scale, marker, hovertemplate: "%{y} " + state + "<extra></extra>" };
    });
    const sums = kinds.map(([state]) => ended.filter(trial => trial.state === state).length.toLocaleString("en") + " " + state);
    const legend = ". Blue: complete, grey: pruned, orange crosses: failed, hatched: drawn but outside the budget.";
    const caption = ended.length ? sums.join(", ") + legend : "When these trials ended was not recorded.";
    const across = marks.axis(unit + " since the first trial began", { range: [0, last / scale] });
    const most = Math.max(1, ...traces[0].y.map((_, k) => traces.reduce((sum, trace) => sum + trace.y[k], 0)));
    const up = marks.axis("trials that ended", { rangemode: "tozero", dtick: Math.ceil(most / 5) });
    return marks.figure("timeline", ended.length ? traces : [], across, up, caption);
  };

  const draw = () => {
    paint = readColours();
    marks = exploreMarks(paint, better);
    return Promise.all([history(), importance(), slice(), pareto(), timeline()]);
  };
  const choose = name => {
    byId("setting").value = setting = name;
    return draw();
  };
  const offer = (select, names) => select.replaceChildren(...names.map(name => new Option(short(name), name)));
  const offerSettings = () => {
    const names = [...new Set(searched().map(range => range.name))], weight = name => main().importances[name] || 0;
    offer(byId("setting"), names.sort((a, b) => weight(b) - weight(a)));
    return choose(names.includes(setting) ? setting : names[0]);
  };

  byId("arm").replaceChildren(...arms.map((arm, k) => new Option(short(arm.title), k)), new Option("All arms", -1));
  byId("arm").value = arms.indexOf((chosen = main()));
  byId("arm").onchange = event => {
    chosen = arms[event.target.value] || null;
    offerSettings();
  };
  byId("setting").onchange = event => choose(event.target.value);
  new MutationObserver(draw).observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
  matchMedia("(prefers-color-scheme:dark)").addEventListener("change", draw);
  byId("figures").hidden = false;
  return offerSettings();
};
