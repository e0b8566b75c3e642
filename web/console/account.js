/** Who is signed in: the gate before the console, the name in its corner, and the way out. */

import { ApiError } from "./api.js";
import { initials } from "./dom.js";

const at = (id) => document.getElementById(id);

/** The page that stands in the console's place for whoever is not signed in. */
function gate(session, problem = "") {
  document.body.classList.add("gated");
  at("account").hidden = true;
  at("gate").hidden = false;
  at("gate-text").textContent = `You sign in at ${session.host}; this page never sees your password.`;
  tell(problem);
  at("gate-enter").onclick = async () => {
    at("gate-enter").disabled = true;
    try {
      tell("");
      await session.begin();
    } catch (error) {
      tell(error.message);
      at("gate-enter").disabled = false;
    }
  };
}

function tell(problem) {
  at("gate-problem").textContent = problem;
  at("gate-problem").hidden = !problem;
}

/**
 * Wait until somebody is signed in. Whoever has to go to the issuer for it comes back to a new page, so then this never
 * ends.
 * @param {import("./oidc.js").SignIn} session
 */
export async function admitted(session) {
  let problem = "";
  try {
    if (await session.resume()) return;
  } catch (error) {
    problem = error.message;
  }
  gate(session, problem);
  await new Promise(() => {});
}

/** The person who is signed in. */
export class Account {
  #session;
  #api;

  /**
   * @param {import("./oidc.js").SignIn} session
   * @param {import("./api.js").Api} api
   * @param {{leaving: () => void}} owner told before the person is signed out
   */
  constructor(session, api, { leaving }) {
    this.#session = session;
    this.#api = api;
    this.#show(session.name);
    at("sign-out").addEventListener("click", () => {
      at("sign-out").disabled = true;
      leaving();
      forget();
      session.end();
    });
    session.addEventListener("ended", () => {
      leaving();
      gate(session, "Your sign-in has ended. Sign in again; nothing is missed meanwhile.");
    });
  }

  /** Whom the directory knows under their id, or null. @returns {Promise<{id: string, name: string, role: string}|null>} */
  async person() {
    try {
      const { id, name, role } = await this.#api.person(this.#session.subject);
      this.#show(name);
      return { id, name, role };
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) return null;
      throw error;
    }
  }

  #show(name) {
    at("account-mark").textContent = initials(name);
    at("account-name").textContent = name;
    at("account-id").textContent = this.#session.subject;
    at("account").hidden = false;
  }
}

/** What phones showed stays with nobody who uses this browser next. */
function forget() {
  const ours = Object.keys(localStorage).filter((key) => key.startsWith("carillon:"));
  for (const key of ours) localStorage.removeItem(key);
}
