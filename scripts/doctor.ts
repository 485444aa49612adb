/**
 * Looks at the settings, the authority and the DNS provider, and says what is missing. Changes nothing.
 * Exits 1 when something would keep a certificate from being issued.
 */
import { loadConfig } from "../src/config.ts";
import { GatewrightError } from "../src/errors.ts";
import { diagnose } from "../src/wiring/doctor.ts";

const marks = { ok: "✓", warning: "!", failure: "✗" } as const;

try {
  const diagnoses = await diagnose(loadConfig());
  for (const { verdict, message } of diagnoses) console.log(`${marks[verdict]} ${message}`);
  if (diagnoses.some(({ verdict }) => verdict === "failure")) process.exitCode = 1;
} catch (error) {
  if (!(error instanceof GatewrightError)) throw error;
  console.error(`✗ ${error.message}`);
  process.exitCode = 1;
}
