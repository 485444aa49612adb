import { concatInSlices, encodeInSlices } from "./bytes-in-slices.ts";
import { mapInSlices } from "./slices.ts";

/**
 * `JSON.stringify` of an object in UTF-8, whose long lists are written in slices, between which everything else that waits
 * for the process has its turn. Lists deeper inside are written at once.
 */
export async function stringifyInSlices(value: object): Promise<Buffer> {
  const members: (readonly [key: string, text: string | readonly string[]])[] = [];
  for (const [key, member] of Object.entries(value)) {
    const text = Array.isArray(member)
      ? await mapInSlices(member, (item) => JSON.stringify(item) ?? "null")
      : JSON.stringify(member);
    if (text !== undefined) members.push([key, text]);
  }
  return concatInSlices(await encodeInSlices(piecesOf(members)));
}

function* piecesOf(
  members: readonly (readonly [key: string, text: string | readonly string[]])[],
): Generator<string> {
  yield "{";
  for (const [index, [key, text]] of members.entries()) {
    yield `${index === 0 ? "" : ","}${JSON.stringify(key)}:`;
    if (typeof text === "string") yield text;
    else yield* listPieces(text);
  }
  yield "}";
}

function* listPieces(items: readonly string[]): Generator<string> {
  yield "[";
  for (const [index, item] of items.entries()) yield index === 0 ? item : `,${item}`;
  yield "]";
}
