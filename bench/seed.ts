import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Ingress, Instance, Policies } from "../src/model/api.ts";

/** Hostnames as literals, or each as a pattern of its own with its instance's name in the host. */
export type HostKind = "literal" | "pattern";

/** Hosts to ask for: `%d` is a number below the size. */
export const askedHosts: { readonly [kind in HostKind]: string } = {
  literal: "h%d.bench.test",
  pattern: "vm-%d.p%d.bench.test",
};

/** Instances share this many loopback addresses: what matters is the number of names. */
const ADDRESSES = 64;
const CREATED_AT = "2026-01-01T00:00:00.000Z";

/** The loopback address of an instance. */
export function addressOf(number: number): string {
  return `127.0.1.${(number % ADDRESSES) + 1}`;
}

/** The literal hostname of an ingress. */
export function hostOf(number: number): string {
  return askedHosts.literal.replace("%d", String(number));
}

export interface Seed {
  readonly dataDir: string;
  readonly size: number;
  readonly kind: HostKind;
  /** Port that the ingresses listen on. */
  readonly httpPort: number;
  /** Port of every instance. */
  readonly backendPort: number;
  /** Whether the ingresses are of TLS, each with a certificate of its own. Default false. */
  readonly tls?: boolean;
  /** Policies of each ingress. Default: none. */
  readonly policies?: (number: number) => Policies;
}

/** Writes ingresses `b-0`, `b-1`, … and their instances `vm-0`, `vm-1`, … as the store keeps them. */
export function writeSeed(seed: Seed): void {
  const folders = { ingresses: join(seed.dataDir, "ingresses"), instances: join(seed.dataDir, "instances") };
  for (const folder of Object.values(folders)) {
    mkdirSync(folder, { recursive: true });
    chmodSync(folder, 0o700);
  }
  for (let number = 0; number < seed.size; number++) {
    write(folders.ingresses, ingressOf(number, seed));
    write(folders.instances, instanceOf(number));
  }
}

function write(folder: string, document: Ingress | Instance): void {
  writeFileSync(join(folder, `${document.id}.json`), JSON.stringify(document), { mode: 0o600 });
}

/** The ingress `b-<number>`. */
export function ingressOf(
  number: number,
  { kind, httpPort, backendPort, tls = false, policies }: Omit<Seed, "dataDir" | "size">,
): Ingress {
  const literal = kind === "literal";
  return {
    id: `b${String(number).padStart(23, "0")}`,
    name: `b-${number}`,
    created_at: CREATED_AT,
    updated_at: CREATED_AT,
    rules: [
      {
        match: {
          hostname: literal ? hostOf(number) : `{instance}.p${number}.bench.test`,
          port: httpPort,
        },
        target: { instance: literal ? `vm-${number}` : "{instance}", port: backendPort },
        tls,
        redirect_http: false,
        ...(policies === undefined ? {} : { policies: policies(number) }),
      },
    ],
  };
}

function instanceOf(number: number): Instance {
  return {
    id: `v${String(number).padStart(23, "0")}`,
    name: `vm-${number}`,
    state: "Running",
    network: { enabled: true, ip: addressOf(number) },
    created_at: CREATED_AT,
    updated_at: CREATED_AT,
  };
}
