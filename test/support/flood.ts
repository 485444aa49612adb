import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { fileURLToPath } from "node:url";
import type { TestApiOptions } from "./http-api.ts";
import { httpCall } from "./http-call.ts";

/** The API in a process of its own. */
export interface ApiProcess extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  /** Resident memory of the process now, in MB. */
  residentMb(): number;
}

/** Starts `api-process.ts` and waits until it serves. */
export async function startApiProcess(options: TestApiOptions = {}): Promise<ApiProcess> {
  const main = fileURLToPath(new URL("./api-process.ts", import.meta.url));
  const child = spawn(process.execPath, [main, JSON.stringify(options)], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const exited = once(child, "exit");
  let output = "";
  for await (const chunk of child.stdout) {
    output += String(chunk);
    if (output.includes("\n")) break;
  }
  const port = Number(/^PORT (\d+)$/m.exec(output)?.[1]);
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    residentMb: () => residentMb(child.pid ?? 0),
    [Symbol.asyncDispose]: async () => {
      child.stdin.end();
      await exited;
    },
  };
}

function residentMb(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) / 1024;
}

/** What clients send that read nothing. */
export interface Flood {
  readonly connections: number;
  /** Sent on each connection at once. */
  readonly text: string;
}

/**
 * Opens connections that send and never read, and returns by how many MB the process's memory grew at the most while
 * 100 other requests were answered one after another.
 */
export async function growthUnder(api: ApiProcess, { connections, text }: Flood): Promise<number> {
  for (let index = 0; index < 20; index++) await httpCall(api.url, { path: "/health" });
  const before = api.residentMb();
  const sockets = await Promise.all(Array.from({ length: connections }, () => openSilent(api.port)));
  try {
    for (const socket of sockets) socket.write(text);
    let most = before;
    for (let index = 0; index < 40; index++) {
      await httpCall(api.url, { path: "/health" });
      most = Math.max(most, api.residentMb());
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
