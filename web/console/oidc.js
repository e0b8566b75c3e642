/**
 * Signs a person in with an OpenID Connect issuer: authorization code with PKCE (RFC 7636), refresh, sign-out.
 *
 * The access token lives in memory alone. The refresh token lies in sessionStorage, so that a reload in the middle of a
 * wedding asks nobody for a second factor: it is this tab's, it goes when the tab goes, and an issuer that rotates takes
 * it once. A script of somebody else's could read it; the page's content policy lets none in.
 */

import { challenge, claims, random, trusty } from "./proof.js";

const REFRESH = "carillon:sign-in:refresh";
const PENDING = "carillon:sign-in:pending";
const EARLY_MS = 5 * 60_000;
const AGAIN_MS = 30_000;
const TIMEOUT_MS = 10_000;
const UNTOLD_LIFE_S = 300;

/** What went wrong with a sign-in; `message` is for people. */
export class SignInError extends Error {}
/** The issuer does not prolong the sign-in: the person has to come again. */
class EndedError extends SignInError {}

/** Dispatches `ended` when the issuer does not prolong the sign-in any more. */
export class SignIn extends EventTarget {
  #config;
  #address;
  #found = null;
  #access = null;
  #identity = {};
  #idToken = null;
  #due = 0;
  #ends = 0;
  #renewing = null;

  /** @param {{issuer: string, client_id: string, scope: string, audience: string, subject_claim: string}} config */
  constructor(config) {
    super();
    this.#config = config;
    this.#address = new URL("./", location.href).href;
  }

  /** The issuer's host, as people know it. */
  get host() {
    return new URL(this.#config.issuer).host;
  }

  /** The person's id in the directory. */
  get subject() {
    const subject = claims(this.#access)[this.#config.subject_claim];
    if (typeof subject === "string" && subject) return subject;
    throw new SignInError(`The token of ${this.host} has no ${this.#config.subject_claim}: nobody can tell who you are.`);
  }

  /** What the issuer calls the person; the id where it tells no name. */
  get name() {
    const { name, preferred_username: preferred, email } = this.#identity;
    return [name, preferred, email].find((word) => typeof word === "string" && word) ?? this.subject;
  }

  /** Take up an answer of the issuer in this page's address, or what this tab still has. @returns {Promise<boolean>} */
  async resume() {
    const answer = new URLSearchParams(location.search);
    if (answer.has("code") || answer.has("error")) {
      history.replaceState(null, "", location.pathname); // a code is no thing to keep in an address or a history
      await this.#complete(answer);
      return true;
    }
    if (!sessionStorage.getItem(REFRESH)) return false;
    await this.#renew();
    return true;
  }

  /** Leave for the issuer's page. */
  async begin() {
    if (!globalThis.crypto?.subtle) throw new SignInError("Signing in takes https.");
    const { authorization_endpoint: page } = await this.#issuer();
    const pending = { state: random(), nonce: random(), verifier: random(), place: location.hash };
    sessionStorage.setItem(PENDING, JSON.stringify(pending));
    const url = new URL(page);
    const asked = {
      response_type: "code",
      client_id: this.#config.client_id,
      redirect_uri: this.#address,
      scope: this.#config.scope,
      state: pending.state,
      nonce: pending.nonce,
      code_challenge: await challenge(pending.verifier),
      code_challenge_method: "S256",
      ...(this.#config.audience && { audience: this.#config.audience }),
    };
    for (const [name, value] of Object.entries(asked)) url.searchParams.set(name, value);
    location.assign(url);
  }

  /** An access token that lives for a good while yet. */
  async token() {
    if (Date.now() >= this.#due) {
      this.#renewing ??= this.#prolong().finally(() => { this.#renewing = null; });
      await this.#renewing;
    }
    return this.#access;
  }

  /** Forget everything here, tell the issuer, and go where it signs people out. */
  async end() {
    const refresh = sessionStorage.getItem(REFRESH);
    this.#forget();
    try {
      location.assign(await this.#farewell(refresh));
    } catch (error) {
      console.warn("carillon: signed out here alone:", error.message);
      location.assign(this.#address);
    }
  }

  /** Where a person goes to be signed out everywhere; this page where the issuer has no such place. */
  async #farewell(refresh) {
    const issuer = await this.#issuer();
    if (refresh && issuer.revocation_endpoint) await this.#revoke(issuer.revocation_endpoint, refresh);
    if (!issuer.end_session_endpoint) return this.#address;
    const url = new URL(issuer.end_session_endpoint);
    url.searchParams.set("client_id", this.#config.client_id);
    url.searchParams.set("post_logout_redirect_uri", this.#address);
    url.searchParams.set("logout_uri", this.#address); // what Cognito calls it
    if (this.#idToken) url.searchParams.set("id_token_hint", this.#idToken);
    return url;
  }

  /** The issuer's own description of itself, fetched once. */
  async #issuer() {
    if (this.#found) return this.#found;
    const { issuer } = this.#config;
    const answer = await this.#reach(`${issuer.replace(/\/$/, "")}/.well-known/openid-configuration`);
    if (!answer.ok) throw new SignInError(`${this.host} does not say how to sign in: it answered ${answer.status}.`);
    const found = await answer.json().catch(() => ({}));
    if (found.issuer !== issuer) throw new SignInError(`${this.host} is not the issuer that this system trusts.`);
    if (!trusty(found.authorization_endpoint) || !trusty(found.token_endpoint)) {
      throw new SignInError(`${this.host} has no safe page to sign in at.`);
    }
    for (const name of ["end_session_endpoint", "revocation_endpoint"]) {
      if (!trusty(found[name])) delete found[name];
    }
    this.#found = found;
    return found;
  }

  async #reach(url, options = {}) {
    try {
      return await fetch(url, { ...options, credentials: "omit", signal: AbortSignal.timeout(TIMEOUT_MS) });
    } catch (error) {
      throw new SignInError(`${new URL(url).host}, which signs people in, cannot be reached. Try again in a moment.`, { cause: error });
    }
  }

  /** The way back: the answer must belong to the sign-in that this tab began, or somebody else's could be put upon it. */
  async #complete(answer) {
    const pending = JSON.parse(sessionStorage.getItem(PENDING) ?? "null");
    sessionStorage.removeItem(PENDING);
    if (!pending || answer.get("state") !== pending.state) {
      throw new SignInError("That answer belongs to no sign-in that this tab began, so it was not taken. Sign in again.");
    }
    history.replaceState(null, "", location.pathname + pending.place); // an issuer carries no fragment back
    if (answer.has("iss") && answer.get("iss") !== this.#config.issuer) {
      throw new SignInError("That answer is from another issuer, so it was not taken.");
    }
    if (answer.has("error")) throw new SignInError(refusal(this.host, answer.get("error"), answer.get("error_description")));
    const tokens = await this.#ask({
      grant_type: "authorization_code",
      code: answer.get("code"),
      redirect_uri: this.#address,
      code_verifier: pending.verifier,
    });
    this.#take(tokens, pending.nonce);
  }

  /** A new access token; while the old one lives an issuer that is away does no harm. */
  async #prolong() {
    try {
      await this.#renew();
    } catch (error) {
      const alive = this.#access && Date.now() < this.#ends;
      if (error instanceof EndedError && !alive) this.dispatchEvent(new Event("ended"));
      if (!alive) throw error;
      this.#due = Math.min(Date.now() + AGAIN_MS, this.#ends);
    }
  }

  async #renew() {
    const refresh = sessionStorage.getItem(REFRESH);
    if (!refresh) throw new EndedError("Your sign-in has ended. Sign in again.");
    this.#take(await this.#ask({ grant_type: "refresh_token", refresh_token: refresh }), null);
  }

  async #ask(form) {
    const { token_endpoint: url } = await this.#issuer();
    const body = new URLSearchParams({ ...form, client_id: this.#config.client_id });
    const answer = await this.#reach(url, { method: "POST", body });
    const said = await answer.json().catch(() => ({}));
    if (answer.ok && typeof said.access_token === "string") return said;
    if (said.error === "invalid_grant" && form.refresh_token) {
      sessionStorage.removeItem(REFRESH);
      throw new EndedError("Your sign-in has ended. Sign in again.");
    }
    throw new SignInError(refusal(this.host, said.error ?? `status ${answer.status}`, said.error_description));
  }

  #take({ access_token: access, expires_in: told, refresh_token: refresh, id_token: idToken }, nonce) {
    if (idToken) this.#identify(idToken, nonce);
    this.#access = access;
    const life = (Number(told) || UNTOLD_LIFE_S) * 1000;
    this.#ends = Date.now() + life;
    // half of a short life, so that a WebSocket that asks for a new token in time gets one
    this.#due = Date.now() + Math.max(life / 2, life - EARLY_MS);
    if (refresh) sessionStorage.setItem(REFRESH, refresh);
  }

  /** An ID token comes straight from the issuer over TLS, so its signature says nothing more; its claims do. */
  #identify(idToken, nonce) {
    const identity = claims(idToken);
    const meant = [identity.aud].flat().includes(this.#config.client_id) && identity.iss === this.#config.issuer;
    if (!meant || (nonce !== null && identity.nonce !== nonce)) {
      throw new SignInError("The issuer's answer is about another sign-in, so it was not taken. Sign in again.");
    }
    this.#identity = identity;
    this.#idToken = idToken;
  }

  #forget() {
    this.#access = null;
    this.#due = this.#ends = 0;
    sessionStorage.removeItem(REFRESH);
    sessionStorage.removeItem(PENDING);
  }

  async #revoke(url, token) {
    const body = new URLSearchParams({ token, token_type_hint: "refresh_token", client_id: this.#config.client_id });
    try {
      await this.#reach(url, { method: "POST", body, mode: "no-cors", keepalive: true });
    } catch (error) {
      console.warn("carillon: the refresh token lives on until its own end:", error.message);
    }
  }
}

function refusal(host, code, description) {
  if (code === "access_denied") return `${host} did not let you in${description ? `: ${description}` : "."}`;
  return `${host} refused the sign-in: ${description || code}`;
}
