import { once } from "node:events";
import { ReadableStream } from "node:stream/web";
import { Worker } from "node:worker_threads";
import type { AgeAnswer, AgeWork } from "./age-worker.ts";
import { invalidArchive } from "./archive-format.ts";

/** How files in the age format begin (https://age-encryption.org/v1). */
const AGE_START = "age-encryption.org/v1\n";
const HEADER = /^age-encryption\.org\/v1\n-> (\S+) ?(\S*) ?(\d*)/;
/** 2^18 blocks of 1 KiB, as age itself makes them: 256 MiB while the key is derived. */
const MOST_WORK = 18;

/** Whether bytes are the beginning of a file in the age format. */
export function isAge(start: Buffer): boolean {
  return start.subarray(0, AGE_START.length).toString("latin1") === AGE_START;
}

/** Encrypts by a passphrase. The iteration may be left before its end. */
export function encrypted(bytes: AsyncIterable<Uint8Array>, passphrase: string): AsyncGenerator<Uint8Array> {
  return inThread("encrypt", bytes, passphrase);
}

/**
 * The bytes that were encrypted by a passphrase. `start` is the beginning of the file, with its header. Throws
 * `archive_invalid` for a wrong passphrase, for a key that costs more than 256 MiB to derive, and for what was changed or cut
 * off, which may be found after good bytes: they count only when the iteration has ended.
 */
export async function* decrypted(
  bytes: AsyncIterable<Uint8Array>,
  passphrase: string,
  start: Buffer,
): AsyncGenerator<Uint8Array> {
  const [, kind, , work] = HEADER.exec(start.toString("latin1")) ?? [];
  if (kind !== "scrypt")
    throw invalidArchive("it is not encrypted by a passphrase, but for the owner of a key");
  if (Number(work) > MOST_WORK)
    throw invalidArchive(
      `its passphrase takes a work factor of ${work} to check, and ${MOST_WORK} is the most`,
    );
  yield* inThread("decrypt", bytes, passphrase);
}

/** Deriving a key takes a second of work, which must hold up nobody; so must loading the library. */
async function* inThread(
  does: AgeWork["does"],
  bytes: AsyncIterable<Uint8Array>,
  passphrase: string,
): AsyncGenerator<Uint8Array> {
  let failure: unknown;
  // An error in the source would come out of the thread as another one.
  const source = ReadableStream.from(notingFailure(bytes, (error) => (failure = error)));
  const workerData = { does, passphrase, input: source } satisfies {
    readonly [key in keyof AgeWork]: unknown;
  };
  const worker = new Worker(new URL("./age-worker.ts", import.meta.url), {
    workerData,
    transferList: [source as never],
  });
  worker.on("error", (error) => (failure ??= error));
  try {
    const [answer] = (await once(worker, "message")) as [AgeAnswer];
    if ("refusal" in answer) throw failure ?? refused(answer.refusal);
    yield* answer.output as unknown as AsyncIterable<Uint8Array>;
  } catch (error) {
    if (failure !== undefined) throw failure;
    throw does === "decrypt" ? damaged(error) : error;
  } finally {
    await worker.terminate();
  }
}

async function* notingFailure(
  bytes: AsyncIterable<Uint8Array>,
  note: (error: unknown) => void,
): AsyncGenerator<Uint8Array> {
  try {
    yield* bytes;
  } catch (error) {
    note(error);
    throw error;
  }
}

/** The library has words of its own, and no codes. */
function refused(reason: string): Error {
  if (reason.startsWith("no identity matched")) return invalidArchive("the passphrase is wrong");
  return invalidArchive(`its encryption was damaged or changed (${reason})`);
}

function damaged(error: unknown): unknown {
  if (error instanceof Error && error.name === "GatewrightError") return error;
  return invalidArchive("it was damaged, changed or cut off; export it again", error);
}
