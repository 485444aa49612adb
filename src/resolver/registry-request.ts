import { GatewrightError, type Problem } from "../errors.ts";
import type { Instance, PutInstanceRequest } from "../model/api.ts";
import { canonicalAddress } from "./instance-address.ts";

/** RFC 1123 section 2.1, in lowercase. */
const LABEL = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
/** A DNS name has 253 characters (RFC 1035 section 2.3.4); this leaves room for the zone. */
const LONGEST_NAME = 200;

/** Lowercase form of an instance's name: one DNS label or several with dots. Throws `bad_request`. */
export function canonicalName(name: string): string {
  const canonical = name.toLowerCase();
  if (canonicalAddress(canonical) !== undefined) {
    throw refused({
      code: "invalid_value",
      message: `"${name}" is an address; an instance needs a name`,
      field: "name",
    });
  }
  if (isServiceName(canonical)) {
    const message = `"${name}" ends in the label svc, which stands for services; choose another name`;
    throw refused({ code: "invalid_value", message, field: "name" });
  }
  if (canonical.length > LONGEST_NAME || !canonical.split(".").every((part) => LABEL.test(part))) {
    throw refused({
      code: "invalid_value",
      message: `"${name.slice(0, LONGEST_NAME)}" is not a name: labels of at most 63 letters, digits and inner hyphens, joined by dots, ${LONGEST_NAME} characters in all`,
      field: "name",
    });
  }
  return canonical;
}

/** Whether DNS answers the name with a service (`<service>.svc`), never with an instance. */
function isServiceName(name: string): boolean {
  return name === "svc" || name.endsWith(".svc");
}

/** Checks what the schema cannot say. Throws `bad_request` with every problem. */
export function checkRequest(name: string, request: PutInstanceRequest): void {
  const problems: Problem[] = [];
  if (request.name !== undefined && request.name.toLowerCase() !== name) {
    problems.push({
      code: "invalid_value",
      message: `name must be "${name}", as in the address, or absent`,
      field: "name",
    });
  }
  if (request.id !== undefined && !LABEL.test(request.id)) {
    problems.push({
      code: "invalid_value",
      message: "id must be lowercase letters, digits and inner hyphens",
      field: "id",
    });
  }
  const { ip } = request.network;
  if (ip !== null && ip !== "" && canonicalAddress(ip) === undefined) {
    problems.push({
      code: "invalid_value",
      message: "ip must be an IPv4 or IPv6 address, or null",
      field: "network.ip",
    });
  }
  if (problems.length > 0) throw refused(...(problems as [Problem, ...Problem[]]));
}

/** The instance that a request makes of the present one, or of nothing. */
export function instanceOf(
  name: string,
  request: PutInstanceRequest,
  present: Instance | undefined,
  defaults: { readonly makeId: () => string; readonly now: string },
): Instance {
  const { enabled, ip, mac, name: networkName } = request.network;
  return {
    id: present?.id ?? request.id ?? defaults.makeId(),
    name,
    state: request.state ?? "Running",
    network: {
      enabled: enabled ?? true,
      ip: ip === "" ? null : ip,
      ...(mac === undefined ? {} : { mac }),
      ...(networkName === undefined ? {} : { name: networkName }),
    },
    ...(request.service === undefined ? {} : { service: request.service }),
    ...(request.tags === undefined || Object.keys(request.tags).length === 0 ? {} : { tags: request.tags }),
    created_at: present?.created_at ?? request.created_at ?? defaults.now,
    updated_at: defaults.now,
  };
}

function refused(...details: [Problem, ...Problem[]]): GatewrightError {
  return new GatewrightError("bad_request", `invalid request: ${details[0].message}`, { details });
}
