import { once } from "node:events";
import { request as httpRequest } from "node:http";
import { connect } from "node:http2";
import { request as httpsRequest } from "node:https";
import { connect as connectSocket, isIP, isIPv6 } from "node:net";
import type { ConnectionOptions } from "node:tls";
import type { CheckSettings } from "./check-plan.ts";

/** What a check found: undefined when all is well, else why not, in words. */
export type Verdict = string | undefined;

/** Where a check goes. */
export interface ProbeTarget {
  readonly ip: string;
  readonly port: number;
}

/** The chain and key of an imported certificate, as one PEM text, by its id. Rejects when there is none. */
export type KeyPairLookup = (id: string) => Promise<string>;

/**
 * Makes one check: a GET over a connection of its own, its answer's status. Never throws. It ends within the time of a
 * check, whatever the other side does, or with `ending`, and then nothing of it is left.
 */
export async function probe(
  target: ProbeTarget,
  settings: CheckSettings,
  findKeyPair: KeyPairLookup,
  ending?: AbortSignal,
): Promise<Verdict> {
  const { timeoutMs } = settings;
  const over = new AbortController();
  const cut = Promise.withResolvers<Verdict>();
  const timer = setTimeout(() => cut.resolve(`no answer within ${timeoutMs} ms`), timeoutMs);
  const end = (): void => cut.resolve("ended before there was an answer");
  ending?.addEventListener("abort", end);
  if (ending?.aborted === true) end();
  try {
    // A race, since no list of the ways in which an answer can stay away is ever complete.
    return await Promise.race([cut.promise, ask(target, settings, findKeyPair, over.signal)]);
  } finally {
    clearTimeout(timer);
    ending?.removeEventListener("abort", end);
    over.abort();
  }
}

async function ask(
  target: ProbeTarget,
  settings: CheckSettings,
  findKeyPair: KeyPairLookup,
  signal: AbortSignal,
): Promise<Verdict> {
  const { ip, port } = target;
  const authority = settings.host ?? (isIPv6(ip) ? `[${ip}]:${port}` : `${ip}:${port}`);
  try {
    if (settings.scheme === "tcp") {
      await connectTcp(target, signal);
      return undefined;
    }
    if (settings.scheme === "h2c")
      return judge(await askHttp2(target, authority, settings, signal), settings);
    const tls = settings.scheme === "https" ? await tlsOptions(settings, findKeyPair) : undefined;
    return judge(await askHttp1(target, authority, settings, tls, signal), settings);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return code ?? message;
  }
}

/** A rule of layer 4 says nothing of what its connections speak: that one is taken is all there is to see. */
async function connectTcp({ ip, port }: ProbeTarget, signal: AbortSignal): Promise<void> {
  const socket = connectSocket({ host: ip, port });
  try {
    await once(socket, "connect", { signal });
  } finally {
    socket.destroy();
  }
}

function judge(status: number, { status: wanted }: CheckSettings): Verdict {
  const well = wanted === undefined ? status >= 200 && status < 300 : status === wanted;
  return well ? undefined : `status ${status}${wanted === undefined ? "" : ` instead of ${wanted}`}`;
}

async function tlsOptions(
  { certificate, serverName }: CheckSettings,
  findKeyPair: KeyPairLookup,
): Promise<ConnectionOptions> {
  // Read for every check: a pair that was replaced is shown at once.
  const pair = certificate === undefined ? undefined : await findKeyPair(certificate);
  return {
    // Whether the certificate is right is the business of real requests; a check sends nothing worth protecting.
    rejectUnauthorized: false,
    // No name but a DNS name may be sent (RFC 6066 section 3).
    ...(serverName === undefined || isIP(serverName) !== 0 ? {} : { servername: serverName }),
    ...(pair === undefined ? {} : { cert: pair, key: pair }),
  };
}

/** Over TLS with `tls`, else without. */
function askHttp1(
  { ip, port }: ProbeTarget,
  authority: string,
  { path }: CheckSettings,
  tls: ConnectionOptions | undefined,
  signal: AbortSignal,
): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const options = {
    host: ip,
    port,
    path,
    headers: { host: authority, "user-agent": "gatewright-health-check", connection: "close" },
    agent: false,
    signal,
  } as const;
  const sent = tls === undefined ? httpRequest(options) : httpsRequest({ ...options, ...tls });
  sent.on("error", reject);
  // The status tells all; a body may be endless, and goes with the signal.
  sent.on("response", (response) => resolve(response.statusCode ?? 0));
  // An answer that takes the connection over, 101 above all, is no "response", and its socket is no longer the request's.
  sent.on("upgrade", (response, socket) => {
    resolve(response.statusCode ?? 0);
    socket.destroy();
  });
  sent.on("close", () => reject(new Error("closed without an answer")));
  sent.end();
  return promise;
}

async function askHttp2(
  { ip, port }: ProbeTarget,
  authority: string,
  { path }: CheckSettings,
  signal: AbortSignal,
): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const session = connect(`http://${isIPv6(ip) ? `[${ip}]` : ip}:${port}`);
  session.on("error", reject);
  try {
    const stream = session.request({ ":path": path, ":authority": authority }, { signal });
    // A session that fails takes its streams with it, and is their cause.
    stream.on("error", (error) => reject(error.cause ?? error));
    stream.on("response", (headers) => resolve(headers[":status"] ?? 0));
    stream.on("close", () => reject(new Error("closed without an answer")));
    return await promise;
  } finally {
    session.destroy();
  }
}
