import manifest from "../package.json" with { type: "json" };
import { loadConfig } from "./config.ts";
import { GatewrightError } from "./errors.ts";
import { createLogger, type RootLogger } from "./log.ts";
import { type Gatewright, startGatewright } from "./wiring/gatewright.ts";
import { welcome } from "./wiring/welcome.ts";

async function main(): Promise<void> {
  const config = loadConfig();
  const logger = createLogger(config.log);
  for (const warning of config.warnings) logger.warn(warning);
  const progress = (line: string): void => void process.stderr.write(`${line}\n`);
  const starting = startGatewright({ config, logger, version: manifest.version, progress });
  const gatewright = await Promise.race([starting, signalled()]);
  if (gatewright === undefined) process.exit(130);
  process.stderr.write(welcome(gatewright.config));
  await signalled();
  await end(gatewright, logger);
}

/** Resolves with the first signal to end. */
function signalled(): Promise<undefined> {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const)
    process.once(signal, () => resolve(undefined));
  return promise;
}

async function end(gatewright: Gatewright, logger: RootLogger): Promise<void> {
  logger.info("stopping");
  await gatewright.stop();
  await logger.close();
}

main().catch((error: unknown) => {
  process.stderr.write(
    error instanceof GatewrightError
      ? `\n${error.code}: ${error.message}\n`
      : `\n${String((error as Error).stack)}\n`,
  );
  process.exitCode = 1;
  // Whatever was started before the failure must not keep the process.
  setTimeout(() => process.exit(1), 2_000).unref();
});
