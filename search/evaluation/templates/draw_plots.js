(async () => {
  const plots = [...document.querySelectorAll("div.plot")];
  // A plot in a closed <details> has no width yet, so it is drawn when it is unfolded.
  const isFolded = (plot) => plot.closest("details:not([open])") !== null;
  const begun = new Set();
  const draw = async (plot) => {
    if (begun.has(plot) || isFolded(plot)) return;
    begun.add(plot);
    const figure = JSON.parse(plot.firstElementChild.textContent);
    plot.replaceChildren();
    await Plotly.newPlot(plot, figure.data, figure.layout, { responsive: true, displaylogo: false });
  };
  try {
    const packed = Uint8Array.from(atob("PACKED_PLOTLY"), (letter) => letter.charCodeAt(0));
    const unpacked = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
    const plotly = document.createElement("script");
    plotly.textContent = await new Response(unpacked).text();
    document.head.append(plotly);
    for (const details of document.querySelectorAll("details")) {
      details.addEventListener("toggle", () => details.querySelectorAll("div.plot").forEach(draw));
    }
    for (const plot of plots) await draw(plot);
  } catch (error) {
    for (const plot of plots) {
      if (!plot.classList.contains("js-plotly-plot")) plot.textContent = `This plot cannot be drawn: ${error}`;
    }
  }
})();
