/** The way into a page: where the system is, and who is asking, signed in where people sign in. */

import { admitted } from "./account.js";
import { Api } from "./api.js";
import { SignIn } from "./oidc.js";

/**
 * Wait until there is somebody to ask the API for.
 * @returns {Promise<{api: Api, session: SignIn|null}>} `session` is null where nobody signs in: on one machine
 */
export async function entered() {
  const answer = await fetch(new URL("config.json", import.meta.url));
  if (!answer.ok) throw new Error(`No configuration: the server answered ${answer.status}`);
  const config = await answer.json();
  const session = config.sign_in ? new SignIn(config.sign_in) : null;
  if (session) await admitted(session);
  const api = new Api(config, session);
  if (!session && !api.issuing) await pasted(api);
  return { api, session };
}

/** Without a development issuer a person brings a token; only for as long as the tab lives. */
function pasted(api) {
  const dialog = document.getElementById("sign-in");
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      api.paste(dialog.querySelector("textarea").value);
      resolve();
    }, { once: true });
  });
}
