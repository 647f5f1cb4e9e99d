// Explore: draws the figures of the card, in the colours of the page's theme.
window.explore = ({ colours, figures }) => {
  const themed = () => {
    const style = getComputedStyle(document.documentElement);
    let text = JSON.stringify(figures);
    for (const [light, name] of Object.entries(colours)) text = text.replaceAll(light, style.getPropertyValue(name).trim());
    return Object.entries(JSON.parse(text));
  };
  // Numbers as on the page: no zero before the point, a true minus. plotly's formats keep the zero.
  const shorter = text => text.replace(/^-/, "\u2212").replace(/^(\u2212?)0\./, "$1.");
  const shorten = box => box.querySelectorAll(".xtick text,.ytick text").forEach(tick => { tick.textContent = shorter(tick.textContent) });
  const draw = () => Promise.all(themed().map(async ([name, { data, layout }]) => {
    const box = document.getElementById("explore-" + name);
    layout.font.family = getComputedStyle(document.body).fontFamily;
    await Plotly.newPlot(box, data, layout, { displayModeBar: false, responsive: true });
    shorten(box);
    box.on("plotly_afterplot", () => shorten(box));
  }));
  new MutationObserver(draw).observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
  matchMedia("(prefers-color-scheme:dark)").addEventListener("change", draw);
  document.getElementById("explore-figures").hidden = false;
  return draw();
};
