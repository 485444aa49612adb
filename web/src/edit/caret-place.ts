import type { Path } from "./draft.ts";

/** Where in the document the caret is, and what is typed there so far. */
export interface Place {
  readonly path: Path;
  readonly typed: string;
  /** A value is being typed, of the last key of the path. */
  readonly isValue: boolean;
  /** Keys that the object has already. */
  readonly present: readonly string[];
}

/** The place of the caret in a text that may be half written, by its indentation. */
export function placeInYaml(text: string, caret: number): Place {
  const lines = text.slice(0, caret).split("\n");
  const line = lines.pop() ?? "";
  const [, dashes = "", key, value] = /^((?: *- )* *)(?:([\w-]+):(?: +(.*))?|.*)$/.exec(line) ?? [];
  const typedKey = line.slice(dashes.length);
  let indent = dashes.length;
  const path: (string | number)[] = [];
  const note = (prefix: string, upTo: number): void => {
    // `- ` at a lesser indentation is an entry of a list.
    for (let at = prefix.lastIndexOf("-"); at >= 0; at = prefix.lastIndexOf("-", at - 1)) {
      if (at < upTo) {
        path.unshift(0);
        upTo = at;
      }
    }
  };
  note(dashes, indent);
  indent = dashes.includes("-") ? dashes.indexOf("-") : indent;
  let hasEntry = dashes.includes("-");
  for (const above of lines.reverse()) {
    const [, prefix = "", name] = /^((?: *- )* *)([\w-]+):/.exec(above) ?? [];
    if (name === undefined) continue;
    const column = prefix.length;
    if (column < indent || (column === indent && hasEntry && !prefix.includes("-"))) {
      path.unshift(name);
      indent = column;
      hasEntry = false;
    }
    if (prefix.includes("-") && prefix.indexOf("-") < indent) {
      path.unshift(0);
      indent = prefix.indexOf("-");
      hasEntry = true;
    }
  }
  if (key !== undefined && value !== undefined)
    return { path: [...path, key], typed: value, isValue: true, present: [] };
  return { path, typed: key ?? typedKey, isValue: false, present: [] };
}

/** The same in JSON, by its brackets. */
export function placeInJson(text: string, caret: number): Place {
  const stack: { readonly kind: "object" | "array"; key?: string; index: number; readonly keys: string[] }[] =
    [];
  const before = text.slice(0, caret);
  let typed = "";
  let isValue = false;
  for (const [token] of before.matchAll(/"(?:[^"\\]|\\.)*"?|[{}[\],:]|[^\s{}[\],:"]+/g)) {
    const top = stack.at(-1);
    typed = "";
    if (token === "{" || token === "[") {
      stack.push({ kind: token === "{" ? "object" : "array", index: 0, keys: [] });
      isValue = token === "[";
    } else if (token === "}" || token === "]") {
      stack.pop();
    } else if (token === ",") {
      if (top !== undefined) top.index += 1;
      isValue = top?.kind === "array";
    } else if (token === ":") {
      isValue = true;
    } else {
      typed = token.replaceAll('"', "");
      if (!isValue && top !== undefined) {
        top.key = typed;
        top.keys.push(typed);
      }
    }
  }
  const path = stack.map(({ kind, key, index }) => (kind === "array" ? index : (key ?? "")));
  const present = stack.at(-1)?.keys ?? [];
  return isValue
    ? { path, typed, isValue, present }
    : { path: path.slice(0, -1), typed, isValue, present: typed === "" ? present : present.slice(0, -1) };
}
