// A map of stores. It adds to a page that says the same in words and numbers: no dragging is needed, nor any tiles.
/* global L */
const ZOOM_OF_ONE = 14;

function numberIn(field) {
  const number = Number.parseFloat(field.value.replace(",", ".").replace("\u2212", "-"));
  return Number.isFinite(number) ? number : null;
}

function written(number) {
  const text = number.toFixed(6).replace(/0+$/, "").replace(/\.$/, "");
  return document.documentElement.lang === "fr" ? text.replace(".", ",") : text;
}

function pick(map, marker, box) {
  if (!box) return;
  const paint = () => marker.getElement()?.classList.toggle("other", !box.checked);
  marker.on("click", () => {
    box.checked = !box.checked;
    box.dispatchEvent(new Event("input", { bubbles: true }));
  });
  box.addEventListener("input", paint);
  map.whenReady(paint);
}

// A line of a path: a store's id or name, or two numbers; a time after @ is the server's to read.
function placeOf(text, stores) {
  const where = text.replace(/\s@.*$/, "").trim();
  const found = /^(-?\d{1,3}(?:\.\d+)?)[,;\s]+(-?\d{1,3}(?:\.\d+)?)$/.exec(where);
  if (!found) return stores.get(where) ?? stores.get(where.toLowerCase()) ?? null;
  const [lat, lon] = [Number(found[1]), Number(found[2])];
  return Math.abs(lat) <= 90 && Math.abs(lon) <= 180 ? [lat, lon] : null;
}

function show(panel) {
  const { spots, tiles, attribution, base, latitude, longitude, picks, points: path, here } = panel.dataset;
  panel.hidden = false;
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const map = L.map(panel.querySelector(".map"), {
    zoomControl: false, attributionControl: Boolean(attribution), scrollWheelZoom: false, maxZoom: 19,
    zoomAnimation: !still, fadeAnimation: !still, markerZoomAnimation: !still,
  });
  map.attributionControl?.setPrefix(false);
  L.control.zoom({ zoomInTitle: panel.dataset.in, zoomOutTitle: panel.dataset.out }).addTo(map);
  L.control.scale({ imperial: false }).addTo(map);
  const element = document.createElement("span");
  element.textContent = attribution; // text, whatever the setting holds
  if (tiles) L.tileLayer(tiles, { attribution: element.innerHTML, maxZoom: 19 }).addTo(map);

  const points = [];
  const markers = new Map();
  const places = new Map();
  for (const [id, name, lat, lon] of JSON.parse(spots)) {
    const marker = L.circleMarker([lat, lon], { radius: base || picks ? 8 : 5, className: base ? "spot" : "spot other", bubblingMouseEvents: true });
    const label = document.createElement("span");
    label.textContent = name;
    marker.bindTooltip(label).addTo(map);
    if (base) marker.on("click", () => { location.href = `${base}/${encodeURIComponent(id)}`; });
    if (picks) pick(map, marker, document.querySelector(`input[type=checkbox][name="${picks}"][value="${CSS.escape(id)}"]`));
    markers.set(id, marker);
    points.push([lat, lon]);
    places.set(id, [lat, lon]).set(name.toLowerCase(), [lat, lon]);
  }
  for (const link of document.querySelectorAll("[data-spot]")) {
    const marker = markers.get(link.dataset.spot);
    if (!marker) continue;
    const row = link.closest("tr") ?? link;
    const mark = (on) => () => { marker.setStyle({ className: "spot" }).setRadius(on ? 12 : 8); if (on) marker.bringToFront(); };
    row.addEventListener("mouseenter", mark(true));
    row.addEventListener("mouseleave", mark(false));
    link.addEventListener("focus", mark(true));
    link.addEventListener("blur", mark(false));
  }

  if (path) {
    const field = document.getElementById(path);
    const line = L.polyline([], { className: "path" }).addTo(map);
    const dots = L.layerGroup().addTo(map);
    const draw = () => {
      const stops = field.value.split("\n").map((text) => placeOf(text, places)).filter(Boolean);
      line.setLatLngs(stops);
      dots.clearLayers();
      for (const stop of stops) L.circleMarker(stop, { radius: 7, className: "spot own" }).addTo(dots);
    };
    map.on("click", ({ latlng }) => {
      const spot = latlng.wrap();
      const kept = field.value.trimEnd();
      field.value = `${kept}${kept ? "\n" : ""}${spot.lat.toFixed(5)}, ${spot.lng.toFixed(5)}`;
      draw();
    });
    field.addEventListener("input", draw);
    draw();
  }
  if (latitude) {
    const fields = [document.getElementById(latitude), document.getElementById(longitude)];
    let own = null;
    const follow = (move) => {
      const [lat, lon] = fields.map(numberIn);
      if (lat === null || lon === null || Math.abs(lat) > 90 || Math.abs(lon) > 180) return;
      own ??= L.circleMarker([lat, lon], { radius: 11, className: "spot own" }).bindTooltip(here).addTo(map);
      own.setLatLng([lat, lon]);
      if (move) map.setView([lat, lon], Math.max(map.getZoom() ?? 0, ZOOM_OF_ONE), { animate: false });
    };
    map.on("click", ({ latlng }) => {
      const spot = latlng.wrap();
      fields[0].value = written(spot.lat);
      fields[1].value = written(spot.lng);
      const pasted = document.getElementById("field-position");
      if (pasted) pasted.value = ""; // the last word is the click's
      follow(false);
    });
    for (const field of fields) field.addEventListener("change", () => follow(true));
    if (points.length > 0) map.fitBounds(points, { padding: [24, 24], maxZoom: ZOOM_OF_ONE, animate: false });
    else map.setView([46.6, 2.4], 5, { animate: false });
    follow(true);
  } else if (points.length > 0) {
    map.fitBounds(points, { padding: [32, 32], maxZoom: ZOOM_OF_ONE, animate: false });
  } else {
    map.setView([46.6, 2.4], 5, { animate: false });
  }
}

for (const panel of document.querySelectorAll("[data-map]")) show(panel);
