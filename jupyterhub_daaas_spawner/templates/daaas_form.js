/* Makes the form follow the choice and what is free now.

   The offers come with the page as JSON and are fetched again, as the same page,
   every few seconds while it is looked at. Without this script the form still works. */
(() => {
  "use strict";

  const REFRESH_MS = 5000;
  const REMEMBER = "daaas-choice";
  const AMOUNTS = ["cpus", "ram_gb", "gpus"];
  const FIELDS = ["environment", "location", ...AMOUNTS];

  const box = document.querySelector(".daaas");
  const page = location.pathname; // never with the query: that would start a server
  let leaving = false;

  if (box.classList.contains("daaas-closed")) {
    keepAsking((fresh) => {
      if (fresh.querySelector("#daaas-offers")) location.assign(page);
    });
    return;
  }

  const form = box.closest("form");
  const data = document.getElementById("daaas-offers");
  let offers = JSON.parse(data.textContent);

  const radios = (name) => [...form.querySelectorAll(`input[type=radio][name=${name}]`)];
  const picked = (name) => radios(name).find((radio) => radio.checked)?.value ?? "";
  const pick = (name, value) => {
    const radio = radios(name).find((each) => each.value === value && !each.disabled);
    if (radio) radio.checked = true;
    return Boolean(radio);
  };

  // The same words as wording.py.
  const sum = (list, key) => list.reduce((total, each) => total + each[key], 0);
  function duration(seconds) {
    return seconds <= 55
      ? `about ${Math.max(5, Math.ceil(seconds / 5) * 5)} s`
      : `about ${Math.ceil(seconds / 60)} min`;
  }
  function availability(list) {
    const able = list.filter((offer) => offer.available);
    if (!able.length) {
      const reasons = [...new Set(list.map((offer) => offer.reason).filter(Boolean))].sort();
      return ["off", reasons.length ? `not available: ${reasons.join("; ")}` : "not available"];
    }
    const free = sum(able, "free");
    if (free) return ["ready", `${free} ready now`];
    const waits = able.map((offer) => offer.next_in_s).filter((wait) => wait !== null);
    if (waits.length) return ["soon", `next in ${duration(Math.min(...waits))}`];
    const booting = sum(able, "booting");
    if (booting) return ["soon", `${booting} starting up`];
    const nowhere = able.every((offer) => offer.reason); // nowhere is one made
    const why = nowhere ? [...new Set(able.map((offer) => offer.reason))].sort() : ["none ready"];
    return ["soon", `${why.join("; ")}; you would wait for one`];
  }

  const meets = (offer, choice) =>
    (!choice.environment || offer.environment === choice.environment) &&
    (!choice.location || offer.location === choice.location) &&
    AMOUNTS.every((name) => offer[name] === null || offer[name] >= Number(choice[name] || 0));
  const having = (choice) => offers.filter((offer) => meets(offer, choice));
  const choiceNow = () => Object.fromEntries(FIELDS.map((name) => [name, picked(name)]));

  function show(status, [light, text]) {
    if (!status) return;
    status.dataset.light = light;
    if (status.textContent !== text) status.textContent = text;
  }

  /* Opens again what a new choice rules out; what was just chosen stays. */
  function reconcile(changed) {
    const now = choiceNow();
    const kept = { environment: now.environment };
    const order = AMOUNTS.includes(changed) ? ["location", changed, ...AMOUNTS] : FIELDS;
    for (const name of order) {
      const trial = { ...kept, [name]: now[name] };
      if (having(trial).some((offer) => offer.available)) kept[name] = now[name];
      else pick(name, "");
    }
  }

  function drawEnvironments() {
    for (const radio of radios("environment")) {
      const mine = having({ environment: radio.value });
      const [light, text] = availability(mine);
      radio.disabled = light === "off";
      show(radio.closest(".daaas-card").querySelector(".daaas-status"), [light, text]);
    }
  }

  function drawLocations(choice) {
    const open = { ...choice, location: "" };
    for (const radio of radios("location")) {
      const status = radio.parentElement.querySelector(".daaas-status");
      if (!radio.value) continue;
      const here = having({ environment: choice.environment, location: radio.value });
      const fitting = having({ ...open, location: radio.value });
      radio.disabled = !here.some((offer) => offer.available);
      if (!here.length) show(status, ["off", "not offered here"]);
      else if (radio.disabled || fitting.length) show(status, availability(fitting.length ? fitting : here));
      else show(status, ["soon", "only smaller machines"]);
    }
  }

  function drawAmounts(choice) {
    const here = { environment: choice.environment, location: choice.location };
    for (const name of AMOUNTS) {
      const notes = [];
      for (const radio of radios(name)) {
        if (!radio.value) continue;
        const value = Number(radio.value);
        const has = (list) => list.filter((offer) => offer[name] === value);
        const anywhere = has(having({ environment: choice.environment }));
        const local = has(having(here));
        radio.parentElement.hidden = Boolean(choice.environment) && !anywhere.length;
        radio.disabled = !having({ ...here, [name]: radio.value }).some((offer) => offer.available);
        if (radio.disabled && anywhere.length) {
          const unit = name === "gpus" ? (value === 1 ? " GPU" : " GPUs") : "";
          const why = local.length ? availability(local)[1] : "not at this location";
          notes.push(`${radio.parentElement.textContent.trim()}${unit}: ${why}`);
        }
      }
      onlyOne(name, choice);
      const note = form.querySelector(`[data-group=${name}] .daaas-note`);
      note.textContent = notes.join(". ");
      note.hidden = !notes.length;
    }
  }

  /* A choice of one is none: it is shown as what it is, picked. */
  function onlyOne(name, choice) {
    const known = having({ environment: choice.environment }).filter((offer) => offer[name] !== null);
    const values = new Set(known.map((offer) => offer[name]));
    const one = choice.environment && values.size === 1 && !values.has(0);
    radios(name)[0].parentElement.hidden = one;
    if (one && !picked(name)) pick(name, String([...values][0]));
  }

  function drawResult(choice) {
    const line = form.querySelector(".daaas-result");
    const button = form.querySelector("button[type=submit]");
    let text = "Choose an environment.";
    if (choice.environment) {
      const fitting = having(choice).filter((offer) => offer.available);
      fitting.sort((a, b) => (b.free > 0) - (a.free > 0) || a.gpus - b.gpus || a.cpus - b.cpus);
      const best = fitting[0];
      const [, when] = availability(best ? [best] : []);
      text = best ? `You get ${best.hardware} at ${best.place}: ${when}.` : "This cannot be had together.";
      button.disabled = !best;
    }
    if (line.textContent !== text) line.textContent = text;
  }

  function draw(changed) {
    drawEnvironments();
    if (changed) reconcile(changed);
    const choice = choiceNow();
    drawLocations(choice);
    drawAmounts(choice);
    drawResult(choiceNow());
  }

  function recall() {
    const link = Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
    let choice = Object.keys(link).length ? link : null;
    // After a refusal, JupyterHub 6.1 draws a named server's form for the default server.
    const refused = document.querySelector(".spawn-error-msg") !== null;
    if (!choice && (refused || !("remembered" in box.dataset))) {
      try {
        choice = JSON.parse(localStorage.getItem(REMEMBER));
      } catch {
        choice = null; // a browser that keeps nothing
      }
    }
    for (const name of FIELDS) if (choice?.[name]) pick(name, String(choice[name]));
    if (!picked("environment")) radios("environment").find((radio) => !radio.disabled)?.click();
  }

  function search() {
    const input = form.querySelector(".daaas-search");
    const cards = [...form.querySelectorAll(".daaas-card")];
    input.hidden = cards.length < 7;
    input.addEventListener("input", () => {
      const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      for (const card of cards) card.hidden = !words.every((word) => card.dataset.words.includes(word));
      form.querySelector(".daaas-nothing").hidden = cards.some((card) => !card.hidden);
    });
    input.addEventListener("keydown", (event) => {
      if (event.key === "Enter") event.preventDefault(); // it finds, it does not start
    });
  }

  /* Hands the page as it is now to `use`, every few seconds while someone looks at it. */
  function keepAsking(use) {
    setInterval(async () => {
      if (document.hidden || leaving) return;
      try {
        const answer = await fetch(page, { redirect: "manual", credentials: "same-origin" });
        if (leaving) return;
        if (answer.type === "opaqueredirect") return location.assign(page); // it runs by now
        if (answer.ok) use(new DOMParser().parseFromString(await answer.text(), "text/html"));
      } catch {
        /* the hub is away for a moment; what is shown stays */
      }
    }, REFRESH_MS);
  }

  form.addEventListener("change", (event) => {
    if (FIELDS.includes(event.target.name)) draw(event.target.name);
  });
  form.addEventListener("submit", () => {
    leaving = true;
    const button = form.querySelector("button[type=submit]");
    button.disabled = true;
    button.textContent = "Starting…";
    try {
      localStorage.setItem(REMEMBER, JSON.stringify(choiceNow()));
    } catch {
      /* a browser that keeps nothing */
    }
  });
  window.addEventListener("pageshow", (event) => {
    if (event.persisted) location.assign(page);
  });

  search();
  recall();
  draw("environment");
  keepAsking((fresh) => {
    const news = fresh.getElementById("daaas-offers");
    if (!news) return location.assign(page);
    offers = JSON.parse(news.textContent);
    draw(null);
  });
})();
