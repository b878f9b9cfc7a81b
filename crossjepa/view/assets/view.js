"use strict";
// Shapes are drawn a few at a time: browsers allow about a dozen WebGL canvases on a page.
(function () {
  const PER_PAGE = 6;
  const data = JSON.parse(document.getElementById("data").textContent);
  const element = (id) => document.getElementById(id);
  const dark = window.matchMedia("(prefers-color-scheme: dark)").matches;
  const RAMP = [[0, dark ? "#333d4b" : "#d3dae3"], [0.4, dark ? "#566274" : "#b3bfcd"], [0.65, "#e3b273"], [0.82, "#dd6b3d"], [1, "#a3172b"]];
  const LEAST = -0.5;

  function bytes(text) {
    const raw = atob(text), array = new Uint8Array(raw.length);
    for (let i = 0; i < raw.length; i++) array[i] = raw.charCodeAt(i);
    return array.buffer;
  }

  function rgb(text) {
    const levels = new Uint8Array(bytes(text)), colors = [];
    for (let n = 0; n < levels.length; n += 3) colors.push(`rgb(${levels[n]},${levels[n + 1]},${levels[n + 2]})`);
    return colors;
  }

  const shapes = data.shapes.map((shape) => {
    const points = new Int16Array(bytes(shape.points)), count = points.length / 3, axes = [[], [], []];
    for (let n = 0; n < count; n++) for (let a = 0; a < 3; a++) axes[a].push(points[3 * n + a] * shape.span / 32767);
    const numbers = shape.numbers ? new Uint16Array(bytes(shape.numbers)) : null;
    return {
      name: shape.name, note: shape.note, count, axes, features: rgb(shape.colors), within: rgb(shape.within),
      coordinates: new Int8Array(bytes(shape.features)), mean: null,
      prediction: numbers ? Array.from(numbers, (number) => data.nameColors[number]) : null,
      numbers,
    };
  });

  const modes = [
    ["features", "Features", "Drag to turn, scroll or pinch to zoom, click a point to find what is similar to it."],
    ["similarity", "Similarity", "Click or tap a point: all points are colored by how similar their features are to its own."],
  ];
  if (data.task === "classification") modes.push(["prediction", "Classes", "Each shape has the color of its predicted class."]);
  if (data.task === "partseg") modes.push(["prediction", "Parts", "Each point has the color of its predicted part."]);

  let mode = "features", first = 0, asked = { shape: 0, point: farthest(shapes[0]) }, turning = false;

  function farthest(shape) {
    let best = 0, most = -1;
    for (let n = 0; n < shape.count; n++) {
      const away = shape.axes[0][n] ** 2 + shape.axes[1][n] ** 2 + shape.axes[2][n] ** 2;
      if (away > most) { most = away; best = n; }
    }
    return best;
  }

  const within = () => element("within").checked && shapes.length > 1;

  // What is subtracted from the features of a shape: their mean, or nothing but the mean of the page.
  function shift(shape) {
    const width = data.scale.length;
    if (!within()) return new Float64Array(width);
    if (!shape.mean) {
      shape.mean = new Float64Array(width);
      for (let n = 0; n < shape.count; n++) for (let d = 0; d < width; d++) shape.mean[d] += shape.coordinates[n * width + d] * data.scale[d] / shape.count;
    }
    return shape.mean;
  }

  function feature(shape, point) {
    const less = shift(shape);
    return data.scale.map((scale, d) => scale * shape.coordinates[point * data.scale.length + d] - less[d]);
  }

  function similarities(shape, wanted) {
    const width = wanted.length, scale = data.scale, answer = new Array(shape.count), less = shift(shape);
    const length = Math.hypot(...wanted) || 1;
    for (let n = 0; n < shape.count; n++) {
      let product = 0, square = 0;
      for (let d = 0; d < width; d++) {
        const value = scale[d] * shape.coordinates[n * width + d] - less[d];
        product += value * wanted[d];
        square += value * value;
      }
      answer[n] = product / (length * Math.sqrt(square) || 1);
    }
    return answer;
  }

  function marker(shape, size) {
    const plain = mode === "features" && within() ? "within" : mode;
    if (mode !== "similarity") return { size, color: shape[plain], line: { width: 0 }, opacity: 1 };
    const wanted = feature(shapes[asked.shape], asked.point);
    return {
      size, color: similarities(shape, wanted), colorscale: RAMP, cmin: LEAST, cmax: 1, showscale: false,
      line: { width: 0 }, opacity: 1,
    };
  }

  function pointSize(shape, plot) {
    const side = Math.min(plot.clientWidth, plot.clientHeight);
    return Math.min(9, Math.max(1.8, 0.48 * side / Math.sqrt(shape.count)));
  }

  function traces(number) {
    const shape = shapes[number], size = pointSize(shape, plots.get(number));
    const at = (n) => shape.axes.map((values) => [values[n]]);
    const shown = mode === "similarity" && asked.shape === number;
    const [x, y, z] = shown ? at(asked.point) : [[], [], []];
    return [
      { type: "scatter3d", mode: "markers", x: shape.axes[0], y: shape.axes[1], z: shape.axes[2],
        marker: marker(shape, size), hoverinfo: "none" },
      { type: "scatter3d", mode: "markers", x, y, z, hoverinfo: "skip",
        marker: { size: 2.6 * size, color: dark ? "#ffffff" : "#111111", symbol: "circle-open", line: { width: 3 } } },
    ];
  }

  function bounds(shape) {
    return shape.axes.map((values) => {
      let low = Infinity, high = -Infinity;
      for (const value of values) { low = Math.min(low, value); high = Math.max(high, value); }
      return [low, high];
    });
  }

  // One cube for every shape, around its middle, so that all are drawn in one proportion.
  function layout(shape) {
    const sides = bounds(shape), half = 0.5 * Math.max(...sides.map(([low, high]) => high - low), 1e-6);
    const axis = ([low, high]) => ({ visible: false, range: [(low + high) / 2 - half, (low + high) / 2 + half] });
    return {
      margin: { l: 0, r: 0, t: 0, b: 0 }, showlegend: false, paper_bgcolor: "rgba(0,0,0,0)",
      scene: {
        xaxis: axis(sides[0]), yaxis: axis(sides[1]), zaxis: axis(sides[2]), aspectmode: "cube", dragmode: "orbit",
        camera: { up: { x: 0, y: 1, z: 0 }, eye: { x: 0.92, y: 0.58, z: 1.42 }, center: { x: 0, y: 0, z: 0 } },
      },
    };
  }

  const plots = new Map();

  // Plotly reports a click when the button goes down, which is also how a shape begins to turn: a press counts when
  // the button goes up where it went down.
  const press = { down: false, x: 0, y: 0, hit: null };
  window.addEventListener("pointerdown", (event) => Object.assign(press, { down: true, x: event.clientX, y: event.clientY, hit: null }), true);
  window.addEventListener("pointerup", (event) => {
    press.down = false;
    if (Math.hypot(event.clientX - press.x, event.clientY - press.y) > 5) press.hit = null;
    else ask();
  }, true);

  function ask() {
    if (!press.hit) return;
    asked = press.hit;
    press.hit = null;
    setTimeout(() => choose("similarity"), 0); // plotly may be drawing: it must not be asked to start again
  }

  function turnOthers(number, camera) {
    if (!element("together").checked || turning) return;
    turning = true;
    const moved = [...plots].filter(([other]) => other !== number)
      .map(([, plot]) => Plotly.relayout(plot, { "scene.camera": camera }));
    Promise.all(moved).finally(() => { turning = false; });
  }

  function addCard(number) {
    const shape = shapes[number], card = document.createElement("figure"), plot = document.createElement("div");
    card.className = "card";
    card.innerHTML = `<figcaption><span class="name">${shape.name}</span><span class="note">${shape.note}</span></figcaption>`;
    plot.className = "plot";
    card.append(plot);
    element("grid").append(card);
    plots.set(number, plot);
    const options = { displayModeBar: false, responsive: true, scrollZoom: true };
    return Plotly.newPlot(plot, traces(number), layout(shape), options).then(() => {
      plot.on("plotly_click", (event) => {
        const hit = event.points.find((point) => point.curveNumber === 0);
        if (!hit) return;
        press.hit = { shape: number, point: hit.pointNumber };
        if (!press.down) ask();
      });
      plot.on("plotly_relayout", (change) => {
        if (change["scene.camera"]) turnOthers(number, change["scene.camera"]);
      });
    });
  }

  function showPage() {
    for (const plot of plots.values()) Plotly.purge(plot);
    plots.clear();
    element("grid").replaceChildren();
    element("grid").classList.toggle("single", shapes.length === 1);
    const last = Math.min(first + PER_PAGE, shapes.length), made = [];
    for (let number = first; number < last; number++) made.push(addCard(number));
    element("pager").hidden = shapes.length <= PER_PAGE;
    element("place").textContent = `${first + 1} to ${last} of ${shapes.length}`;
    element("previous").disabled = first === 0;
    element("next").disabled = last === shapes.length;
    return Promise.all(made).then(() => { document.body.dataset.ready = "yes"; });
  }

  function choose(name) {
    mode = name;
    for (const button of element("modes").children) button.setAttribute("aria-pressed", String(button.dataset.mode === mode));
    element("hint").textContent = modes.find(([each]) => each === mode)[2];
    element("within").disabled = mode === "prediction";
    legend();
    for (const [number, plot] of plots) {
      Plotly.react(plot, traces(number), { ...layout(shapes[number]), scene: { ...layout(shapes[number]).scene, camera: plot.layout.scene.camera } });
    }
  }

  function legend() {
    const place = element("legend");
    if (mode === "similarity") {
      const stops = RAMP.map(([at, color]) => `${color} ${100 * at}%`).join(",");
      place.innerHTML = `<span>unlike</span><span class="ramp" style="background:linear-gradient(90deg,${stops})"></span><span>the same</span>` +
        `<span class="note">cosine from ${LEAST} to 1; the ring marks the point asked about, on ${shapes[asked.shape].name}</span>`;
    } else if (mode === "prediction") {
      place.innerHTML = data.names.map((name, k) => `<span><span class="swatch" style="background:${data.nameColors[k]}"></span>${name}</span>`).join("");
    } else {
      place.innerHTML = `<span class="note">${within() ? "The mean of each shape is left out: color says which part of its shape a point is." :
        shapes.length === 1 ? "Color says which part of the shape a point is." :
        "Color says which shape a point belongs to, and which part of it."}</span>`;
    }
  }

  for (const [name, label] of modes) {
    const button = document.createElement("button");
    button.type = "button";
    button.dataset.mode = name;
    button.textContent = label;
    button.addEventListener("click", () => choose(name));
    element("modes").append(button);
  }
  element("previous").addEventListener("click", () => { first = Math.max(0, first - PER_PAGE); showPage(); });
  element("next").addEventListener("click", () => { first += PER_PAGE; showPage(); });
  element("within").addEventListener("change", () => choose(mode));
  element("within").parentElement.hidden = shapes.length === 1;
  element("together").parentElement.hidden = shapes.length === 1;
  choose("features");
  showPage();
})();
