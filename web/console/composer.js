/** The form that sends: keeps the broadcast it describes, previews whom it reaches, and says what is wrong with it. */

import { people } from "./dom.js";

const PREVIEW_DELAY_MS = 350;

export class Composer {
  #form;
  #api;
  #preview;
  #problem;
  #button;
  #context;
  #sent;
  #timer = null;
  #asked = 0;

  /**
   * @param {HTMLFormElement} form
   * @param {import("./api.js").Api} api
   * @param {{context: () => {wedding: string|null, phones: string[]}, sent: (broadcast: object) => void}} owner
   */
  constructor(form, api, { context, sent }) {
    this.#form = form;
    this.#api = api;
    this.#context = context;
    this.#sent = sent;
    this.#preview = form.querySelector("#preview");
    this.#problem = form.querySelector("#problem");
    this.#button = form.querySelector("button[type=submit]");
    form.addEventListener("input", () => this.refresh());
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#send();
    });
  }

  /** Something that the preview depends on changed. */
  refresh() {
    const critical = this.#form.priority.value === "critical";
    this.#form.querySelector("#escalation").hidden = !critical;
    this.#form.dataset.priority = this.#form.priority.value;
    this.#button.textContent = critical ? "Send now, through quiet hours too" : "Send";
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#look(), PREVIEW_DELAY_MS);
  }

  /** The broadcast that the form describes; throws an Error that says what is wrong. */
  #broadcast() {
    const form = this.#form;
    const broadcast = {
      audience: this.#audience(form.audience.value),
      priority: form.priority.value,
      kind: form.kind.value,
      name: form.name.value.trim(),
      data: details(form.data.value),
    };
    if (form.expires.value) broadcast.expires_at = new Date(Date.now() + form.expires.value * 60_000).toISOString();
    if (form.escalate.value && broadcast.priority === "critical") broadcast.escalate_after_s = Number(form.escalate.value);
    return broadcast;
  }

  #audience(choice) {
    const { wedding, phones } = this.#context();
    if (choice === "phones") {
      if (phones.length === 0) throw new Error("No phone is open: pick somebody first.");
      return { type: "users", user_ids: phones };
    }
    if (!wedding) throw new Error("There is no wedding yet: import some with `carillon import`.");
    return choice === "wedding" ? { type: "wedding", wedding_id: wedding }
      : { type: "role", wedding_id: wedding, role: choice };
  }

  async #look() {
    const asked = ++this.#asked;
    try {
      const seen = await this.#api.preview(this.#broadcast());
      if (asked === this.#asked) this.#tell(sentence(seen), "");
    } catch (error) {
      if (asked === this.#asked) this.#tell("", error.message);
    }
  }

  async #send() {
    this.#button.disabled = true;
    try {
      const broadcast = await this.#api.send(this.#broadcast());
      this.#tell(this.#preview.textContent, "");
      this.#sent(broadcast);
    } catch (error) {
      this.#tell("", error.message);
    } finally {
      this.#button.disabled = false;
    }
  }

  #tell(preview, problem) {
    this.#preview.textContent = preview || "\u00a0";
    this.#problem.textContent = problem;
    this.#problem.hidden = !problem;
    this.#button.disabled = Boolean(problem);
  }
}

function details(text) {
  let value;
  try {
    value = JSON.parse(text.trim() || "{}");
  } catch (error) {
    throw new Error(`Details are not JSON: ${error.message}`);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new Error('Details must be an object, such as {"ceremony": "15:30"}.');
  }
  return value;
}

function sentence({ expected, now, inbox_only: inbox, delayed, filtered }) {
  if (expected === 0) return "Reaches nobody.";
  const rest = [
    inbox && `${inbox} in their inbox only`,
    delayed && `${delayed} after their quiet hours`,
    filtered && `${filtered} do not want this kind`,
  ].filter(Boolean);
  const head = now === expected ? `Reaches ${people(now)}` : `Reaches ${now.toLocaleString()} of ${people(expected)} now`;
  return `${head}${rest.length ? ` · ${rest.join(" · ")}` : ""}.`;
}
