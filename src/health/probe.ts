import { once } from "node:events";
import { request as httpRequest } from "node:http";
import { connect } from "node:http2";
import { request as httpsRequest } from "node:https";
import { connect as connectSocket, isIPv6 } from "node:net";
import type { CheckSettings } from "./check-plan.ts";

/** What a check found: undefined when all is well, else why not, in words. */
export type Verdict = string | undefined;

/** Where a check goes. */
export interface ProbeTarget {
  readonly ip: string;
  readonly port: number;
}

/** Makes one check: a GET over a connection of its own, its answer's status. Never throws. */
export async function probe({ ip, port }: ProbeTarget, settings: CheckSettings): Promise<Verdict> {
  const signal = AbortSignal.timeout(settings.timeoutMs);
  const authority = settings.host ?? (isIPv6(ip) ? `[${ip}]:${port}` : `${ip}:${port}`);
  try {
    if (settings.scheme === "tcp") {
      await connectTcp({ ip, port }, signal);
      return undefined;
    }
    const ask = settings.scheme === "h2c" ? askHttp2 : askHttp1;
    return judge(await ask({ ip, port }, authority, settings, signal), settings);
  } catch (error) {
    if (signal.aborted) return `no answer within ${settings.timeoutMs} ms`;
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

function askHttp1(
  { ip, port }: ProbeTarget,
  authority: string,
  { scheme, path }: CheckSettings,
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
  // Whether the certificate is right is the business of real requests; a check sends nothing worth protecting.
  const sent =
    scheme === "https" ? httpsRequest({ ...options, rejectUnauthorized: false }) : httpRequest(options);
  sent.on("error", reject);
  sent.on("response", (response) => {
    resolve(response.statusCode ?? 0);
    // The status tells all; a body may be endless.
    response.destroy();
  });
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
