import { createSocket } from "node:dgram";
import { once } from "node:events";
import { createServer } from "node:net";

/** Below the ephemeral range, so that no outgoing connection takes a port between choosing and using it. */
const LOWEST = 10_000;
const HIGHEST = 32_000;

const given = new Set<number>();

/** A port that is free for TCP and UDP on 127.0.0.1, and was not given before by this process. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = LOWEST + Math.floor(Math.random() * (HIGHEST - LOWEST));
    if (given.has(port) || !(await isFree(port))) continue;
    given.add(port);
    return port;
  }
}

async function isFree(port: number): Promise<boolean> {
  const tcp = createServer();
  const udp = createSocket("udp4");
  try {
    tcp.listen({ host: "127.0.0.1", port, exclusive: true });
    await once(tcp, "listening");
    udp.bind({ address: "127.0.0.1", port, exclusive: true });
    await once(udp, "listening");
    return true;
  } catch {
    return false;
  } finally {
    tcp.close();
    udp.close();
  }
}
