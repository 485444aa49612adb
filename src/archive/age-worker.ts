import { parentPort, workerData } from "node:worker_threads";
import { Decrypter, Encrypter } from "age-encryption";

/** What the thread is given; see `age.ts`. */
export interface AgeWork {
  readonly does: "encrypt" | "decrypt";
  readonly passphrase: string;
  readonly input: ReadableStream<Uint8Array>;
}

/** What it answers: the stream, or why there is none. */
export type AgeAnswer = { readonly output: ReadableStream<Uint8Array> } | { readonly refusal: string };

// Streams do not keep a thread alive; whoever started it ends it.
parentPort?.on("message", () => undefined);
const { does, input, passphrase } = workerData as AgeWork;
try {
  const output = does === "encrypt" ? await encrypt() : await decrypt();
  parentPort?.postMessage({ output } satisfies AgeAnswer, [output as never]);
} catch (error) {
  parentPort?.postMessage({ refusal: (error as Error).message } satisfies AgeAnswer);
}

function encrypt(): Promise<ReadableStream<Uint8Array>> {
  const encrypter = new Encrypter();
  encrypter.setPassphrase(passphrase);
  return encrypter.encrypt(input);
}

function decrypt(): Promise<ReadableStream<Uint8Array>> {
  const decrypter = new Decrypter();
  decrypter.addPassphrase(passphrase);
  return decrypter.decrypt(input);
}
