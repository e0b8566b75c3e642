/** The console: puts the wall of phones, the form and the list of what was sent together. */

import { Account } from "./account.js";
import { Composer } from "./composer.js";
import { element, humane } from "./dom.js";
import { entered } from "./entry.js";
import { Phone } from "./phone.js";
import { Sent } from "./sent.js";

const ROLES = ["planner", "couple", "vendor", "guest"];
const MOST_PHONES = 12;
const KEPT = "carillon:console:phones";
const FIND_DELAY_MS = 180;

const at = (id) => document.getElementById(id);
/** @type {Map<string, Phone>} */
const phones = new Map();

function complain(error) {
  at("banner").textContent = error ? error.message : "";
  at("banner").hidden = !error;
}

/** Run something of the user's; what goes wrong is told on the page. */
const attempt = (work) => async (...given) => {
  try {
    complain(null);
    await work(...given);
  } catch (error) {
    complain(error);
  }
};

async function start() {
  tabs();
  const { api, session } = await entered();
  const sent = new Sent(at("broadcasts"), at("nothing-sent"), api);
  const composer = new Composer(at("composer"), api, {
    context: () => ({ wedding: at("wedding").value || null, phones: [...phones.keys()] }),
    sent: (broadcast) => sent.add(broadcast),
  });
  const wall = new Wall(api, () => composer.refresh());
  if (session) await own(session, api, wall);
  else everybody(api, wall);
  at("wedding").addEventListener("change", attempt(() => {
    localStorage.setItem("carillon:console:wedding", at("wedding").value);
    composer.refresh();
  }));
  try {
    await weddings(api);
  } catch (error) {
    if (!session || error.status !== 403) throw error;
    listening();
    return;
  }
  composer.refresh();
  await sent.restore();
}

/** Whoever may neither send nor look has their phone, and is told so. */
function listening() {
  document.body.classList.add("listening");
  at("own-only").textContent = "You may listen here. To send, ask for the right broadcast:write; then sign in again.";
}

/** Where tokens are made for anybody, anybody's phone opens. */
function everybody(api, wall) {
  wall.restore();
  finder(api, wall);
  at("one-of-each").addEventListener("click", attempt(() => wall.oneOfEach(at("wedding").value)));
}

/** Where people sign in, there is one phone: their own. */
async function own(session, api, wall) {
  at("phones-title").textContent = "Your phone";
  at("to-phones").textContent = "Only me";
  at("picker").hidden = true;
  document.body.classList.add("personal");
  at("own-only").hidden = false;
  const account = new Account(session, api, {
    leaving: () => {
      for (const phone of phones.values()) phone.close();
    },
  });
  const person = await account.person();
  if (person) wall.open(person);
  else wall.absent(session);
}

async function weddings(api) {
  const all = await api.weddings();
  const options = all.map(({ id, name, starts_at }) =>
    element("option", { value: id }, `${name} · ${new Date(starts_at).toLocaleDateString()} · ${id}`));
  at("wedding").replaceChildren(...options);
  at("wedding").disabled = all.length === 0;
  if (all.length === 0) {
    at("wedding").append(element("option", { value: "" }, "none yet"));
    throw new Error("There are no weddings yet. Import the example: carillon import examples/june-saturday.csv");
  }
  const kept = localStorage.getItem("carillon:console:wedding");
  if (all.some(({ id }) => id === kept)) at("wedding").value = kept;
}

/** The phones that are open; the list of their people survives a reload. */
class Wall {
  #api;
  #changed;

  constructor(api, changed) {
    this.#api = api;
    this.#changed = changed;
  }

  restore() {
    for (const person of JSON.parse(localStorage.getItem(KEPT) ?? "[]")) this.open(person);
    this.#settle();
  }

  open(person) {
    if (phones.has(person.id)) {
      phones.get(person.id).element.scrollIntoView({ behavior: "smooth", block: "nearest" });
      return;
    }
    if (phones.size >= MOST_PHONES) throw new Error(`${MOST_PHONES} phones are open already; close one first.`);
    const phone = new Phone(person, this.#api, {
      closed: () => {
        phones.delete(person.id);
        this.#settle();
      },
      changed: () => this.#keep(),
    });
    phones.set(person.id, phone);
    at("wall").append(phone.element);
    this.#settle();
  }

  /** Whoever is not in the directory has no phone. */
  absent(session) {
    at("own-only").hidden = true;
    at("to-phones").remove();
    at("no-phones-title").textContent = "You have no phone here.";
    at("no-phones-text").textContent = `The directory knows nobody with the id ${session.subject}; ask whoever keeps it.`;
  }

  async oneOfEach(wedding) {
    const found = await Promise.all(ROLES.map((role) => this.#api.team(wedding, role, 1)));
    for (const [member] of found) {
      if (member) this.open({ id: member.user_id, name: member.name, role: member.role });
    }
  }

  #keep() {
    if (this.#api.personal) return; // one's own phone opens by itself
    localStorage.setItem(KEPT, JSON.stringify([...phones.values()].map((phone) => phone.person)));
  }

  #settle() {
    this.#keep();
    at("no-phones").hidden = phones.size > 0;
    this.#changed();
  }
}

/** The search box: a list of people below it, reachable with the arrow keys. */
function finder(api, wall) {
  const box = at("find");
  const list = at("found");
  let timer = null;
  let asked = 0;
  const hide = () => {
    list.hidden = true;
    box.setAttribute("aria-expanded", "false");
  };
  const pick = attempt((person) => {
    box.value = "";
    hide();
    wall.open({ id: person.id, name: person.name, role: person.role });
  });
  const look = attempt(async () => {
    const mine = ++asked;
    const found = box.value.trim() ? await api.find(box.value.trim()) : [];
    if (mine !== asked) return;
    list.replaceChildren(...found.map((person) =>
      element("li", {}, element("button", { type: "button", on: { click: () => pick(person) } },
        element("span", {}, person.name), element("small", {}, `${humane(person.role)} · ${person.id}`)))));
    list.hidden = found.length === 0;
    box.setAttribute("aria-expanded", String(found.length > 0));
  });
  box.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(look, FIND_DELAY_MS);
  });
  at("picker").addEventListener("submit", (event) => {
    event.preventDefault();
    list.querySelector("button")?.click();
  });
  at("picker").addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const stops = [box, ...list.querySelectorAll("button")];
    if (event.key === "Escape") hide();
    if (!step || list.hidden) return;
    event.preventDefault();
    stops[(stops.indexOf(document.activeElement) + step + stops.length) % stops.length].focus();
  });
  document.addEventListener("click", (event) => at("picker").contains(event.target) || hide());
}

/** On a phone's width one part shows at a time. */
function tabs() {
  for (const button of document.querySelectorAll(".tabs button")) {
    button.addEventListener("click", () => {
      document.body.dataset.tab = button.dataset.tab;
      scrollTo({ top: 0 });
    });
  }
}

attempt(start)();
