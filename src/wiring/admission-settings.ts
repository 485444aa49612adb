import { networkInterfaces } from "node:os";
import type { Config } from "../config.ts";
import type { AdmissionSettings } from "../manager/admission.ts";
import { deniedNetworks, tlsSettings } from "./compiler-settings.ts";
import { ownPorts } from "./own-ports.ts";

/** What ingress documents are checked against. */
export function admissionSettings(config: Config): AdmissionSettings {
  return {
    ports: { httpPort: config.caddy.httpPort, httpsPort: config.caddy.httpsPort },
    tls: tlsSettings(config),
    guard: {
      deny: deniedNetworks,
      denyLocalPorts: ownPorts(config),
      allowLoopback: config.api.loopback,
      allow: config.security.targetAllowCidrs,
      localAddresses,
    },
  };
}

function localAddresses(): readonly string[] {
  return Object.values(networkInterfaces()).flatMap(
    (addresses) => addresses?.map(({ address }) => address) ?? [],
  );
}
