import { createHash } from "node:crypto";
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";

/**
 * Runs `work` while no other process on this machine runs one under the same name, and waits for its turn.
 * The lock is a listening socket in Linux's abstract namespace (unix(7)): the kernel frees it whatever way the
 * holder ends, so that none is ever stale, and waiters learn of it at once. Other systems go without a lock.
 *
 * @param name what is done, e.g. the path of the file that is written; hashed
 * @param onWait called once when another process holds the lock
 * @param signal ends the wait, with its reason; `work` looks after itself
 */
export async function exclusively<T>(
  name: string,
  work: () => Promise<T>,
  onWait?: () => void,
  signal?: AbortSignal,
): Promise<T> {
  if (process.platform !== "linux") return work();
  const address = `\0gatewright-${createHash("sha256").update(name).digest("hex").slice(0, 32)}`;
  for (let waits = 0; ; waits++) {
    signal?.throwIfAborted();
    const release = await listen(address);
    if (release !== undefined) {
      try {
        return await work();
      } finally {
        release();
      }
    }
    if (waits === 0) onWait?.();
    await closed(address, signal);
  }
}

/** Takes the address; undefined when another process has it. */
async function listen(address: string): Promise<(() => void) | undefined> {
  const waiting = new Set<Socket>();
  const server = createServer((socket) => waiting.add(socket.on("error", () => {})));
  server.listen(address);
  try {
    await once(server, "listening");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EADDRINUSE") return undefined;
    throw error;
  }
  return () => {
    server.close();
    for (const socket of waiting) socket.destroy();
  };
}

/** Waits until the holder closes the connection, which its end does too, or until the signal. */
function closed(path: string, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    connect({ path, ...(signal === undefined ? {} : { signal }) })
      .on("error", () => {})
      .on("close", () => resolve())
      .resume();
  });
}
