// Marks: traces and axes of the Explore card's figures for plotly. Trials are objects by column name.
const MOST_POINTS = 2000; // above it trials are counted in bins
const BINS = { across: 80, up: 48 };

const plain = text => String(text).replace(/&/g, "&amp;").replace(/</g, "&lt;"); // plotly reads tags in texts
const short = name => (name.length > 40 ? name.slice(0, 39) + "…" : name);
const counted = (count, noun) => count.toLocaleString("en") + " " + noun + (count === 1 ? "" : "s");
const drawn = trials => counted(trials.length, "complete trial") + (trials.length > MOST_POINTS ? ", counted in bins" : "");
const valued = trials => trials.filter(trial => trial.state === "complete" && trial.value !== null);
const extent = values => values.reduce(([low, high], value) => [Math.min(low, value), Math.max(high, value)], [Infinity, -Infinity]);

// Numbers as on the page: no zero before the point, a true minus.
const shorter = text => String(text).replace(/^-/, "\u2212").replace(/^(\u2212?)0\./, "$1.");

// plotly's axis formats keep that zero, so their labels are rewritten after drawing.
const shorten = box => box.querySelectorAll(".xtick text,.ytick text").forEach(tick => { tick.textContent = shorter(tick.textContent) });

// The colours of the page, which change with its theme.
const readColours = () => {
  const style = getComputedStyle(document.documentElement);
  const read = name => style.getPropertyValue(name).trim();
  const { fontFamily: font } = getComputedStyle(document.body);
  return {
    ink: read("--ink"), muted: read("--mut"), line: read("--line"), ground: read("--bg"), font,
    better: read("--win"), worse: read("--loss"), faint: "rgba(" + read("--p") + ",.12)",
  };
};

const exploreMarks = (paint, better) => {
  const axis = (text, more) => ({
    title: { text: plain(text), standoff: 8 }, gridcolor: paint.line, linecolor: paint.muted, zeroline: false, ...more,
  });

  const compact = new Intl.NumberFormat("en", { notation: "compact" });
  const round = value => (value < 0.001 ? value.toExponential() : compact.format(value).replace(/K$/, " k").replace(/M$/, " M"));

  // A logarithmic axis that labels the fewest digits of every power of ten that give three labels.
  const logAxis = (text, values) => {
    const [low, high] = extent(values), powers = [];
    for (let power = Math.floor(Math.log10(low)); 10 ** power <= high; power++) powers.push(power);
    const of = digits => powers.flatMap(power => digits.map(digit => Number(digit + "e" + power))).filter(value => value >= low && value <= high);
    const labels = [[1], [1, 2, 5], [1, 1.5, 2, 3, 5, 7]].map(of).find(choice => choice.length > 2);
    if (!labels) return axis(text, { type: "log" });
    const ticktext = labels.map(value => shorter(round(value)));
    return axis(text, { type: "log", tickvals: labels, ticktext });
  };

  // From the best value to the worst without the worst tenth: first draws would flatten the rest.
  const nearTheBest = trials => {
    const values = trials.map(trial => trial.value).sort((a, b) => (better(a, b) ? -1 : 1));
    const [low, high] = extent([values[0], values[Math.ceil(0.9 * values.length) - 1]]);
    const room = 0.06 * (high - low) || 0.001;
    return [low - room, high + room];
  };
  const valueAxis = (name, trials) => axis(name, trials.length ? { range: nearTheBest(trials) } : {});

  // Trials with a value at x(trial); those that `isMain` picks are blue.
  const dots = (trials, x, isMain) => ({
    type: "scatter", mode: "markers", x: trials.map(x), y: trials.map(trial => trial.value), hoverinfo: "text",
    text: trials.map(trial => plain(trial.arm + ", trial " + trial.number) + "<br>" + shorter(trial.value)),
    marker: { size: 7, opacity: 0.65, color: trials.map(trial => (isMain(trial) ? paint.better : paint.muted)) },
  });

  const bins = (trials, x, isLog) => {
    const [bottom, top] = nearTheBest(trials), height = (top - bottom) / BINS.up;
    const places = trials.map(trial => (isLog ? Math.log10(x(trial)) : x(trial)));
    const [left, right] = extent(places), width = (right - left) / BINS.across || 1;
    const counts = Array.from({ length: BINS.up }, () => Array(BINS.across).fill(null));
    trials.forEach((trial, k) => {
      const row = Math.floor((trial.value - bottom) / height);
      const column = Math.min(BINS.across - 1, Math.floor((places[k] - left) / width));
      if (row >= 0 && row < BINS.up) counts[row][column] += 1;
    });
    const edges = Array.from({ length: BINS.across + 1 }, (_, k) => left + k * width);
    return {
      type: "heatmap", z: counts, x: isLog ? edges.map(edge => 10 ** edge) : edges, y0: bottom + height / 2, dy: height,
      showscale: false, colorscale: [[0, paint.faint], [1, paint.better]], hovertemplate: "%{z} trials<extra></extra>",
    };
  };

  const cloud = (trials, x, isMain, isLog) => (trials.length > MOST_POINTS ? bins(trials, x, isLog) : dots(trials, x, isMain));

  // A box and its points for each value of a setting that is chosen from a list.
  const boxes = (trials, x) => ({
    type: "box", x: trials.map(trial => plain(x(trial))), y: trials.map(trial => trial.value), hoverinfo: "text",
    text: trials.map(trial => plain(trial.arm + ", trial " + trial.number) + "<br>" + shorter(trial.value)),
    boxpoints: trials.length > MOST_POINTS ? false : "all", pointpos: 0, jitter: 0.5,
    line: { color: paint.muted }, marker: { color: paint.better, size: 5, opacity: 0.6 },
  });

  // The steps of the best value along trials in order.
  const climb = trials => {
    const steps = [];
    for (const trial of trials) if (!steps.length || better(trial.value, steps.at(-1).value)) steps.push(trial);
    return steps;
  };
  const stairs = (steps, x) => ({
    type: "scatter", mode: "lines", x: steps.map(x), y: steps.map(trial => trial.value), hoverinfo: "text",
    text: steps.map(trial => shorter(trial.value)),
    line: { shape: "hv", color: paint.ink, width: 1.5 },
  });

  // Draws or redraws one figure with its caption.
  const figure = (name, traces, x, y, caption) => {
    const box = document.getElementById("explore-" + name);
    box.setAttribute("aria-label", caption);
    box.nextElementSibling.textContent = caption;
    const layout = {
      height: 340, margin: { l: 64, r: 16, t: 12, b: 56 }, xaxis: x, yaxis: y, barmode: "stack", hovermode: "closest",
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", font: { color: paint.ink, size: 12, family: paint.font },
      hoverlabel: { bgcolor: paint.ground, bordercolor: paint.muted, font: { color: paint.ink } }, showlegend: false,
    };
    return Plotly.react(box, traces, layout, { displayModeBar: false, responsive: true }).then(() => {
      shorten(box);
      box.removeAllListeners("plotly_afterplot");
      box.on("plotly_afterplot", () => shorten(box));
      return box;
    });
  };

  return { axis, logAxis, valueAxis, cloud, boxes, climb, stairs, figure };
};
