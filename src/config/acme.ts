import type { Values } from "./read.ts";
import { duration, optional, pathOf, secret, text } from "./readers.ts";

const directories: { readonly [name: string]: string } = {
  // https://letsencrypt.org/docs/staging-environment/ and https://letsencrypt.org/getting-started/
  production: "https://acme-v02.api.letsencrypt.org/directory",
  staging: "https://acme-staging-v02.api.letsencrypt.org/directory",
};

/** Who issues certificates, and how names are proven; undefined without ACME_EMAIL. */
export function acmeConfig(values: Values) {
  const email = values.text("ACME_EMAIL");
  if (email === undefined) return undefined;
  const token = secret(values, "CLOUDFLARE_API_TOKEN");
  const fallback = values.text("ACME_FALLBACK_CA");
  const dns = {
    provider: "cloudflare" as const,
    ...optional("propagationTimeout", values.duration("DNS_PROPAGATION_TIMEOUT")),
    resolvers: values.list("DNS_RESOLVERS"),
  };
  return {
    email,
    /** Directory URL. */
    ca: directoryOf(text(values, "ACME_CA")),
    /** PEM file. Absent: the system's roots. */
    ...optional("caRoot", pathOf(values, "ACME_CA_ROOT")),
    timeout: duration(values, "ACME_TIMEOUT"),
    ...optional("eab", eab(values, "ACME_EAB")),
    ...(fallback === undefined
      ? {}
      : { fallback: { ca: directoryOf(fallback), ...optional("eab", eab(values, "ACME_FALLBACK_EAB")) } }),
    /** Absent: HTTP-01 and TLS-ALPN-01. */
    ...(values.has("ACME_DNS_PROVIDER") && token !== undefined ? { dns: { ...dns, token } } : {}),
  };
}

function directoryOf(ca: string): string {
  return directories[ca] ?? ca;
}

function eab(values: Values, prefix: string) {
  const keyId = values.text(`${prefix}_KEY_ID`);
  const hmacKey = secret(values, `${prefix}_HMAC_KEY`);
  return keyId === undefined || hmacKey === undefined ? undefined : { keyId, hmacKey };
}
