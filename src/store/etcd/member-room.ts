/** How much room a member has, in bytes. */
export interface MemberRoom {
  /** Such as `https://10.0.0.1:2379`. */
  readonly endpoint: string;
  /** Of its file. */
  readonly size: number;
  /** What of the file is in use: the rest comes free by defragmenting. */
  readonly used: number;
  /** From where on it takes no changes; etcd tells since 3.6. */
  readonly quota?: number;
  /** Alarms, in etcd's words. */
  readonly alarms: readonly string[];
}
