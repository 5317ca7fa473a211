/* The form of a home: the browser's own time zone where none is known yet, and a map where the owner named one. */
"use strict";
(() => {
  const zone = document.querySelector("[data-own-zone]");
  if (zone && !zone.value) zone.value = Intl.DateTimeFormat().resolvedOptions().timeZone || "";

  const place = document.getElementById("map");
  if (!place || !window.L) return;
  const latitude = document.getElementById("f-latitude"), longitude = document.getElementById("f-longitude");
  const typed = () => {
    const read = [latitude.value, longitude.value].map((text) => parseFloat(text.replace(",", ".")));
    return read.every(Number.isFinite) ? read : null;
  };
  const start = typed();
  const map = L.map(place).setView(start || [50, 10], start ? 16 : 4);
  map.attributionControl.setPrefix("Leaflet");
  L.tileLayer(place.dataset.tiles, { maxZoom: 19, referrerPolicy: "origin" }).addTo(map);
  let spot = null;
  const show = (at) => {
    if (spot) spot.setLatLng(at); else spot = L.circleMarker(at, { radius: 9, color: "#14703f" }).addTo(map);
  };
  if (start) show(start);
  map.on("click", (event) => {
    const at = event.latlng.wrap();
    latitude.value = at.lat.toFixed(6);
    longitude.value = at.lng.toFixed(6);
    show(at);
  });
  for (const field of [latitude, longitude]) {
    field.addEventListener("change", () => { const at = typed(); if (at) { show(at); map.setView(at, Math.max(map.getZoom(), 12)); } });
  }
})();
