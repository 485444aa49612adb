import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "../free-port.ts";
import { type Cloudflare, startCloudflare } from "./cloudflare.ts";
import { type Pebble, type PebbleOptions, startPebble } from "./pebble.ts";
import { createTestAuthority, type TestAuthority } from "./test-authority.ts";
import { startZoneDns, type ZoneDns } from "./zone-dns.ts";

/** A token of the form that the plugin takes. */
export const cloudflareToken = "test_token_0123456789_abcdefghijklmnop";

/** All that certificates need of the internet, on loopback: an authority, DNS and a DNS provider. */
export interface TlsWorld extends AsyncDisposable {
  readonly zone: string;
  /** Signs what the test itself serves and imports. */
  readonly authority: TestAuthority;
  readonly pebble: Pebble;
  /** Root of what Pebble signs. */
  readonly ca: string;
  readonly dns: ZoneDns;
  readonly cloudflare: Cloudflare;
  readonly httpPort: number;
  readonly httpsPort: number;
  /** Settings for HTTP-01 and TLS-ALPN-01. */
  readonly ports: NodeJS.ProcessEnv;
  /** Settings for DNS-01. */
  readonly dnsChallenge: NodeJS.ProcessEnv;
}

export async function startTlsWorld(
  options: Partial<Pick<PebbleOptions, "validitySeconds" | "eab">> & {
    /** The challenge whose port leads nowhere, so that the other one has to do. */
    readonly broken?: "http-01" | "tls-alpn-01";
  } = {},
): Promise<TlsWorld> {
  const zone = "example.test";
  const folder = await mkdtemp(join(tmpdir(), "gatewright-tls-"));
  const authority = await createTestAuthority();
  const root = join(folder, "root.pem");
  await writeFile(root, authority.pem);
  const cloudflare = await startCloudflare({ zone, token: cloudflareToken, authority });
  const dns = await startZoneDns({ zone, texts: (name) => cloudflare.texts(name) });
  const [httpPort, httpsPort] = [await freePort(), await freePort()];
  const { broken, ...pebbleOptions } = options;
  const nowhere = await freePort();
  const pebble = await startPebble({
    authority,
    httpPort: broken === "http-01" ? nowhere : httpPort,
    tlsPort: broken === "tls-alpn-01" ? nowhere : httpsPort,
    dns: dns.address,
    ...pebbleOptions,
  });
  const ports = {
    HTTP_PORT: String(httpPort),
    HTTPS_PORT: String(httpsPort),
    ACME_EMAIL: "ops@example.test",
    ACME_CA: pebble.directory,
    ACME_CA_ROOT: root,
    TLS_ALLOWED_DOMAINS: `${zone},*.${zone},*.dev.${zone}`,
    TLS_PREFER_WILDCARD: "false",
  };
  const dnsChallenge = {
    ...ports,
    ACME_DNS_PROVIDER: "cloudflare",
    CLOUDFLARE_API_TOKEN: cloudflareToken,
    DNS_RESOLVERS: dns.address,
    DNS_PROPAGATION_TIMEOUT: "20s",
    HTTPS_PROXY: cloudflare.proxyUrl,
    SSL_CERT_FILE: root,
    // The same for Node: the check of the token goes through the proxy too.
    NODE_USE_ENV_PROXY: "1",
    NO_PROXY: "127.0.0.1,localhost",
    NODE_EXTRA_CA_CERTS: root,
  };
  return {
    zone,
    authority,
    pebble,
    ca: await pebble.root(),
    dns,
    cloudflare,
    httpPort,
    httpsPort,
    ports,
    dnsChallenge,
    [Symbol.asyncDispose]: async () => {
      await pebble[Symbol.asyncDispose]();
      await dns[Symbol.asyncDispose]();
      await cloudflare[Symbol.asyncDispose]();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
