/** Small ways to make elements. Text only ever goes in as text, so nothing that people send can become markup. */

/**
 * @param {string} tag
 * @param {Object<string, any>} [properties] `class`, `data` (dataset), `on` (listeners), aria-* and plain properties
 * @param {...(Node|string|null|false)} children
 */
export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name === "class") made.className = value;
    else if (name === "data") Object.assign(made.dataset, value);
    else if (name === "on") for (const [type, listener] of Object.entries(value)) made.addEventListener(type, listener);
    else if (name.includes("-") || name === "role") made.setAttribute(name, value);
    else made[name] = value;
  }
  made.append(...children.filter((child) => child !== null && child !== false && child !== undefined));
  return made;
}

/** `timeline.shifted` reads "Timeline shifted". */
export function humane(name) {
  const words = name.replaceAll(/[._-]+/g, " ").trim();
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** The first letters of a name, for its round mark. */
export function initials(name) {
  const words = name.split(/\s+/).filter((word) => /^\p{L}/u.test(word));
  return [words[0], words.length > 1 ? words.at(-1) : ""].map((word) => word?.charAt(0) ?? "").join("").toUpperCase() || "?";
}

const CLOCK = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" });

/** Hours, minutes and seconds of a moment given in milliseconds since 1970. */
export const clock = (milliseconds) => CLOCK.format(new Date(milliseconds));

/** "1 person", "2 people". */
export const people = (count) => `${count.toLocaleString()} ${count === 1 ? "person" : "people"}`;
