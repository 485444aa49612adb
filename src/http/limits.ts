/** What one caller may take of the server. */
export interface HttpLimits {
  /** Largest request body, in bytes. */
  readonly bodyBytes: number;
  /** Largest request line and headers together, in bytes; more is answered with 431. */
  readonly headerBytes: number;
  /** Time to receive the headers, from the connection's or the previous request's end. */
  readonly headersTimeoutMs: number;
  /** Time to receive headers and body; later the connection is answered with 408 and closed. */
  readonly requestTimeoutMs: number;
  /** Time without a byte in either direction while a request is served, after which the connection is closed. */
  readonly idleTimeoutMs: number;
  /** Time in which the client takes nothing of its answer, after which the connection is closed. */
  readonly writeTimeoutMs: number;
  /** Time that a connection is kept for the next request. */
  readonly keepAliveTimeoutMs: number;
  /** Most connections at once. Beyond, one that is idle is closed for the new one, else the new one gets a 503. */
  readonly connections: number;
  /** Most connections of one client (an IPv4 address, an IPv6 /64), as above. */
  readonly connectionsOfClient: number;
  /** Most requests of a connection that wait for the answer to the one before; more close it. */
  readonly waitingRequests: number;
  /** Most streams of events at once; more are answered with 503. */
  readonly eventStreams: number;
  /** A stream without events says something so often. */
  readonly heartbeatMs: number;
  /** Most bytes of bodies and large answers that are held for all clients together; more is answered with 503. */
  readonly bytesHeld: number;
}

/** 60 s for a whole request as in hypeman; 1 MiB holds a document of several thousand rules. */
export const defaultLimits: HttpLimits = {
  bodyBytes: 1024 * 1024,
  headerBytes: 16 * 1024,
  headersTimeoutMs: 10_000,
  requestTimeoutMs: 30_000,
  idleTimeoutMs: 60_000,
  // Longer than the 60 s of common proxies, which must be the ones to close.
  keepAliveTimeoutMs: 65_000,
  writeTimeoutMs: 30_000,
  // A proxy in front of the API is one client; group commit takes 512 changes at once.
  connections: 2048,
  connectionsOfClient: 1024,
  waitingRequests: 16,
  eventStreams: 64,
  // Below the 30 s after which common proxies take a stream for dead, and below `idleTimeoutMs`.
  heartbeatMs: 15_000,
  bytesHeld: 64 * 1024 * 1024,
};
