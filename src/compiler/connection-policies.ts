import type { FrontDoor, TlsConnectionPolicy } from "../caddy-json/config.ts";
import type { TlsNeed } from "./tls-needs.ts";

/** How TLS is ended on a port: options of hosts are in the host table, the imported certificates are Caddy's. */
export function endedTls(needs: readonly TlsNeed[]): Required<Pick<FrontDoor, "tls">> {
  const certificates = importedIds(needs);
  return { tls: certificates.length === 0 ? {} : { certificates } };
}

/**
 * The connection policies of HTTP/3: QUIC takes its options from Caddy's configuration alone. One for each certificate,
 * with and without asking clients for theirs; the host table says which holds for a name.
 */
export function quicPolicies(needs: readonly TlsNeed[]): readonly TlsConnectionPolicy[] {
  return [...importedIds(needs), undefined].flatMap((certificate) => {
    const shown = certificate === undefined ? {} : { certificate };
    const selected = certificate === undefined ? {} : { certificate_selection: { any_tag: [certificate] } };
    return [
      {
        match: { gatewright: { ...shown, asks: true as const } },
        ...selected,
        client_authentication: { mode: "request" as const },
      },
      certificate === undefined ? {} : { match: { gatewright: shown }, ...selected },
    ];
  });
}

function importedIds(needs: readonly TlsNeed[]): readonly string[] {
  return needs.flatMap((need) => (need.kind === "certificate" ? [need.id] : [])).sort();
}
