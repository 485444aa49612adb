import { distance } from "fastest-levenshtein";

/**
 * The text of those given that is nearest, by edit distance; undefined when none is given. Swapped letters (`paht`)
 * count as one edit, not two. With `within`, only one that is at most so many edits away.
 */
export function nearest(
  text: string,
  known: readonly string[],
  within = Number.POSITIVE_INFINITY,
): string | undefined {
  const letters = (one: string): string => [...one].sort().join("");
  const own = letters(text);
  let best: string | undefined;
  let least = within + 1;
  for (const candidate of known) {
    const edits = distance(text, candidate);
    if (edits > least) continue;
    const cost = edits - (own === letters(candidate) ? 1 : 0);
    if (cost >= least) continue;
    best = candidate;
    least = cost;
  }
  return best;
}
