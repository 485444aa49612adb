import type { TransportTls } from "../caddy-json/transport.ts";
import type { UpstreamTls } from "../model/api.ts";
import type { CompilerSettings } from "./settings.ts";
import { importedCertificatePath } from "./tls.ts";

/** How the instance is verified and what Caddy shows it (RFC 6125: by `server_name`, else by its address). */
export function upstreamTls(tls: UpstreamTls | undefined, { folder }: CompilerSettings): TransportTls {
  const { server_name, ca_pem, certificate, insecure_skip_verify } = tls ?? {};
  const file = certificate === undefined ? undefined : importedCertificatePath(folder, certificate);
  return {
    ...(server_name === undefined ? {} : { server_name }),
    ...(ca_pem === undefined
      ? {}
      : { ca: { provider: "inline", trusted_ca_certs: derCertificates(ca_pem) } }),
    ...(file === undefined ? {} : { client_certificate_file: file, client_certificate_key_file: file }),
    ...(insecure_skip_verify === true ? { insecure_skip_verify: true } : {}),
  };
}

/** The certificates of a PEM text as base64 DER, as Caddy's `inline` pool takes them. */
function derCertificates(pem: string): readonly string[] {
  const found = pem.matchAll(/-----BEGIN CERTIFICATE-----([^-]*)-----END CERTIFICATE-----/g);
  return [...found].map(([, base64 = ""]) => base64.replace(/\s+/g, ""));
}
