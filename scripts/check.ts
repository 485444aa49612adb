/** `npm run check`: generated files, lint, format and types. */
import { checkSteps, runSteps } from "./steps.ts";

const { passed, failed } = await runSteps(checkSteps);
console.log(`\n${passed} passed, ${failed} failed`);
if (failed > 0) process.exitCode = 1;
