import type { ApplyStep, WriterStep } from "../../src/manager/apply-step.ts";
import type { Track } from "../../src/util/track.ts";

const all: { readonly [step in WriterStep]: true } = {
  stage: true,
  render: true,
  apply: true,
  persist: true,
  commit: true,
};

/** The steps of a change, in their order. */
export const writerSteps = Object.keys(all) as WriterStep[];

/** Has `reached` be awaited after each step that was taken. */
export function afterSteps<Step extends string = ApplyStep>(
  reached: (step: Step) => void | Promise<void>,
): Track<Step> {
  return async (step, run) => {
    const result = await run();
    await reached(step);
    return result;
  };
}
