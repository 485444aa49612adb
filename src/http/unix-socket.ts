import { chmod, chown, lstat, readFile, unlink } from "node:fs/promises";
import { connect, type Server } from "node:net";
import { exclusively } from "../caddy/exclusive.ts";
import { GatewrightError } from "../errors.ts";

/** A Unix socket to listen on. */
export interface SocketPlace {
  readonly path: string;
  /** Name or number of a group whose members may open it, too: mode 0660. Absent: its owner alone, 0600. */
  readonly group?: string;
}

/** To look at a socket and bind it takes milliseconds: whoever takes longer holds the place for another reason. */
const TURN_MS = 5_000;

/**
 * Has a server listen on a Unix socket. One that a process left behind is replaced; one that somebody listens on, and a file that
 * is none, stay. Throws `address_in_use` and `address_unavailable`.
 */
export async function listenOnSocket(server: Server, { path, group }: SocketPlace): Promise<void> {
  const gid = group === undefined ? undefined : await groupId(path, group);
  // Of several that find the same leftover one would remove what another has made since.
  const take = async (): Promise<void> => {
    await removeLeftover(path);
    await bound(server, path);
  };
  await exclusively(`socket ${path}`, take, undefined, AbortSignal.timeout(TURN_MS)).catch(
    (error: unknown) => {
      throw error instanceof GatewrightError ? error : inUse(path, error);
    },
  );
  if (gid === undefined) return;
  try {
    await chown(path, -1, gid);
    await chmod(path, 0o660);
  } catch (error) {
    server.close();
    throw unavailable(
      path,
      `cannot be given to the group ${group} (${codeOf(error)}); run as root or as its member`,
      error,
    );
  }
}

function bound(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (error: NodeJS.ErrnoException): void =>
      reject(
        error.code === "EADDRINUSE"
          ? inUse(path, error)
          : unavailable(path, `cannot be made (${error.code}); its folder must exist and be writable`, error),
      );
    server.once("error", failed);
    // Its owner's alone from the first moment on: it takes connections before a chmod could come. Bound within the call.
    const mask = process.umask(0o177);
    try {
      server.listen(path, () => {
        server.off("error", failed);
        resolve();
      });
    } finally {
      process.umask(mask);
    }
  });
}

async function removeLeftover(path: string): Promise<void> {
  const found = await lstat(path).catch((error: unknown) => {
    if (codeOf(error) === "ENOENT") return undefined;
    throw unavailable(path, `cannot be looked at (${codeOf(error)})`, error);
  });
  if (found === undefined) return;
  if (!found.isSocket())
    throw unavailable(path, "is there and is no socket; remove it, or choose another path");
  if (await isListenedOn(path)) throw inUse(path);
  await unlink(path).catch((error: unknown) => {
    if (codeOf(error) !== "ENOENT")
      throw unavailable(path, `is left from before and cannot be removed (${codeOf(error)})`, error);
  });
}

/** Only a refusal says that nobody listens: with others it is not known. */
function isListenedOn(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", (error) => resolve(!["ECONNREFUSED", "ENOENT"].includes(codeOf(error))));
  });
}

async function groupId(path: string, group: string): Promise<number> {
  if (/^\d+$/.test(group)) return Number(group);
  const groups = await readFile("/etc/group", "utf8").catch(() => "");
  const line = groups.split("\n").find((one) => one.startsWith(`${group}:`));
  const id = line?.split(":")[2];
  if (id !== undefined && /^\d+$/.test(id)) return Number(id);
  throw unavailable(
    path,
    `cannot be given to the group ${group}, which /etc/group does not have; set LISTEN_SOCKET_GROUP to another one, or to its number`,
  );
}

function codeOf(error: unknown): string {
  return String((error as NodeJS.ErrnoException).code ?? error);
}

function inUse(path: string, cause?: unknown): GatewrightError {
  const message = `another process listens on the socket ${path}; end it, or set LISTEN_ADDRESS to another path`;
  return new GatewrightError("address_in_use", message, { cause });
}

function unavailable(path: string, why: string, cause?: unknown): GatewrightError {
  return new GatewrightError("address_unavailable", `the socket ${path} ${why}`, { cause });
}
