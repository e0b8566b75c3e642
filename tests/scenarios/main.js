/** node tests/scenarios/main.js: runs the scenarios with node and tells each failure; exits with 1 when there is one. */

import { readFile } from "node:fs/promises";
import { Session } from "../../web/client/session.js";
import { failures } from "./runner.js";

const document = JSON.parse(await readFile(new URL("session.json", import.meta.url), "utf8"));
const found = failures(document, Session);
for (const line of found) console.error(line);
console.log(`${document.scenarios.length} scenarios, ${found.length} failures`);
process.exitCode = found.length ? 1 : 0;
