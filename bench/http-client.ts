import { Agent, request } from "node:http";

/** An answer and how long it took, from the moment of sending. */
export interface Answer {
  readonly status: number;
  readonly bytes: Buffer;
  /** The bytes as UTF-8. */
  readonly body: string;
  readonly firstByteMs: number;
  readonly totalMs: number;
}

export interface Call {
  readonly method?: string;
  readonly path?: string;
  readonly host?: string;
  /** Sent as JSON. */
  readonly body?: string;
  readonly headers?: { readonly [name: string]: string };
}

const TIMEOUT_MS = 60_000;

/** A client of one loopback port, used with one request at a time; over kept connections unless told otherwise. */
export class HttpClient {
  readonly #port: number;
  readonly #agent: Agent;

  constructor(port: number, { keepAlive = true }: { readonly keepAlive?: boolean } = {}) {
    this.#port = port;
    this.#agent = new Agent({ keepAlive, maxSockets: 8 });
  }

  /** Rejects when there is no whole answer. Any status is an answer. */
  send({ method = "GET", path = "/", host, body, headers = {} }: Call): Promise<Answer> {
    const began = performance.now();
    return new Promise((resolve, reject) => {
      const outgoing = request(
        {
          host: "127.0.0.1",
          port: this.#port,
          agent: this.#agent,
          method,
          path,
          timeout: TIMEOUT_MS,
          headers: {
            ...(host === undefined ? {} : { host }),
            ...(body === undefined
              ? {}
              : { "content-type": "application/json", "content-length": Buffer.byteLength(body) }),
            ...headers,
          },
        },
        (incoming) => {
          let firstByteMs = Number.NaN;
          const chunks: Buffer[] = [];
          incoming.on("data", (chunk: Buffer) => {
            if (chunks.length === 0) firstByteMs = performance.now() - began;
            chunks.push(chunk);
          });
          incoming.on("error", reject);
          incoming.on("end", () => {
            const totalMs = performance.now() - began;
            const bytes = Buffer.concat(chunks);
            resolve({
              status: incoming.statusCode ?? 0,
              bytes,
              body: bytes.toString(),
              firstByteMs,
              totalMs,
            });
          });
        },
      );
      outgoing.on("timeout", () => outgoing.destroy(new Error("timeout")));
      outgoing.on("error", reject);
      outgoing.end(body);
    });
  }

  /** Like `send`; throws when the status is not 2xx. */
  async succeed(call: Call): Promise<Answer> {
    const answer = await this.send(call);
    if (answer.status < 200 || answer.status > 299)
      throw new Error(
        `${call.method ?? "GET"} ${call.path ?? "/"}: ${answer.status} ${answer.body.slice(0, 500)}`,
      );
    return answer;
  }

  close(): void {
    this.#agent.destroy();
  }
}
