import { spawn } from "node:child_process";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { TestApiOptions } from "./http-api.ts";
import { httpCall } from "./http-call.ts";

/** The API in a process of its own. */
export interface ApiProcess extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  /** Memory that the process cannot give back now, in MB: what is left of it after garbage has been collected. */
  heldMb(): Promise<number>;
}

/** Starts `api-process.ts` and waits until it serves. */
export async function startApiProcess(options: TestApiOptions = {}): Promise<ApiProcess> {
  const main = fileURLToPath(new URL("./api-process.ts", import.meta.url));
  const child = spawn(process.execPath, ["--expose-gc", main, JSON.stringify(options)], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const exited = once(child, "exit");
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const line = async (): Promise<string> => String((await lines.next()).value);
  const port = Number(/^PORT (\d+)$/.exec(await line())?.[1]);
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    heldMb: async () => {
      child.stdin.write("held\n");
      return Number(await line()) / 2 ** 20;
    },
    [Symbol.asyncDispose]: async () => {
      child.stdin.end();
      await exited;
    },
  };
}

/** What clients send that read nothing. */
export interface Flood {
  readonly connections: number;
  /** Sent on each connection at once. */
  readonly text: string;
}

/**
 * Opens connections that send and never read, and returns how many MB more the process holds for them at the most, while
 * other requests are answered. Garbage is no part of it: how much of that lies about depends on what else the machine does.
 */
export async function heldUnder(api: ApiProcess, { connections, text }: Flood): Promise<number> {
  for (let index = 0; index < 20; index++) await httpCall(api.url, { path: "/health" });
  const before = await api.heldMb();
  const sockets = await Promise.all(Array.from({ length: connections }, () => openSilent(api.port)));
  try {
    for (const socket of sockets) socket.write(text);
    let most = before;
    for (let index = 0; index < 8; index++) {
      for (let call = 0; call < 5; call++) await httpCall(api.url, { path: "/health" });
      most = Math.max(most, await api.heldMb());
    }
    return most - before;
  } finally {
    for (const socket of sockets) socket.destroy();
  }
}

/** A connection whose answers stay in the kernel's buffers. */
export async function openSilent(port: number): Promise<Socket> {
  const socket = connect(port, "127.0.0.1").pause();
  socket.on("error", () => undefined);
  await once(socket, "connect");
  return socket;
}
