/** What a document that cannot be read would claim, as far as its text still tells. */
export interface UnreadableClaims {
  readonly name?: string;
  readonly hostnames: readonly string[];
  /** Of layer 4, such as `5432/tcp`. */
  readonly ports: readonly string[];
}

/** Most hostnames that are looked for in one text. */
const MAX_HOSTNAMES = 1_000;
/** A rule of layer 4 that is told by its port alone; those with TLS are told by name too. */
const BY_PORT = /"protocol"\s*:\s*"(tcp|udp)"/;
const TLS = /"tls"\s*:\s*true/;
const PORT = /"port"\s*:\s*(\d{1,5})\b/;

/** Looks for name, hostnames and ports in the text of a damaged document. Rather too many than too few. */
export function unreadableClaims(text: string): UnreadableClaims {
  const name = /"name"\s*:\s*"([^"\\]{1,255})"/.exec(text)?.[1];
  const hostnames = new Set<string>();
  const ports = new Set<string>();
  // One piece for each rule: its match stands before its target, which has a port too.
  for (const piece of text.split(/(?="match"\s*:)/)) {
    const protocol = BY_PORT.exec(piece)?.[1];
    const port = PORT.exec(piece)?.[1];
    if (protocol !== undefined && port !== undefined && !TLS.test(piece)) {
      ports.add(`${port}/${protocol}`);
      continue;
    }
    for (const [, hostname = ""] of piece.matchAll(/"hostname"\s*:\s*"((?:[^"\\]|\\.){1,300})"/g))
      if (hostnames.size < MAX_HOSTNAMES) hostnames.add(hostname);
  }
  return {
    ...(name === undefined ? {} : { name }),
    hostnames: [...hostnames],
    ports: [...ports],
  };
}
