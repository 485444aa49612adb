import type { WriterStep } from "../../src/manager/writer.ts";

const all: { readonly [step in WriterStep]: true } = {
  staged: true,
  rendered: true,
  applied: true,
  persisted: true,
  committed: true,
};

/** The steps of a change, in their order. */
export const writerSteps = Object.keys(all) as WriterStep[];
