import { mapInSlices } from "./slices.ts";

/**
 * `JSON.stringify` of an object whose long lists are written in slices, between which everything else that waits for the
 * process has its turn. Lists deeper inside are written at once.
 */
export async function stringifyInSlices(value: object): Promise<string> {
  const members: string[] = [];
  for (const [key, member] of Object.entries(value)) {
    const text = Array.isArray(member)
      ? `[${(await mapInSlices(member, (item) => JSON.stringify(item) ?? "null")).join(",")}]`
      : JSON.stringify(member);
    if (text !== undefined) members.push(`${JSON.stringify(key)}:${text}`);
  }
  return `{${members.join(",")}}`;
}
