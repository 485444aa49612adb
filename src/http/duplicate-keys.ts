import { type JSONPath, visit } from "jsonc-parser";
import type { Problem } from "../errors.ts";
import { fieldOf } from "../validation/schema-problem.ts";

/** More than these are not looked for: one is enough to refuse a body. */
const MOST_PROBLEMS = 200;

/**
 * Keys that an object of a JSON text has twice, each with its place. JSON.parse takes the last one silently, so that a
 * `policies` that denies could be undone by an empty one behind it (RFC 8259 section 4). The text is valid JSON.
 */
export function duplicateKeys(text: string): readonly Problem[] {
  const problems: Problem[] = [];
  const objects: Set<string>[] = [];
  visit(text, {
    onObjectBegin: () => {
      objects.push(new Set());
    },
    onObjectProperty: (key, _offset, _length, line, character, pathOf) => {
      const keys = objects.at(-1);
      if (keys?.has(key) === true && problems.length < MOST_PROBLEMS)
        problems.push(problem([...pathOf(), key], line, character));
      keys?.add(key);
    },
    onObjectEnd: () => {
      objects.pop();
    },
  });
  return problems;
}

function problem(path: JSONPath, line: number, character: number): Problem {
  const message = `the key is given twice (line ${line + 1} column ${character + 1}): keep one of them`;
  return { code: "invalid_value", field: fieldOf(path.map(String)), message };
}
