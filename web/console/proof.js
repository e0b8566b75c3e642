/** What a sign-in proves things with, and what is looked at before it is believed. */

const THIS_MACHINE = new Set(["127.0.0.1", "localhost", "[::1]"]);

/** @returns {Object<string, any>} the claims of a JWT; none of what is no JWT */
export function claims(token) {
  try {
    const bytes = Uint8Array.from(atob(token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return {}; // an opaque token; whoever needs a claim of it says so
  }
}

/** Whether a URL may be sent secrets: https, or this machine itself. */
export function trusty(text) {
  if (typeof text !== "string" || !URL.canParse(text)) return false;
  const url = new URL(text);
  return url.protocol === "https:" || (url.protocol === "http:" && THIS_MACHINE.has(url.hostname));
}

const base64url = (bytes) =>
  btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");

/** 256 random bits as text. */
export const random = () => base64url(crypto.getRandomValues(new Uint8Array(32)));

/** What of a PKCE verifier may be shown to everybody (S256). */
export async function challenge(verifier) {
  return base64url(new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(verifier))));
}
