import type { Problem } from "../errors.ts";
import type { Tags } from "../model/api.ts";
import { quote } from "../model/wording.ts";

const MAX_TAGS = 50;
const KEY = /^[A-Za-z0-9 _.:/=+@-]{1,128}$/;
const VALUE = /^[A-Za-z0-9 _.:/=+@-]{0,256}$/;
const ALPHABET = "letters, digits, spaces and _.:/=+@-";

/** The problems of a document's tags. The schema finds the same ones; files come without it. */
export function tagProblems(tags: Tags): Problem[] {
  const problems: Problem[] = [];
  const entries = Object.entries(tags);
  if (entries.length > MAX_TAGS) {
    problems.push({ code: "out_of_range", field: "tags", message: `tags must be at most ${MAX_TAGS}` });
  }
  for (const [key, value] of entries) {
    const refuse = (message: string): void => {
      problems.push({ code: "invalid_value", field: `tags[${quote(key)}]`, message });
    };
    if (!KEY.test(key)) refuse(`tag key ${quote(key)} must be 1-128 ${ALPHABET}`);
    if (!VALUE.test(value)) refuse(`value of tag ${quote(key)} must be 0-256 ${ALPHABET}`);
  }
  return problems;
}
