import type { Request } from "express";
import { GatewrightError } from "../errors.ts";
import { badParameter, enumParameter } from "./query.ts";

const mediaTypes = { stream: "text/event-stream", list: "application/json" } as const;

/** Whether a client wants what comes, or a list: `follow` decides, else what it likes best. `usual` is for who takes anything. */
export function wantsStream(
  request: Request,
  query: URLSearchParams,
  usual: keyof typeof mediaTypes,
): boolean {
  const follow = enumParameter(query, "follow", ["true", "false"]);
  if (follow !== undefined) return follow === "true";
  const other = usual === "stream" ? "list" : "stream";
  const liked = request.accepts([mediaTypes[usual], mediaTypes[other]]);
  return (liked === mediaTypes[other] ? other : usual) === "stream";
}

/** The id after which items are wanted: that of the query, else what a client that comes back had last. Throws `Bad Request`. */
export function startOf(request: Request, query: URLSearchParams, name: string): number | undefined {
  const given = query.get(name);
  if (given !== null) {
    if (isId(given)) return Number(given);
    throw badParameter(name, "value must be an id, or 0 for all that are kept");
  }
  const last = request.get("last-event-id");
  if (last === undefined || last === "") return undefined;
  if (isId(last)) return Number(last);
  throw new GatewrightError(
    "Bad Request",
    "header Last-Event-ID has an error: value must be the id of an event",
  );
}

function isId(text: string): boolean {
  return /^\d{1,16}$/.test(text) && Number.isSafeInteger(Number(text));
}
