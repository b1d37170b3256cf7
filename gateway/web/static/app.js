// Draws the page from the gateway's state, which comes as server-sent events. Whatever a lamppost
// or a person has said goes into the page as text, never as markup.

const token = document.querySelector('meta[name="token"]').content;
const main = document.getElementById("main");
const title = document.getElementById("title");
const back = document.getElementById("back");
const live = document.getElementById("live");
const toast = document.getElementById("toast");
const gateway = title.textContent;
const MARKS = { pass: "passed", fail: "failed", waiting: "to do", skipped: "skipped" };
const QUESTIONS = {
  blink: "Did this one blink?",
  light: "Did you see each of the levels?",
};
let state = null;
let details = null;
let camera = null;
// What a finger is on is not drawn anew: its tap would be lost.
let pressed = false;

function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children.filter((child) => child !== null));
  return element;
}

function show(...children) {
  main.replaceChildren(...children.filter((child) => child !== null));
}

function say(text, seconds = 6) {
  toast.textContent = text;
  toast.hidden = false;
  clearTimeout(say.timer);
  say.timer = setTimeout(() => { toast.hidden = true; }, seconds * 1000);
}

async function request(path, body) {
  const options = body === undefined ? {} : {
    method: "POST",
    headers: { "content-type": "application/json", "x-lamplighter": token },
    body: JSON.stringify(body),
  };
  const response = await fetch(path, options);
  if (response.status === 401) {
    location.assign("/login");
  }
  const answer = response.status === 204 ? {} : await response.json();
  if (!response.ok) {
    throw new Error(answer.error || `error ${response.status}`);
  }
  return answer;
}

async function act(button, work) {
  button.disabled = true;
  try {
    await work();
  } catch (error) {
    say(error.message, 10);
  }
  button.disabled = false;
}

function button(text, work, kind = "") {
  const element = make("button", { type: "button", textContent: text, className: kind });
  element.addEventListener("click", () => act(element, work));
  return element;
}

function bars(signal) {
  const strength = [-90, -80, -70, -60].filter((least) => signal >= least).length;
  const bar = (_, index) => make("i", { className: index < strength ? "on" : "" });
  const element = make("span", { className: "signal" }, ...Array.from({ length: 4 }, bar));
  element.setAttribute("role", "img");
  element.setAttribute("aria-label", `signal ${signal} dBm`);
  return element;
}

function levels(post) {
  const level = post.job && post.job.running && post.job.level !== null ? post.job.level : post.level;
  const meter = make("meter", { min: 0, max: 100, value: level === null ? 0 : level });
  meter.setAttribute("aria-label", "lamp level");
  return make("div", { className: "levels" }, meter,
    make("span", { textContent: level === null ? "-" : `${level} %` }));
}

function where(post) {
  const line = make("div", { className: "dim" }, `${post.link}, ${post.state} `);
  if (post.signal !== null) {
    line.append(bars(post.signal), ` ${post.signal} dBm`);
  }
  return line;
}

function placeOf(stranger) {
  const link = stranger.link.replace("bus:", "");
  return stranger.address === null ? link : `${link} ${stranger.address}`;
}

function top(post) {
  return make("div", { className: "top" },
    make("span", { className: `dot ${post.state}` }),
    make("span", { className: "name", textContent: post.name }),
    make("span", { className: `mark ${post.verdict}`, textContent: MARKS[post.verdict] }));
}

function progress(job) {
  if (!job) {
    return null;
  }
  if (job.running) {
    return make("p", { className: "dim", textContent: `${job.step}: ${job.text}` });
  }
  return job.error ? make("p", { className: "error", textContent: `${job.step}: ${job.error}` }) : null;
}

function drawList() {
  const cards = state.lampposts.map((post) => {
    const card = make("button", { type: "button", className: "card" }, top(post), levels(post), where(post));
    card.addEventListener("click", () => go(`#/${post.node}`));
    return card;
  });
  const strangers = state.strangers.map((one) => {
    const place = placeOf(one);
    const signal = one.signal === null ? null : make("div", { className: "dim" }, bars(one.signal), ` ${one.signal} dBm`);
    const card = make("button", { type: "button", className: "card" },
      make("div", { className: "top" }, make("span", { className: "name", textContent: one.node }),
        make("span", { className: "mark", textContent: "Adopt" })),
      make("div", { className: "dim", textContent: place }), signal);
    card.addEventListener("click", () => go(`#/adopt/${one.node}`));
    return card;
  });
  const searching = state.search && state.search.running;
  show(
    make("h2", { textContent: `Lampposts (${cards.length})` }), ...cards,
    cards.length ? null : make("p", { className: "dim", textContent: "None yet." }),
    make("h2", { textContent: `Met, not adopted (${strangers.length})` }), ...strangers,
    state.search ? make("p", { className: "dim", textContent: `Search: ${state.search.text}` }) : null,
    make("div", { className: "row" },
      searching ? button("Stop search", () => request("/api/lamppost/search/stop", {}))
        : button("Search bus", () => request("/api/search", {})),
      button("Adopt", async () => go("#/adopt/"), "primary"),
      button("Report", async () => go("#/report")),
      button("Log out", async () => { await request("/logout", {}); location.assign("/login"); })));
}

function drawPost(node) {
  const post = state.lampposts.find((one) => one.node === node);
  if (!post) {
    show(make("p", { textContent: "This lamppost is not here any more." }));
    return;
  }
  const path = `/api/lamppost/${node}`;
  const running = post.job && post.job.running;
  const known = details && details.node === node ? details : { results: {}, missing: [] };
  const asked = Object.keys(QUESTIONS).find(
    (step) => known.results[step] && known.results[step].verdict === "waiting" && !running);
  const items = Object.entries(known.results).map(([step, result]) => make("li", {},
    make("b", { textContent: step }),
    make("span", { className: `mark ${result.verdict}`, textContent: MARKS[result.verdict] }),
    make("div", { textContent: result.text }),
    result.action ? make("div", { className: "dim", textContent: result.action }) : null));
  const again = async () => { await load(node); };
  show(
    make("div", { className: "card" }, top(post), levels(post), where(post),
      make("div", { className: "dim", textContent: `${node}, release ${post.firmware || "-"}` })),
    progress(post.job),
    asked ? make("div", { className: "question" }, make("p", { textContent: QUESTIONS[asked] }),
      make("div", { className: "row" },
        button("Yes", async () => { await request(`${path}/seen`, { step: asked, seen: true }); await again(); }, "primary"),
        button("No", async () => { await request(`${path}/seen`, { step: asked, seen: false }); await again(); }))) : null,
    make("div", { className: "row" },
      button("Blink", async () => { await request(`${path}/blink`, { seconds: 20 }); await again(); }),
      running ? button("Stop", () => request(`${path}/stop`, {}), "primary")
        : button("Light check", () => request(`${path}/light`, {})),
      button("Sensors", () => request(`${path}/check`, {})),
      button("Rename", async () => {
        const name = prompt("Name of this lamppost", post.name);
        if (name && name !== post.name) {
          await request(`${path}/rename`, { name });
        }
      })),
    known.missing.length ? make("p", { className: "waiting", textContent: `To do: ${known.missing.join(", ")}` }) : null,
    make("ul", { className: "results" }, ...items));
}

async function load(node) {
  details = await request(`/api/lamppost/${node}`);
  draw();
}

function field(name, text, properties = {}) {
  return [make("label", { htmlFor: name, textContent: text }),
    make("input", { id: name, name, autocomplete: "off", spellcheck: false, ...properties })];
}

function drawAdopt(node) {
  const stranger = state.strangers.find((one) => one.node === node);
  const place = stranger ? placeOf(stranger) : "";
  const form = make("form", {},
    make("p", { className: "dim", textContent: node ? `${node}, met at ${place}` : "The label is on the lamppost." }),
    ...field("label", "Label (scan, paste or type)", { placeholder: "LAMPLIGHTER:1:...", autocapitalize: "characters" }),
    make("p", { className: "dim", textContent: "Or, where the code cannot be read:" }),
    ...field("id", "Node id", { value: node, maxLength: 17 }),
    ...field("key", "Key", { maxLength: 32 }),
    ...field("key_id", "Number of the key", { value: 1, inputMode: "numeric", maxLength: 3 }),
    ...field("name", "Name", { maxLength: 80 }),
    ...field("street", "Street (may be left empty)", { maxLength: 80 }),
    ...field("position", "Metres along it (may be left empty)", { inputMode: "decimal" }),
    state.lan ? make("label", { className: "check" }, make("input", { id: "lan", name: "lan", type: "checkbox" }), "Local network too") : null);
  const submit = make("button", { className: "primary", textContent: "Adopt" });
  form.append(make("div", { className: "row" },
    "BarcodeDetector" in window ? button("Scan", () => scan(form)) : null, submit));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    act(submit, async () => {
      const made = await request("/api/adopt", wanted(form));
      form.reset();
      say(`${made.name} adopted`);
      go(`#/${made.node}`);
    });
  });
  show(form);
}

function wanted(form) {
  const value = (name) => form.elements[name].value.trim();
  const body = value("label") ? { label: value("label") }
    : { id: value("id"), key: value("key"), key_id: Number(value("key_id")) };
  for (const name of ["name", "street"]) {
    if (value(name)) {
      body[name] = value(name);
    }
  }
  if (form.elements.lan && form.elements.lan.checked) {
    body.lan = true;
  }
  if (value("position")) {
    body.position_m = Number(value("position").replace(",", "."));
  }
  return body;
}

async function scan(form) {
  stopCamera();
  const detector = new BarcodeDetector({ formats: ["qr_code"] });
  camera = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
  const video = make("video", { srcObject: camera, muted: true, playsInline: true });
  form.prepend(video);
  await video.play();
  const look = async () => {
    if (camera === null || !video.isConnected) {
      return;
    }
    const found = (await detector.detect(video)).find((one) => one.rawValue.startsWith("LAMPLIGHTER:"));
    if (found) {
      form.elements.label.value = found.rawValue;
      stopCamera();
      video.remove();
      say("Label read");
    } else {
      setTimeout(look, 200);
    }
  };
  look();
}

function stopCamera() {
  if (camera !== null) {
    camera.getTracks().forEach((track) => track.stop());
    camera = null;
  }
}

async function drawReport() {
  show(make("p", { className: "dim", textContent: "Writing the report..." }));
  const made = await request("/api/report", {});
  const counts = made.report.counts;
  const posts = made.report.lampposts.map((post) => make("li", {}, make("b", { textContent: post.name }),
    make("span", { className: `mark ${post.verdict}`, textContent: MARKS[post.verdict] }),
    ...Object.entries(post.results).filter(([, result]) => result.verdict === "fail")
      .map(([step, result]) => make("div", { className: "fail", textContent: `${step}: ${result.text}` })),
    post.missing.length ? make("div", { className: "dim", textContent: `to do: ${post.missing.join(", ")}` }) : null));
  show(
    make("h2", { textContent: `${counts.pass} passed, ${counts.fail} failed, ${counts.waiting} to do` }),
    make("ul", { className: "results" }, ...posts),
    make("p", { className: "dim", textContent: "Kept on the gateway as:" }),
    ...made.files.map((file) => make("p", { className: "dim", textContent: file })),
    make("p", {}, make("a", { className: "button", href: "/report", target: "_blank", textContent: "Print" })));
}

function go(hash) {
  location.hash = hash;
}

function draw() {
  const [, first = "", second = ""] = location.hash.split("/");
  back.hidden = !first;
  if (state === null) {
    return;
  }
  // A form that is being filled in, and a report, are not drawn anew under the fingers.
  const still = first === "adopt" || first === "report";
  if (still && main.dataset.view === location.hash) {
    return;
  }
  main.dataset.view = location.hash;
  stopCamera();
  if (first === "adopt") {
    title.textContent = "Adopt";
    drawAdopt(second);
  } else if (first === "report") {
    title.textContent = "Report";
    drawReport().catch((error) => say(error.message, 10));
  } else if (first) {
    const post = state.lampposts.find((one) => one.node === first);
    title.textContent = post ? post.name : first;
    drawPost(first);
  } else {
    title.textContent = gateway;
    drawList();
  }
}

function listen() {
  const events = new EventSource("/events");
  events.onopen = () => { live.textContent = "live"; };
  events.onerror = () => { live.textContent = "no link"; };
  events.addEventListener("end", () => location.assign("/login"));
  events.onmessage = (event) => {
    const before = state;
    state = JSON.parse(event.data);
    if (!pressed) {
      draw();
    }
    const [, node] = location.hash.split("/");
    const job = (whole) => (whole ? whole.lampposts.find((one) => one.node === node) : null)?.job;
    if (/^[0-9a-f]{12}$/.test(node || "") && job(before)?.running && !job(state)?.running) {
      load(node).catch((error) => say(error.message));
    }
  };
}

window.addEventListener("pointerdown", () => { pressed = true; });
for (const end of ["pointerup", "pointercancel"]) {
  window.addEventListener(end, () => setTimeout(() => { pressed = false; draw(); }, 50));
}
back.addEventListener("click", () => go(""));
window.addEventListener("hashchange", () => {
  draw();
  const [, node] = location.hash.split("/");
  if (/^[0-9a-f]{12}$/.test(node || "")) {
    load(node).catch((error) => say(error.message));
  }
  window.scrollTo(0, 0);
});
listen();
