import type { ManagedName } from "../compiler/tls-needs.ts";
import type { CertificateState } from "../model/api.ts";

/** What is known of a name that Caddy manages. */
export interface ManagedState {
  readonly need: ManagedName;
  readonly state: CertificateState;
  /** An order is under way that has not failed. */
  readonly isOrdered?: boolean;
  readonly served?: {
    readonly issuer: string;
    readonly serial: string;
    readonly names: readonly string[];
    readonly notBefore: Date;
    readonly notAfter: Date;
  };
  readonly error?: { readonly message: string; readonly at: string; readonly failures: number };
}
