import { createSocket } from "node:dgram";
import { once } from "node:events";
import { createServer } from "node:net";

/** Below the ephemeral range, so that no outgoing connection takes a port between choosing and using it. */
const LOWEST = 10_000;
const HIGHEST = 32_000;

/** A port that is free for TCP and UDP on 127.0.0.1, and is given to nobody else while this process lives. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = LOWEST + Math.floor(Math.random() * (HIGHEST - LOWEST));
    if ((await isOurs(port)) && (await isFree(port))) return port;
  }
}

/**
 * Takes the port among all test processes: by an abstract Unix socket (unix(7)), which the kernel gives to one process
 * and frees with its end.
 */
async function isOurs(port: number): Promise<boolean> {
  const claim = createServer();
  try {
    claim.listen(`\0gatewright-test-port-${port}`);
    await once(claim, "listening");
    claim.unref();
    return true;
  } catch {
    return false;
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
