/** One person's phone: a connection of its own, what it showed, and what its owner can do with it. */

import { InboxClient } from "/client/carillon.js";
import { clock, element, humane, initials } from "./dom.js";

const KEPT = 40;
const STATES = {
  connecting: "connecting",
  recovering: "catching up",
  live: "live",
  waiting: "reconnecting",
  stopped: "offline",
};

export class Phone {
  #client;
  #person;
  #api;
  #list;
  #state;
  #power;
  #figures;
  #acked = {};
  #entries = [];

  /**
   * @param {{id: string, name: string, role: string, byHand?: boolean}} person
   * @param {import("./api.js").Api} api
   * @param {{closed: (phone: Phone) => void, changed: () => void}} owner
   */
  constructor(person, api, owner) {
    this.#person = person;
    this.#api = api;
    this.#build(owner);
    this.#restore();
    this.#equip();
    this.#client.start();
  }

  get person() {
    return this.#person;
  }

  /** Close for good. */
  close() {
    this.#client.stop();
    this.element.remove();
  }

  #build(owner) {
    const { id, name, role, byHand } = this.#person;
    this.#state = element("span", { class: "state", role: "status", data: { state: "stopped" } }, "offline");
    this.#list = element("ol", { class: "events", "aria-label": `Events of ${name}`, "aria-live": "polite" });
    this.#figures = element("p", { class: "figures" });
    this.#power = element("button", { type: "button", class: "power", on: { click: () => this.#toggle() } }, "Go offline");
    const manual = element("input", { type: "checkbox", checked: Boolean(byHand) });
    manual.addEventListener("change", () => this.#handle(manual.checked, owner));
    this.element = element("article", { class: "phone", data: { user: id, role }, "aria-label": `${name}'s phone` },
      element("header", {},
        element("span", { class: "mark", "aria-hidden": "true" }, initials(name)),
        element("div", { class: "who" }, element("h3", {}, name), element("p", {}, `${humane(role)} · ${id}`)),
        this.#state,
        element("button", {
          type: "button", class: "close", "aria-label": `Close ${name}'s phone`,
          on: { click: () => { this.close(); owner.closed(this); } },
        }, "×")),
      this.#list,
      element("footer", {}, this.#figures,
        element("div", { class: "switches" },
          element("label", { class: "by-hand" }, manual, element("span", {}, "Ack by hand")), this.#power)));
  }

  /** A client of its own, which goes on from the position kept for this person. */
  #equip() {
    this.#client = new InboxClient({
      url: this.#api.config.websocket_url,
      token: () => this.#api.token(this.#person.id),
      storageKey: this.#person.id,
      automaticAcks: !this.#person.byHand,
    });
    const on = (name, listener) => this.#client.addEventListener(name, ({ detail }) => listener(detail));
    on("state", (detail) => this.#showState(detail));
    on("event", ({ event }) => this.#add(event));
    on("reminder", ({ event }) => this.#remind(event));
    on("retraction", ({ event_id, event }) => this.#retract(event_id, event));
    on("ack", ({ offsets }) => this.#ack(offsets));
  }

  #toggle() {
    if (this.#client.state === "stopped") this.#client.start();
    else this.#client.stop();
  }

  #handle(byHand, owner) {
    this.#person.byHand = byHand;
    const online = this.#client.state !== "stopped";
    this.#client.stop();
    this.#equip();
    if (online) this.#client.start();
    this.#draw(null);
    owner.changed();
  }

  #showState({ name, reason, until }) {
    this.#state.dataset.state = name;
    const wait = until === null ? 0 : Math.max(0, Math.ceil((until - performance.now()) / 1000));
    this.#state.textContent = name === "waiting" ? `again in ${wait} s` : STATES[name];
    this.#state.title = reason;
    this.#power.textContent = name === "stopped" ? "Come back" : "Go offline";
    this.element.classList.toggle("off", name === "stopped");
    this.#count();
  }

  #count() {
    const { duplicates, gaps, reconnects } = this.#client.statistics;
    const parts = [
      `${this.#entries.length} ${this.#entries.length === 1 ? "event" : "events"}`,
      duplicates && `${duplicates} ${duplicates === 1 ? "duplicate" : "duplicates"} dropped`,
      gaps && `${gaps} ${gaps === 1 ? "gap" : "gaps"} closed`,
      reconnects && `${reconnects} ${reconnects === 1 ? "reconnect" : "reconnects"}`,
    ];
    this.#figures.textContent = parts.filter(Boolean).join(" · ");
  }

  #add(event) {
    // what an earlier visit kept of another epoch belongs to a system that was made anew
    this.#entries = this.#entries.filter((entry) => !entry.kept || entry.event.epoch === event.epoch);
    this.#entries.unshift({ event, at: Date.now(), reminders: 0, retracted: false });
    this.#entries.length = Math.min(this.#entries.length, KEPT);
    this.#draw(event.event_id);
  }

  #find(eventId) {
    return this.#entries.find((entry) => entry.event.event_id === eventId);
  }

  #remind(event) {
    const entry = this.#find(event.event_id) ?? { event, at: Date.now(), reminders: 0, retracted: false };
    this.#entries = [entry, ...this.#entries.filter((other) => other !== entry)];
    entry.reminders = event.attempt - 1;
    this.#draw(event.event_id);
  }

  #retract(eventId) {
    const entry = this.#find(eventId);
    if (entry) entry.retracted = true;
    this.#draw(null);
  }

  #ack(offsets) {
    for (const [lane, offset] of Object.entries(offsets)) this.#acked[lane] = offset;
    this.#draw(null);
  }

  /** Draw the list anew; it is short. The entry named is marked as fresh. */
  #draw(fresh) {
    this.#list.replaceChildren(...this.#entries.map((entry) => this.#item(entry, entry.event.event_id === fresh)));
    this.#keep();
    this.#count();
  }

  #item(entry, fresh) {
    const { event, at, reminders, retracted } = entry;
    const acked = event.offset !== null && event.offset <= (this.#acked[event.lane] ?? 0);
    const ring = reminders > 0 && !entry.seen;
    const classes = ["event", event.lane, retracted && "retracted", fresh && "fresh", ring && "ring"].filter(Boolean);
    const facts = Object.entries(event.data).map(([key, value]) =>
      element("div", {}, element("dt", {}, humane(key)), element("dd", {}, typeof value === "string" ? value : JSON.stringify(value))));
    return element("li", { class: classes.join(" "), data: { event: event.event_id, offset: String(event.offset) } },
      element("div", { class: "line" },
        element("span", { class: "badge" }, event.lane),
        ring && element("span", { class: "badge reminder" }, `Reminder ${reminders}`),
        retracted && element("span", { class: "badge" }, "taken back"),
        element("time", { dateTime: new Date(event.ts).toISOString(), title: `arrived ${clock(at)}` }, clock(event.ts))),
      element("h4", {}, humane(event.name)),
      facts.length > 0 && element("dl", {}, ...facts),
      element("div", { class: "line quiet" },
        element("span", {}, event.offset === null ? "unnumbered" : `#${event.offset}`),
        this.#answer(entry, acked, ring)));
  }

  #answer(entry, acked, ring) {
    const { event, retracted } = entry;
    const wanted = event.offset !== null && !retracted && (ring || (this.#person.byHand && !acked));
    if (!wanted) return element("span", { class: "acked" }, acked ? "✓ acked" : "");
    const got = () => {
      entry.seen = true;
      this.#client.ack(event.lane, event.offset);
      this.#draw(null);
    };
    return element("button", { type: "button", class: "got", on: { click: got } }, "Got it");
  }

  get #key() {
    return `carillon:console:shown:${this.#person.id}`;
  }

  /** What was shown is kept beside the position, so that a reload looks as if nothing had happened. */
  #keep() {
    localStorage.setItem(this.#key, JSON.stringify({ entries: this.#entries, acked: this.#acked }));
  }

  #restore() {
    const kept = JSON.parse(localStorage.getItem(this.#key) ?? "null");
    this.#entries = (kept?.entries ?? []).map((entry) => ({ ...entry, kept: true }));
    this.#acked = kept?.acked ?? {};
    this.#list.replaceChildren(...this.#entries.map((entry) => this.#item(entry, false)));
  }
}
