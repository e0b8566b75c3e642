/** The HTTP API as this page needs it, and the tokens for it. */

const SCOPES = ["broadcast:write", "broadcast:critical", "ops:read"];
const EARLY_MS = 60_000;

/** A refusal of the API: `message` is for people, `code` is stable (docs/ERRORS.md). */
export class ApiError extends Error {
  constructor(problem, status) {
    const fields = (problem.errors ?? []).map(({ pointer, detail }) => `${pointer}: ${detail}`);
    const told = [problem.detail ?? `the server answered ${status}`, ...fields];
    super([...new Set(told)].join("\n")); // a detail about one field says what the field says
    this.code = problem.code ?? "unknown";
    this.status = status;
  }
}

export class Api {
  #tokens = new Map();
  #pasted = null;
  #session;

  /**
   * @param {{websocket_url: string, token_url: string|null}} config
   * @param {import("./oidc.js").SignIn|null} session who is signed in, where people sign in
   */
  constructor(config, session = null) {
    this.config = config;
    this.#session = session;
  }

  /** Whether this system makes tokens for anybody, as a developer's machine does. */
  get issuing() {
    return Boolean(this.config.token_url);
  }

  /** Whether somebody is signed in, as themselves alone. */
  get personal() {
    return this.#session !== null;
  }

  /** Use a token of the person's own. */
  paste(token) {
    this.#pasted = token.trim();
  }

  /** A token that still lives: for the planner who sends (no subject given) or for a person's phone. */
  async token(subject = null) {
    if (this.#session) return this.#own(subject);
    if (!this.issuing) return this.#pasted;
    const key = subject ?? "console";
    const known = this.#tokens.get(key);
    if (known && known.until > Date.now()) return known.token;
    const answer = await fetch(this.config.token_url, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ sub: key, scopes: subject ? [] : SCOPES }),
    });
    if (!answer.ok) throw new Error(`no token: the issuer answered ${answer.status}`);
    const { token, expires_in_s } = await answer.json();
    // half of a short life, so that a refresh always gets a new one
    const life = Math.max(expires_in_s * 500, expires_in_s * 1000 - EARLY_MS * 5);
    this.#tokens.set(key, { token, until: Date.now() + life });
    return token;
  }

  /** Nobody has another person's token, so nobody opens another person's phone. */
  async #own(subject) {
    const token = await this.#session.token();
    if (subject && subject !== this.#session.subject) throw new Error(`only ${subject} can open that phone`);
    return token;
  }

  async #ask(method, path, body, headers = {}) {
    const answer = await fetch(path, {
      method,
      headers: {
        Authorization: `Bearer ${await this.token()}`,
        ...(body !== undefined && { "Content-Type": "application/json" }),
        ...headers,
      },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    const text = await answer.text();
    if (!answer.ok) throw new ApiError(parsed(text), answer.status);
    return parsed(text);
  }

  person(id) {
    return this.#ask("GET", `/v1/users/${encodeURIComponent(id)}`);
  }

  weddings() {
    return this.#ask("GET", "/v1/weddings?limit=200").then((page) => page.items);
  }

  /** Members of a wedding, of one role when given. */
  team(wedding, role = null, limit = 200) {
    const query = new URLSearchParams({ limit, ...(role && { role }) });
    return this.#ask("GET", `/v1/weddings/${encodeURIComponent(wedding)}/team?${query}`).then((page) => page.items);
  }

  /** People whose id or name begins with the text. */
  find(text) {
    return this.#ask("GET", `/v1/users?${new URLSearchParams({ query: text, limit: 8 })}`).then((page) => page.items);
  }

  send(broadcast) {
    return this.#ask("POST", "/v1/broadcasts", broadcast, { "Idempotency-Key": crypto.randomUUID() });
  }

  preview(broadcast) {
    return this.#ask("POST", "/v1/broadcasts/preview", broadcast);
  }

  /** The latest few, newest first. */
  broadcasts() {
    return this.#ask("GET", "/v1/broadcasts?limit=10").then((page) => page.items);
  }

  status(id) {
    return this.#ask("GET", `/v1/broadcasts/${id}`);
  }

  /** Names of some of those who have not acked. */
  left(id) {
    return this.#ask("GET", `/v1/broadcasts/${id}/deliveries?unacked=true&limit=4`).then((page) => page.items);
  }

  cancel(id) {
    return this.#ask("POST", `/v1/broadcasts/${id}/cancel`);
  }

  /** What a month asks for and costs, day by day. @param {string} month as in `2027-06` */
  forecast(month) {
    return this.#ask("GET", `/v1/ops/forecast?${new URLSearchParams({ month })}`);
  }
}

function parsed(text) {
  try {
    return text ? JSON.parse(text) : {};
  } catch {
    return {}; // a proxy's page instead of a problem document: the status says enough
  }
}
