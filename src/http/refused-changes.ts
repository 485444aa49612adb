import type { Request } from "express";
import { isGatewrightError } from "../errors.ts";
import type { EventReference } from "../model/api.ts";
import type { Attribution } from "../model/attribution.ts";
import { attributed, type EventSink } from "../model/event.ts";
import { Sampler } from "../util/sampler.ts";
import { actorOf } from "./caller.ts";
import { clientOf } from "./client.ts";
import { clientAddressOf } from "./door.ts";

/** What a call can change, and be refused to change. */
export type Changeable = "ingress" | "instance" | "certificate" | "token" | "archive";

/** A change that was refused. */
export interface RefusedChange {
  readonly request: Request;
  readonly changes: Changeable;
  readonly error: unknown;
  /** Absent: the caller has not shown who they are. */
  readonly by?: Attribution;
  /** As it was sent; absent when it was not read. */
  readonly body?: unknown;
}

/** A flood of bad calls must neither fill the disk nor push everything else out of the history. */
const MOST_OF_CLIENT_A_MINUTE = 10;
const MOST_A_MINUTE = 60;

const LONGEST_REFERENCE = 100;
const LONGEST_MESSAGE = 300;

/** Tells of changes that were refused: the first few of each client and subject in a minute, and how many more there were. */
export class RefusedChanges {
  readonly #events: EventSink;
  readonly #sampler: Sampler;

  constructor(events: EventSink, nowMs?: () => number) {
    this.#events = events;
    this.#sampler = new Sampler({
      mostOfKey: MOST_OF_CLIENT_A_MINUTE,
      most: MOST_A_MINUTE,
      spanMs: 60_000,
      ...(nowMs === undefined ? {} : { nowMs }),
    });
  }

  note({ request, changes, error, by, body }: RefusedChange): void {
    const unreported = this.#sampler.take(`${clientOf(clientAddressOf(request))} ${by?.actor.subject ?? ""}`);
    if (unreported === undefined) return;
    const { code, message } = isGatewrightError(error)
      ? error
      : { code: "internal_error", message: "internal error" };
    const reference = referenceOf(request, body);
    const route = (request.route as { readonly path?: string } | undefined)?.path;
    this.#events.emit({
      type: `${changes}.refused`,
      message: `${changes}${reference === undefined ? "" : ` ${reference.name}`}: ${request.method} is refused: ${cut(message, LONGEST_MESSAGE)}`,
      ...(reference === undefined ? {} : { [changes]: reference }),
      ...attributed(by ?? { actor: actorOf(request) }),
      data: { code, method: request.method, route, ...(unreported === 0 ? {} : { unreported }) },
    });
  }
}

/** As the caller names it: in the path, else in the body. Nothing of it need exist. */
function referenceOf(request: Request, body: unknown): EventReference | undefined {
  const { name } = (body ?? {}) as { readonly name?: unknown };
  const named = request.params["id"] ?? name;
  return typeof named === "string" ? { name: cut(named, LONGEST_REFERENCE) } : undefined;
}

function cut(text: string, most: number): string {
  return text.length > most ? `${text.slice(0, most - 1)}…` : text;
}
