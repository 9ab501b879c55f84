"use strict";

const EVERY = 250; // milliseconds between two questions: a rollout takes seconds
const TIMEOUT = 5000; // milliseconds until a question counts as failed
const WINDOW = 100; // answers that shares are of
const LATENCIES = 20; // answers that a pod's median latency is of
const ALONE = 20; // answers from one pod before the page wonders; of two pods it is one in 500,000
const PATIENCE = 12; // a tile goes after this many answers for each tile, none from its pod: e^-12
const DRAINED = 3000; // milliseconds without an answer after which a draining pod has gone
const COLOURS = 4;
const COLUMNS = 60; // seconds in the chart
const ROWS = 5; // answers in a second, and room for one that was late
const CHAIN_EVERY = 2000; // milliseconds between two looks, each of which costs every service in it
const CHAIN_TIMEOUT = 30000; // milliseconds: GRACEFUL_TIMEOUT, the most that a request may take

const byId = (id) => document.getElementById(id);
const counts = {answered: 0, shed: 0, failed: 0};
const pods = new Map(); // by name
const versions = []; // in the order they were seen
let recent = []; // names of the pods that answered last
let minute = []; // second and version of each answer; of one that was refused or failed, -1
let paused = false;

function timeOf(date) {
  return date.toLocaleTimeString([], {hour: "2-digit", minute: "2-digit", second: "2-digit"});
}

function tell(text) {
  const line = document.createElement("p");
  line.textContent = `${timeOf(new Date())} ${text}`;
  byId("events").prepend(line);
  while (byId("events").children.length > 50) byId("events").lastChild.remove();
}

function count(what) {
  counts[what] += 1;
  byId(what).textContent = counts[what];
  byId(what).parentElement.classList.toggle("bad", what !== "answered");
}

function chart(version) {
  minute.push({second: Math.floor(performance.now() / 1000), version});
}

function drawMinute() {
  const first = Math.floor(performance.now() / 1000) - COLUMNS + 1;
  minute = minute.filter(({second}) => second >= first);
  const heights = Array(COLUMNS).fill(0);
  byId("minute").replaceChildren(...minute.toSorted((a, b) => a.version - b.version).map((answer) => {
    const block = document.createElementNS("http://www.w3.org/2000/svg", "rect");
    const column = answer.second - first;
    heights[column] += 1;
    const size = {x: column, y: ROWS - heights[column], width: 0.9, height: 0.9};
    for (const [name, value] of Object.entries(size)) block.setAttribute(name, value);
    block.style.fill = answer.version < 0 ? "var(--bad)" : `var(--version-${answer.version % COLOURS})`;
    return block;
  }));
}

function miss(what) {
  count(what);
  chart(-1);
}

function versionOf(me) {
  return me.revision ? `${me.version} (${me.revision.slice(0, 7)})` : me.version;
}

function meet(me) {
  const version = versionOf(me);
  if (!versions.includes(version)) versions.push(version);
  const tile = byId("tile").content.firstElementChild.cloneNode(true);
  tile.style.setProperty("--colour", `var(--version-${versions.indexOf(version) % COLOURS})`);
  tile.querySelector("h3").textContent = me.pod;
  tile.querySelector(".version").textContent = version;
  tile.querySelector(".window").textContent = WINDOW;
  tile.querySelector(".node").textContent = me.node ?? "unknown";
  byId("tiles").append(tile);
  tell(`${me.pod} answers, version ${version}`);
  return {tile, version, draining: false, latencies: [], seenAt: 0, seenTime: 0};
}

function note(me, latency) {
  count("answered");
  let pod = pods.get(me.pod);
  if (pod && pod.version !== versionOf(me)) forget(me.pod, "has another version");
  pod = pods.get(me.pod) ?? meet(me);
  pods.set(me.pod, pod);
  chart(versions.indexOf(pod.version));
  if (me.draining && !pod.draining) tell(`${me.pod} is draining`);
  pod.draining = me.draining;
  pod.latencies = [...pod.latencies, latency].slice(-LATENCIES);
  pod.seenAt = counts.answered;
  pod.seenTime = performance.now();
  recent = [...recent, me.pod].slice(-WINDOW);
}

function forget(name, why) {
  pods.get(name).tile.remove();
  pods.delete(name);
  recent = recent.filter((other) => other !== name);
  tell(`${name} ${why}`);
}

function tidy() {
  for (const [name, pod] of pods) {
    const gone = pod.draining && performance.now() - pod.seenTime > DRAINED;
    if (gone || counts.answered - pod.seenAt > PATIENCE * pods.size) forget(name, "answers no more");
  }
}

function draw() {
  for (const [name, {tile, draining, latencies}] of pods) {
    const share = recent.filter((other) => other === name).length / recent.length;
    const median = latencies.toSorted((a, b) => a - b)[Math.floor(latencies.length / 2)];
    tile.classList.toggle("draining", draining);
    tile.querySelector(".state").textContent = draining ? "draining" : "serving";
    tile.querySelector("meter").value = share;
    tile.querySelector(".share").textContent = `${Math.round(100 * share)} %`;
    tile.querySelector(".latency").textContent = `${median.toFixed(0)} ms`;
  }
  byId("single").hidden = pods.size !== 1 || recent.length < ALONE;
}

async function ask() {
  const start = performance.now();
  try {
    // The server closes the connection behind the answer, so that the next one may reach another
    // pod. A script may not send Connection itself: https://fetch.spec.whatwg.org/#forbidden-request-header
    const response = await fetch("api/identity?close", {
      cache: "no-store",
      signal: AbortSignal.timeout(TIMEOUT),
    });
    if (response.ok) note(await response.json(), performance.now() - start);
    else miss(response.status === 503 ? "shed" : "failed");
  } catch {
    miss("failed");
  }
}

// Not before the last one is answered: a slow service is not asked more often.
async function go() {
  if (!paused && !document.hidden) {
    await ask();
    tidy();
    draw();
    drawMinute();
  }
  setTimeout(go, EVERY);
}

function failed(hop) {
  return hop.outcome !== "ok" || hop.status >= 400;
}

function branch(hop) {
  const item = document.createElement("li");
  const line = document.createElement("p");
  const who = hop.upstream ? `${hop.upstream}: ${hop.pod ?? "no pod"}` : hop.pod;
  const how = hop.outcome === "ok" ? hop.status : `${hop.status} (${hop.outcome})`;
  line.textContent = `${who}, ${how}, ${(1000 * hop.seconds).toFixed(0)} ms`;
  line.classList.toggle("failed", failed(hop));
  item.append(line);
  if (hop.upstreams.length) {
    const list = document.createElement("ul");
    list.append(...hop.upstreams.map(branch));
    item.append(list);
  }
  return item;
}

async function followChain() {
  if (!paused && !document.hidden) {
    try {
      const signal = AbortSignal.timeout(CHAIN_TIMEOUT);
      const response = await fetch("api/chain", {cache: "no-store", signal});
      if (response.ok) byId("chain").replaceChildren(branch(await response.json()));
    } catch {
      // Whether this service answers at all, the counts above say.
    }
  }
  setTimeout(followChain, CHAIN_EVERY);
}

byId("pause").addEventListener("click", () => {
  paused = !paused;
  byId("pause").textContent = paused ? "Continue" : "Pause";
});
byId("started").textContent = timeOf(new Date(byId("started").dateTime));
byId("live").hidden = false;
go();
if (byId("chain")) followChain();
