import { GatewrightError, type Problem } from "../../src/errors.ts";
import { parseBody, type SchemaName } from "../../src/validation/schema.ts";

/** The problems that a request body is refused with; [] when it fits. */
export function schemaProblems(name: SchemaName, value: unknown): readonly Problem[] {
  try {
    parseBody(name, value);
    return [];
  } catch (error) {
    if (error instanceof GatewrightError) return error.details;
    throw error;
  }
}
