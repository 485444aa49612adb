import { once } from "node:events";
import { get } from "node:http";
import { json } from "node:stream/consumers";
import type { Turns } from "./turns.ts";

/** Environment of a manager whose turns are asked for at a socket. */
export function measuringTurns(socketPath: string): NodeJS.ProcessEnv {
  const module = new URL("turns.ts", import.meta.url).href;
  return { NODE_OPTIONS: `--import ${module}`, TURNS_SOCKET: socketPath };
}

/** The turns of the manager since the last question. */
export async function turnsAt(socketPath: string): Promise<Turns> {
  const [response] = await once(get({ socketPath, path: "/" }), "response");
  return (await json(response)) as Turns;
}
