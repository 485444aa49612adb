import type { Operation } from "./wire.ts";

/** etcd takes 128 steps in a transaction unless it is told otherwise (--max-txn-ops), some of which are ours. */
export const MOST_STEPS = 120;
/** It takes 1.5 MiB in a request unless it is told otherwise (--max-request-bytes). */
export const MOST_BYTES = 1024 * 1024;

/** What an operation takes of a request. */
export function sizeOf(operation: Operation): number {
  return operation.key.length + (operation.kind === "put" ? operation.value.length : 0);
}

/** Steps in transactions that etcd takes, in their order. */
export function* inTransactions(operations: readonly Operation[]): Generator<readonly Operation[]> {
  let one: Operation[] = [];
  let size = 0;
  for (const operation of operations) {
    if (one.length > 0 && (one.length === MOST_STEPS || size + sizeOf(operation) > MOST_BYTES)) {
      yield one;
      one = [];
      size = 0;
    }
    one.push(operation);
    size += sizeOf(operation);
  }
  if (one.length > 0) yield one;
}
