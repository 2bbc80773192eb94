// SPDX-License-Identifier: Apache-2.0
// Asks for /status.json every second and shows it. What changes is changed in place, so that focus and scrolling stay.
"use strict";

const EVERY_MS = 1000, PATIENCE_MS = 4000, POINTS = 60;
const $ = (id) => document.getElementById(id);
const rows = new Map();  // path in the tree -> its elements
let last = null, lastEvents = "";
const history = { memory: [], work: [] };

function element(tag, className, text) {
  const e = document.createElement(tag);
  if (className) e.className = className;
  if (text !== undefined) e.textContent = text;
  return e;
}

function put(e, text) {
  if (e.textContent !== text) e.textContent = text;
}

const mib = (bytes) => (bytes / 1048576).toFixed(1) + " MiB";
const kib = (bytes) => Math.round(bytes / 1024).toLocaleString("en") + " KiB";
const two = (n) => String(n).padStart(2, "0");

function large(n) {
  return n >= 1e6 ? (n / 1e6).toFixed(1) + " M" : n >= 1e3 ? (n / 1e3).toFixed(1) + " k" : String(Math.round(n));
}

function uptime(ms) {
  const s = Math.floor(ms / 1000), days = Math.floor(s / 86400);
  return (days ? days + " d " : "") + two(Math.floor(s / 3600) % 24) + ":" + two(Math.floor(s / 60) % 60) + ":" + two(s % 60);
}

function took(us) {
  return us < 1000 ? us + " µs" : us < 1e6 ? (us / 1000).toFixed(1) + " ms" : (us / 1e6).toFixed(1) + " s";
}

function draw(id, values) {
  const top = Math.max(...values, 1e-9), bottom = Math.min(...values, top * 0.5), span = top - bottom || 1;
  const points = values.map((v, i) => (120 - (values.length - 1 - i) * 120 / (POINTS - 1)).toFixed(1) + "," + (26 - 24 * (v - bottom) / span).toFixed(1));
  $(id).firstElementChild.setAttribute("points", points.join(" "));
}

function remember(list, value) {
  list.push(value);
  if (list.length > POINTS) list.shift();
}

// --- the tree

function flat(nodes) {
  return nodes.flatMap((n) => [n, ...flat(n.children)]);
}

function make(node) {
  const item = element("li", node.kind), row = element("div", "row");
  const parts = { item, row, name: element("span", "name"), again: element("span", "again"), pid: element("span", "pid"),
                  kill: null, below: null, more: null, restarts: node.restarts };
  row.append(parts.name, parts.again, parts.pid);
  item.append(row);
  rows.set(node.path, parts);
  return parts;
}

function makeKill(node, parts) {
  parts.kill = element("button", "", "Kill");
  parts.kill.type = "button";
  parts.kill.dataset.path = node.path;
  parts.row.append(parts.kill);
}

// Makes the list's items those of the nodes. What stays is not touched.
function arrange(list, nodes) {
  const items = nodes.map((node) => (rows.get(node.path) ?? make(node)).item), wanted = new Set(items);
  for (const child of [...list.children]) if (!wanted.has(child)) child.remove();
  items.forEach((item, i) => { if (list.children[i] !== item) list.insertBefore(item, list.children[i] ?? null); });
  for (const node of nodes) {
    const parts = rows.get(node.path);
    if (node.children.length || parts.below) {
      if (!parts.below) parts.item.append(parts.below = element("ul"));
      arrange(parts.below, node.children);
    }
    if (node.more && !parts.more) parts.item.append(parts.more = element("p", "note"));
    if (parts.more) put(parts.more, node.more ? "and " + node.more + " more" : "");
  }
}

const STATES = { starting: "starting", absent: "not on this machine" };

function showNode(node) {
  const parts = rows.get(node.path);
  put(parts.name, node.name);
  put(parts.pid, node.pid ?? STATES[node.state]);
  put(parts.again, node.restarts ? "↻ " + node.restarts : "");
  parts.again.title = node.restarts ? "ended " + node.restarts + " times" : "";
  parts.row.dataset.state = node.state;
  if (node.kill && !parts.kill) makeKill(node, parts);
  if (parts.kill) {
    parts.kill.setAttribute("aria-label", "Kill " + node.name);
    parts.kill.setAttribute("aria-disabled", String(!node.kill));  // it keeps the focus, as a disabled one would not
  }
  if (node.restarts > parts.restarts) {
    parts.row.classList.remove("flash");
    void parts.row.offsetWidth;  // begins the animation anew
    parts.row.classList.add("flash");
  }
  parts.restarts = node.restarts;
}

function showTree(nodes) {
  const all = flat(nodes), paths = new Set(all.map((node) => node.path));
  arrange($("tree"), nodes);
  all.forEach(showNode);
  for (const path of rows.keys()) if (!paths.has(path)) rows.delete(path);
}

async function kill(button) {
  if (button.getAttribute("aria-disabled") === "true") return;
  try {
    await fetch("/kill", { method: "POST", headers: { "x-loom": "kill", "content-type": "text/plain" }, body: button.dataset.path,
                           signal: AbortSignal.timeout(PATIENCE_MS) });
  } catch { /* what carries the answer may be what was killed: the next status shows it */ }
}

// --- the rest

function showEvents(events) {
  const names = events.map((e) => {
    const item = element("li");
    item.append(element("strong", "", e.name), " ended (" + e.reason + "), ",
                e.back_us === null ? "not back yet " : "back after " + took(e.back_us) + " ", element("time", "", new Date(e.at_ms).toLocaleTimeString()));
    return item;
  });
  const mark = events.map((e) => e.number + ":" + e.back_us).join();
  if (mark !== lastEvents) $("events").replaceChildren(...names);
  lastEvents = mark;
  $("events-none").hidden = events.length > 0;
}

function table(id, lines) {
  const body = $(id);
  while (body.rows.length > lines.length) body.deleteRow(-1);
  lines.forEach((cells, i) => {
    const row = body.rows[i] ?? body.insertRow();
    cells.forEach(([text, className], k) => {
      const cell = row.cells[k] ?? row.insertCell();
      put(cell, text);
      cell.className = className ?? "";
    });
  });
}

function show(s) {
  const { system, memory, load } = s;
  put($("about"), "OTP " + system.otp + ", " + system.schedulers + (system.schedulers === 1 ? " scheduler" : " schedulers") + (system.address ? ", " + system.address : ""));
  put($("uptime"), uptime(system.uptime_ms));
  put($("clock"), new Date(system.time_ms).toISOString().slice(0, 19).replace("T", " ") + " UTC");
  const used = memory.machine === null ? memory.total : memory.machine - memory.free;
  put($("memory"), mib(used));
  put($("memory-note"), (memory.machine === null ? "" : "of " + mib(memory.machine) + "; ") + "processes " + mib(memory.processes) + ", code " + mib(memory.code));
  remember(history.memory, used);
  draw("memory-line", history.memory);
  if (last && system.time_ms > last.system.time_ms) {
    const rate = Math.max(0, load.reductions - last.load.reductions) * 1000 / (system.time_ms - last.system.time_ms);
    put($("work"), large(rate) + "/s");
    remember(history.work, rate);
    draw("work-line", history.work);
  }
  put($("work-note"), load.processes + " processes, " + load.waiting + " waiting to run");
  put($("restarts"), String(s.restarts));
  const slowest = s.events.reduce((most, e) => Math.max(most, e.back_us ?? 0), 0);
  put($("restarts-note"), s.events.length ? "slowest of the last " + s.events.length + ": " + took(slowest) : "since the page’s watcher began");
  showTree(s.tree);
  showEvents(s.events);
  table("devices", s.devices.map((d) => [[d.place, "mono"], [d.name], [d.id, "mono"], [d.driver ?? "–"], [d.unit ?? ""],
                                         [d.state + (d.reason ? " (last: " + d.reason + ")" : ""), d.state], [String(d.restarts), "number"]]));
  table("processes", s.processes.map((p) => [[p.name], [p.pid, "mono"], [large(p.rate), "number"], [kib(p.memory), "number"], [String(p.queue), "number"]]));
  last = s;
}

function link(state, text) {
  $("link").className = state;
  put($("link-text"), text);
}

async function tick() {
  try {
    const answer = await fetch("/status.json", { cache: "no-store", signal: AbortSignal.timeout(PATIENCE_MS) });
    show(await answer.json());
    link("live", "live");
  } catch (error) {
    link("lost", "no answer; trying again");
    if (!(error instanceof DOMException) && !(error instanceof TypeError && /fetch/i.test(error.message))) console.error(error);
  }
  setTimeout(tick, EVERY_MS);
}

$("tree").addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (button) kill(button);
});
tick();
