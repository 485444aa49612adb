/** A listen port and the kinds of traffic that rows expect on it. */
export interface PortUse {
  readonly port: number;
  readonly plain: boolean;
  readonly tls: boolean;
  /** TLS connections are passed on or ended by name. */
  readonly names?: true;
  /** TLS of such connections is ended here. */
  readonly ends?: true;
  /** Every TCP connection belongs to one rule. */
  readonly whole?: true;
  /** Addresses that rules of TCP name, "" for those that name none. Absent: none is named. */
  readonly listen?: readonly string[];
  /** The same for UDP. Absent: no rule of UDP. */
  readonly udp?: readonly string[];
}
