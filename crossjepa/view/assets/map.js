"use strict";
(function () {
  const MOST_PICTURES = 400;
  const data = JSON.parse(document.getElementById("data").textContent);
  const element = (id) => document.getElementById(id);
  const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const count = data.names.length, plot = element("plot"), peek = element("peek");
  const xs = data.places.map((place) => place[0]), ys = data.places.map((place) => place[1]);
  let mode = Object.keys(data.groups)[0];

  function padded(values) {
    const low = Math.min(...values), high = Math.max(...values), pad = 0.14 * (high - low) || 1;
    return [low - pad, high + pad];
  }
  const xRange = padded(xs), yRange = padded(ys);

  function traces() {
    const members = new Map();
    data.groups[mode].forEach((name, n) => members.set(name, [...(members.get(name) || []), n]));
    const names = [...members.keys()].sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
    const size = Math.max(5, Math.min(12, 90 / Math.sqrt(count)));
    return names.map((name, k) => {
      const rows = members.get(name);
      return {
        type: count > 3000 ? "scattergl" : "scatter", mode: "markers", name: `${name} (${rows.length})`,
        x: rows.map((n) => xs[n]), y: rows.map((n) => ys[n]), customdata: rows, hoverinfo: "none",
        marker: { size, color: data.colors[k], opacity: element("pictures").checked ? 0.35 : 0.9, line: { width: 1, color: style("--paper") } },
      };
    });
  }

  // As large as they fit beside each other if they were spread evenly.
  function pictures() {
    if (!element("pictures").checked) return [];
    const side = Math.min(0.14, Math.max(0.045, 0.8 / Math.sqrt(count)));
    return data.pictures.map((source, n) => ({
      source, xref: "x", yref: "y", x: xs[n], y: ys[n], xanchor: "center", yanchor: "middle", layer: "above",
      sizex: side * (xRange[1] - xRange[0]), sizey: side * (yRange[1] - yRange[0]) * 1.6,
    }));
  }

  function layout() {
    const axis = (range) => ({ visible: false, range, zeroline: false });
    return {
      margin: { l: 8, r: 8, t: 8, b: 8 }, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      xaxis: axis(xRange), yaxis: axis(yRange), hovermode: "closest", hoverdistance: 40, dragmode: "zoom",
      font: { color: style("--ink"), size: 13, family: getComputedStyle(document.body).fontFamily }, images: pictures(), showlegend: true,
      legend: { orientation: "h", x: 0, y: 0, yanchor: "top", itemsizing: "constant" },
    };
  }

  function show(event) {
    const hit = event.points[0], n = hit.customdata, edge = 12, mouse = event.event;
    peek.querySelector("img").src = data.pictures[n];
    const lines = Object.entries(data.groups).map(([, names]) => names[n]);
    peek.querySelector("div").innerHTML = `<b>${data.names[n]}</b><br>${lines.join(", ")}`;
    peek.hidden = false;
    const box = peek.getBoundingClientRect();
    const left = mouse.clientX + 18 + box.width + edge > innerWidth ? mouse.clientX - 18 - box.width : mouse.clientX + 18;
    const top = Math.min(mouse.clientY + 14, innerHeight - box.height - edge);
    peek.style.left = `${Math.max(edge, left)}px`;
    peek.style.top = `${Math.max(edge, top)}px`;
  }

  function draw() {
    for (const button of element("modes").children) button.setAttribute("aria-pressed", String(button.dataset.mode === mode));
    return Plotly.react(plot, traces(), layout(), { displayModeBar: false, responsive: true });
  }

  for (const name of Object.keys(data.groups)) {
    const button = document.createElement("button");
    button.type = "button";
    button.dataset.mode = name;
    button.textContent = name;
    button.addEventListener("click", () => { mode = name; draw(); });
    element("modes").append(button);
  }
  element("pictures").checked = count <= 150;
  element("pictures").parentElement.hidden = count > MOST_PICTURES;
  element("pictures").addEventListener("change", draw);
  draw().then(() => {
    plot.on("plotly_hover", show);
    plot.on("plotly_click", show);
    plot.on("plotly_unhover", () => { peek.hidden = true; });
    document.body.dataset.ready = "yes";
  });
})();
