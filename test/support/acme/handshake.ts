import { request } from "node:https";
import { connect, type TLSSocket } from "node:tls";

export interface HandshakeOptions {
  readonly port: number;
  /** Default: 127.0.0.1. */
  readonly address?: string;
  /** SNI; the certificate must have this name. */
  readonly host: string;
  /** Roots, PEM. */
  readonly ca: string;
  readonly cert?: string;
  readonly key?: string;
  readonly maxVersion?: "TLSv1.2" | "TLSv1.3";
}

/** What a verified handshake showed. */
export interface Shown {
  readonly names: string;
  readonly serial: string;
  readonly protocol: string;
  readonly notAfter: Date;
}

/** One TLS handshake whose chain and name are verified. Rejects with the reason when they are not. */
export function handshake(options: HandshakeOptions): Promise<Shown> {
  const { promise, resolve, reject } = Promise.withResolvers<Shown>();
  const socket: TLSSocket = connect({ ...connection(options), timeout: 10_000 }, () => {
    const { subjectaltname = "", serialNumber, valid_to } = socket.getPeerCertificate();
    const protocol = socket.getProtocol() ?? "";
    socket.end();
    resolve({ names: subjectaltname, serial: serialNumber, protocol, notAfter: new Date(valid_to) });
  });
  socket.on("timeout", () => socket.destroy(new Error("no handshake in time")));
  socket.on("error", reject);
  return promise;
}

export interface SecureAnswer {
  readonly status: number;
  readonly headers: { readonly [name: string]: string | readonly string[] | undefined };
  readonly text: string;
}

/** A request over a verified TLS connection of its own. `hostHeader` may differ from the SNI. */
export function visitSecurely(
  options: HandshakeOptions & { readonly path?: string; readonly hostHeader?: string },
): Promise<SecureAnswer> {
  const { promise, resolve, reject } = Promise.withResolvers<SecureAnswer>();
  const sent = request(
    {
      ...connection(options),
      path: options.path ?? "/",
      headers: { host: options.hostHeader ?? options.host },
      agent: false,
      timeout: 10_000,
    },
    (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
      response.on("end", () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, text }),
      );
      response.on("error", reject);
    },
  );
  sent.on("timeout", () => sent.destroy(new Error("no answer in time")));
  sent.on("error", reject);
  sent.end();
  return promise;
}

function connection({ port, address = "127.0.0.1", host, ca, cert, key, maxVersion }: HandshakeOptions) {
  return {
    host: address,
    port,
    servername: host,
    ca,
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
    ...(maxVersion === undefined ? {} : { maxVersion }),
  };
}

/** Repeats until it succeeds; throws the last reason when the time is over. */
export async function eventually<T>(attempt: () => Promise<T>, timeoutMs = 30_000): Promise<T> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (Date.now() > deadline) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
